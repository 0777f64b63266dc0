//! The daemon dies in the middle of everything.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::rig::{Rig, name, nobody};

#[test]
fn an_empty_volume_takes_the_content_with_owner_and_mode() {
    let rig = Rig::new();
    rig.create("data");
    let image = tempfile::tempdir().unwrap();
    std::fs::write(image.path().join("file"), "text").unwrap();
    std::fs::set_permissions(image.path(), PermissionsExt::from_mode(0o1770)).unwrap();
    std::os::unix::fs::chown(image.path(), Some(5), Some(6)).unwrap();
    let from = File::open(image.path()).unwrap();
    let fill = || rig.store().fill(&name("data"), from.as_fd(), Path::new("/srv")).unwrap();
    assert!(fill());
    let meta = rig.path("data/_data").metadata().unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (5, 6, 0o1770));
    assert_eq!(std::fs::read(rig.path("data/_data/file")).unwrap(), b"text");
    assert_eq!(std::fs::read_dir(rig.path("data")).unwrap().count(), 1);
    std::fs::write(image.path().join("later"), "text").unwrap();
    assert!(!fill());
    assert!(!rig.path("data/_data/later").exists());
}

#[test]
fn half_a_filling_goes_and_a_whole_one_goes_on() {
    let mut rig = Rig::new();
    rig.create("half");
    rig.create("whole");
    std::fs::create_dir(rig.path("half/staging")).unwrap();
    std::fs::write(rig.path("half/staging/one"), "").unwrap();
    std::fs::create_dir(rig.path("whole/staged")).unwrap();
    std::fs::write(rig.path("whole/staged/two"), "text").unwrap();
    std::fs::write(rig.path("whole/_data/one"), "moved before").unwrap();
    rig.reopen();
    assert_eq!(std::fs::read_dir(rig.path("half/_data")).unwrap().count(), 0);
    assert_eq!(std::fs::read(rig.path("whole/_data/two")).unwrap(), b"text");
    for volume in ["half", "whole"] {
        assert_eq!(std::fs::read_dir(rig.path(volume)).unwrap().count(), 1, "{volume}");
    }
}

#[test]
fn directories_are_adopted_and_rows_without_one_go() {
    let mut rig = Rig::new();
    rig.create("lost");
    std::fs::remove_dir_all(rig.path("lost")).unwrap();
    std::fs::create_dir_all(rig.path("found/_data")).unwrap();
    std::fs::write(rig.path("found/_data/file"), "text").unwrap();
    std::fs::create_dir_all(rig.path(".trash-1-1/_data")).unwrap();
    std::fs::create_dir_all(rig.path("something")).unwrap();
    // Something is there, whatever it is: no reason to remove it.
    rig.create("odd");
    std::fs::remove_dir(rig.path("odd/_data")).unwrap();
    std::os::unix::fs::symlink("/nowhere", rig.path("odd/_data")).unwrap();
    rig.reopen();
    let names: Vec<_> = rig.store().list().iter().map(|one| one.name.to_string()).collect();
    assert_eq!(names, ["found", "odd"]);
    assert!(!rig.path(".trash-1-1").exists());
    rig.store().remove("found", nobody).unwrap();
}
