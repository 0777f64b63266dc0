//! Hard links of plain archives, which come before what they name, or name nothing.

use super::*;

fn plain() -> ApplyOptions {
    ApplyOptions { whiteouts: Whiteouts::Plain, ..ApplyOptions::default() }
}

#[test]
fn a_link_to_nothing_removes_nothing() {
    let scene = Scene::new();
    fs::write(scene.path("passwd"), "kept").unwrap();
    let bytes = archive(&[(Header::hard_link("passwd", "nothing"), b"")]);
    let error = scene.apply_with(&bytes, &plain()).unwrap_err();
    assert!(error.to_string().contains("is not there"), "{error}");
    assert_eq!(scene.text("passwd"), "kept");
    fs::create_dir(scene.path("dir")).unwrap();
    fs::write(scene.path("dir/file"), "kept").unwrap();
    let bytes = archive(&[(Header::hard_link("dir", "dir/file"), b"")]);
    let error = scene.apply_with(&bytes, &plain()).unwrap_err();
    assert!(error.to_string().contains("below itself"), "{error}");
    assert_eq!(scene.text("dir/file"), "kept");
}

#[test]
fn a_target_may_come_later() {
    let scene = Scene::new();
    fs::write(scene.path("first"), "old").unwrap();
    let bytes = archive(&[
        (Header::hard_link("first", "target"), b""),
        // Not the file that is there still.
        (Header::hard_link("second", "first"), b""),
        (Header::hard_link("other", "target"), b""),
        (file("other"), b"a file after all"),
        (file("target"), b"text"),
    ]);
    let applied = scene.apply_with(&bytes, &plain()).unwrap();
    assert_eq!(applied.fixups, []);
    for name in ["first", "second"] {
        assert_eq!(scene.text(name), "text", "{name}");
        assert_eq!(scene.stat(name).ino(), scene.stat("target").ino(), "{name}");
    }
    assert_eq!(scene.text("other"), "a file after all");
}
