//! Whiteouts and what layers owe to the layers below them.

use super::*;

fn is_opaque(scene: &Scene, path: &str) -> bool {
    let dir = fs::File::open(scene.path(path)).unwrap();
    inode::xattr(dir.as_fd(), metadata::OPAQUE, b"").unwrap().as_deref() == Some(b"y")
}

fn is_whiteout(scene: &Scene, path: &str) -> bool {
    let stat = scene.stat(path);
    stat.file_type().is_char_device() && stat.rdev() == 0
}

fn path(text: &str) -> EntryPath {
    EntryPath::normalise(text.as_bytes()).unwrap()
}

#[test]
fn whiteouts_become_overlay_s() {
    let scene = Scene::new();
    let applied = scene
        .apply(&[
            (dir("a"), b""),
            (file("a/.wh.gone"), b""),
            (file(".wh.top"), b""),
            (dir("o"), b""),
            (file("o/.wh..wh..opq"), b""),
            (file("o/new"), b"new"),
            (file(".wh..wh.plnk/1"), b"aufs"),
        ])
        .unwrap();
    assert!(is_whiteout(&scene, "a/gone") && is_whiteout(&scene, "top"));
    assert!(is_opaque(&scene, "o") && !is_opaque(&scene, "a"));
    assert_eq!(scene.text("o/new"), "new");
    assert_eq!(applied.fixups, []);
    assert!(!applied.root_opaque);
    let mut names: Vec<_> =
        fs::read_dir(scene.path("")).unwrap().map(|item| item.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a", "o", "top"]);
}

#[test]
fn whiteouts_hide_lower_layers_only() {
    let scene = Scene::new();
    scene
        .apply(&[
            // A file before and after its whiteout.
            (file("before"), b"stays"),
            (file(".wh.before"), b""),
            (file(".wh.after"), b""),
            (file("after"), b"stays"),
            // A directory likewise: it must hide what was below.
            (dir("d1"), b""),
            (file("d1/f"), b"stays"),
            (file(".wh.d1"), b""),
            (file(".wh.d2"), b""),
            (dir("d2"), b""),
            (file(".wh.d3"), b""),
            (file("d3/implied"), b"stays"),
            // The mark comes last.
            (dir("o"), b""),
            (file("o/f"), b"stays"),
            (file("o/.wh..wh..opq"), b""),
        ])
        .unwrap();
    for name in ["before", "after", "d1/f", "d3/implied", "o/f"] {
        assert_eq!(scene.text(name), "stays", "{name}");
    }
    for name in ["d1", "d2", "d3", "o"] {
        assert!(is_opaque(&scene, name), "{name}");
    }
}

#[test]
fn a_whiteout_of_all_is_told() {
    let scene = Scene::new();
    let applied = scene.apply(&[(file(".wh..wh..opq"), b""), (file("a/b"), b"")]).unwrap();
    assert!(applied.root_opaque);
    assert_eq!(applied.fixups, [], "nothing below shows");
}

#[test]
fn whiteouts_are_names_in_plain_archives() {
    let scene = Scene::new();
    let options = ApplyOptions { whiteouts: Whiteouts::Plain, ..ApplyOptions::default() };
    let bytes = archive(&[(file(".wh.a"), b"1"), (file(".wh."), b"2"), (dir(".wh.b/c"), b"")]);
    scene.apply_with(&bytes, &options).unwrap();
    assert_eq!(scene.text(".wh.a"), "1");
    assert!(scene.path(".wh.b/c").is_dir());
}

#[test]
fn hostile_whiteouts_are_refused() {
    for name in [".wh.", ".wh..", ".wh...", "a/.wh.", "a/.wh...", ".wh.x/y", "a/.wh.b/c"] {
        let error = Scene::new().apply(&[(file(name), b"")]).unwrap_err();
        assert!(error.to_string().contains("whiteout"), "{name}: {error}");
    }
}

#[test]
fn tells_what_depends_on_lower_layers() {
    let scene = Scene::new();
    let applied = scene
        .apply(&[
            (file("a/b/c"), b""),
            (file("later/x"), b""),
            (dir("later"), b""),
            (file("w/.wh.x"), b""),
            (Header::hard_link("l", "below/file"), b""),
            (Header::hard_link("m", "l"), b""),
            (Header::hard_link("replaced", "below/file"), b""),
            (file("replaced"), b"a file after all"),
        ])
        .unwrap();
    let implied = |text| Fixup::ImpliedDirectory { path: path(text) };
    let link = |from, to| Fixup::Link { path: path(from), target: path(to) };
    let expected =
        [implied("a"), implied("a/b"), implied("w"), link("l", "below/file"), link("m", "l")];
    assert_eq!(applied.fixups, expected);
}

#[test]
fn fixups_take_from_below() {
    let lower = Scene::new();
    let mut secret = Header::directory("a", 0o1750);
    (secret.uid, secret.gid, secret.modified.seconds) = (11, 22, 333);
    secret.xattrs.push(Xattr { name: b"user.k".to_vec(), value: b"v".to_vec() });
    let mut below = Header::file("below", 0o4711);
    (below.uid, below.modified.seconds) = (44, 555);
    lower.apply(&[(secret, b""), (below, b"content"), (Header::symlink("sym", "t"), b"")]).unwrap();

    let scene = Scene::new();
    let mut holder = dir("links");
    holder.modified.seconds = 777;
    let applied = scene
        .apply(&[
            (file("a/new"), b""),
            (file("nowhere/new"), b""),
            (holder, b""),
            (Header::hard_link("links/l", "below"), b""),
            (Header::hard_link("m", "links/l"), b""),
            (Header::hard_link("n", "sym"), b""),
        ])
        .unwrap();
    let (root, from) = (scene.open(), lower.open());
    resolve_fixups(root.as_fd(), Some(from.as_fd()), &applied.fixups).unwrap();
    let a = scene.stat("a");
    assert_eq!((a.mode() & 0o7777, a.uid(), a.gid(), a.mtime()), (0o1750, 11, 22, 333));
    let opened = fs::File::open(scene.path("a")).unwrap();
    assert_eq!(inode::xattrs(opened.as_fd(), b"").unwrap()[0].value, b"v");
    assert_eq!(scene.stat("nowhere").mode() & 0o7777, 0o755);
    let copied = scene.stat("links/l");
    assert_eq!((copied.mode() & 0o7777, copied.uid(), copied.mtime()), (0o4711, 44, 555));
    assert_eq!(scene.text("links/l"), "content");
    assert_eq!(scene.stat("m").ino(), copied.ino());
    assert_eq!(fs::read_link(scene.path("n")).unwrap(), Path::new("t"));
    assert_eq!(scene.stat("links").mtime(), 777);
}

/// What the kernel gives a new file by itself is not always what its entry says.
#[test]
fn files_get_their_owner_and_mode_in_any_directory() {
    let acl = Xattr {
        name: b"system.posix_acl_default".to_vec(),
        value: [&2_u32.to_le_bytes()[..], &entry(1, 7), &entry(4, 0), &entry(0x20, 0)].concat(),
    };
    let folder = |path: &str, mode, gid, xattrs| Header {
        gid,
        xattrs,
        ..Header::new(path, EntryKind::Directory, mode)
    };
    let file = |path: &str, mode, gid| Header { gid, ..Header::file(path, mode) };
    let scene = Scene::new();
    let entries = [
        (file("first", 0o666, 0), &b"1"[..]),
        (folder(".", 0o2775, 7, Vec::new()), b""),
        (file("in-the-root", 0o644, 0), b"2"),
        (folder("group", 0o2775, 8, Vec::new()), b""),
        (file("group/a", 0o644, 0), b"3"),
        (file("group/b", 0o4711, 9), b"4"),
        (folder("plain", 0o755, 0, Vec::new()), b""),
        (file("plain/a", 0o755, 0), b"5"),
        (file("plain/b", 0o600, 9), b"6"),
        (folder("rules", 0o755, 0, vec![acl]), b""),
        (file("rules/a", 0o664, 0), b"7"),
    ];
    scene.apply(&entries).unwrap();
    for (header, _) in entries.iter().filter(|(header, _)| header.kind == EntryKind::File) {
        let path = String::from_utf8_lossy(&header.path).into_owned();
        let stat = scene.stat(&path);
        let is = (stat.mode() & 0o7777, stat.uid(), stat.gid());
        assert_eq!(is, (header.mode, header.uid, header.gid), "{path}");
    }
}

/// One entry of an access control list as the kernel writes it; its id is nobody's.
fn entry(tag: u16, permissions: u16) -> [u8; 8] {
    let mut bytes = [0xff; 8];
    bytes[..2].copy_from_slice(&tag.to_le_bytes());
    bytes[2..4].copy_from_slice(&permissions.to_le_bytes());
    bytes
}
