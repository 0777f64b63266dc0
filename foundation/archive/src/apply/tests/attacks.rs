//! Archives that try to get out, to exhaust, or to confuse.

use super::*;

fn check_refused(entries: &[(Header, &[u8])], words: &str) {
    let scene = Scene::new();
    let error = scene.apply(entries).unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(error.kind(), gantry_types::ErrorKind::InvalidParameter, "{error:?}");
}

#[test]
fn paths_above_the_root_are_refused() {
    for path in ["../outside/x", "a/../../outside/x", "/../outside/x", "..", "./../outside/secret"]
    {
        check_refused(&[(file(path), b"evil")], "leaves the root");
        check_refused(&[(dir(path), b"")], "leaves the root");
        check_refused(&[(Header::symlink(path, "/etc"), b"")], "leaves the root");
    }
}

#[test]
fn absolute_paths_are_below_the_root() {
    let scene = Scene::new();
    let path = scene.temp.path().join("outside/secret");
    let path = path.to_str().unwrap();
    scene.apply(&[(file(path), b"harmless"), (file("a/../b"), b"b")]).unwrap();
    assert_eq!(scene.text(path.trim_start_matches('/')), "harmless");
    assert_eq!(scene.text("b"), "b");
}

#[test]
fn links_do_not_lead_out() {
    for target in ["../outside", "/", "../../../../../../..", "d/../../outside"] {
        let scene = Scene::new();
        // Whatever the link says, the file is made below the root, or not at all.
        drop(scene.apply(&[
            (dir("d"), b""),
            (Header::symlink("l", target), b""),
            (file("l/secret"), b"evil"),
        ]));
    }
    let scene = Scene::new();
    let outside = scene.temp.path().join("outside");
    let absolute = outside.to_str().unwrap();
    for entries in [
        vec![(Header::symlink("l", absolute), &b""[..]), (file("l/secret"), b"evil")],
        vec![(Header::symlink("s", &*format!("{absolute}/secret")), b""), (file("s"), b"evil")],
        vec![(Header::symlink("m", absolute), b""), (dir("m/new"), b"")],
        vec![(Header::symlink("n", absolute), b""), (Header::hard_link("stolen", "n/secret"), b"")],
        vec![(Header::symlink("w", absolute), b""), (file("w/.wh.secret"), b"")],
        vec![(Header::symlink("o", absolute), b""), (file("o/.wh..wh..opq"), b"")],
    ] {
        drop(scene.apply(&entries));
    }
    assert!(!scene.path("stolen").exists());
}

#[test]
fn a_parent_swapped_for_a_link_is_noticed() {
    let scene = Scene::new();
    let outside = scene.temp.path().join("outside");
    let entries = [
        (dir("a"), &b""[..]),
        (file("a/one"), b"1"),
        (Header::symlink("a", outside.to_str().unwrap()), b""),
        (file("a/secret"), b"evil"),
    ];
    // The link dangles inside the root: nothing can lie in it.
    let error = scene.apply(&entries).unwrap_err();
    assert!(error.to_string().contains("is not a directory"), "{error}");

    let scene = Scene::new();
    scene
        .apply(&[
            (dir("a/b"), b""),
            (file("a/b/one"), b"1"),
            (dir("c"), b""),
            (Header::symlink("a", "c"), b""),
            (dir("c/b"), b""),
            (file("a/b/two"), b"2"),
        ])
        .unwrap();
    assert_eq!(scene.text("c/b/two"), "2");
}

#[test]
fn link_loops_and_files_as_parents_are_refused() {
    check_refused(
        &[(Header::symlink("a", "b"), b""), (Header::symlink("b", "a"), b""), (file("a/x"), b"")],
        "is not a directory",
    );
    check_refused(&[(file("f"), b""), (file("f/x"), b"")], "is not a directory");
    check_refused(&[(file("f"), b""), (file("f/x/y"), b"")], "is not a directory");
}

#[test]
fn hard_links_do_not_lead_out() {
    for target in ["../outside/secret", "/../outside/secret", "a/../../outside/secret"] {
        check_refused(&[(Header::hard_link("h", target), b"")], "out of the archive");
    }
    check_refused(&[(Header::hard_link("h", "/"), b"")], "to the root");
    check_refused(&[(Header::hard_link("h", "h"), b"")], "to itself");
    check_refused(&[(dir("d"), b""), (Header::hard_link("h", "d"), b"")], "to a directory");
    let scene = Scene::new();
    let secret = scene.temp.path().join("outside/secret");
    let fixups = scene.apply(&[(Header::hard_link("h", secret.to_str().unwrap()), b"")]).unwrap();
    // Absolute targets are below the root, where there is no such file.
    let root = scene.open();
    let error = resolve_fixups(root.as_fd(), None, &fixups.fixups).unwrap_err();
    assert!(error.to_string().contains("is not there"), "{error}");
}

#[test]
fn a_link_to_itself_by_another_name_keeps_the_file() {
    let scene = Scene::new();
    scene
        .apply(&[
            (dir("d"), b""),
            (file("d/f"), b"kept"),
            (Header::symlink("s", "d"), b""),
            (Header::hard_link("s/f", "d/f"), b""),
        ])
        .unwrap();
    assert_eq!(scene.text("d/f"), "kept");
}

#[test]
fn a_link_that_replaces_its_target_s_directory_is_no_panic() {
    let scene = Scene::new();
    let entries = [(dir("d"), &b""[..]), (file("d/f"), b"x"), (Header::hard_link("d", "d/f"), b"")];
    let applied = scene.apply(&entries).unwrap();
    assert_eq!(applied.fixups.len(), 1);
}

#[test]
fn the_root_cannot_be_replaced() {
    for name in [".", "/", "./", "a/.."] {
        check_refused(&[(Header::file(name, 0o644), b"x")], "would replace the root");
        check_refused(&[(Header::symlink(name, "/etc"), b"")], "would replace the root");
        check_refused(&[(Header::hard_link(name, "x"), b"")], "would replace the root");
    }
}

#[test]
fn depth_and_memory_are_limited() {
    let deep = "d/".repeat(513);
    let error = Scene::new().apply(&[(dir(&deep), b"")]).unwrap_err();
    assert!(error.to_string().contains("512 levels"), "{error}");
    let names: Vec<String> = (0..100).map(|at| format!("{at:0200}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (dir(name), &b""[..])).collect();
    let limits = Limits { remembered_bytes: 10_000, ..Limits::default() };
    let options = ApplyOptions { limits, ..ApplyOptions::default() };
    let error = Scene::new().apply_with(&archive(&entries), &options).unwrap_err();
    assert!(error.to_string().contains("10000 bytes in the paths"), "{error}");
    let error = Scene::new().apply(&[(file(&"n".repeat(256)), b"")]).unwrap_err();
    assert_eq!(error.kind(), gantry_types::ErrorKind::InvalidParameter, "{error:?}");
}

#[test]
fn values_that_the_file_system_cannot_hold_are_the_archive_s_fault() {
    for (name, value) in [("user.big", vec![b'x'; 100_000]), ("security.capability", vec![1])] {
        let mut header = file("x");
        header.xattrs.push(Xattr { name: name.into(), value });
        check_refused(&[(header, b"")], "cannot hold");
    }
}

#[test]
fn a_cut_archive_is_refused() {
    let bytes = archive(&[(file("a"), &[7; 3000])]);
    let error = Scene::new().apply_with(&bytes[..2000], &ApplyOptions::default()).unwrap_err();
    assert_eq!(error.kind(), gantry_types::ErrorKind::InvalidParameter);
    assert!(error.to_string().contains("cut off"), "{error}");
}

#[test]
fn a_full_disk_is_named() {
    let error = Error::place("write", b"x", rustix::io::Errno::NOSPC);
    assert_eq!(error.kind(), gantry_types::ErrorKind::StorageFull);
}
