//! Volumes that are mounts while they are used, and paths within volumes that somebody hostile wrote to.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

use gantry_types::{ErrorKind, Timestamp};

use crate::rig::{Rig, name, nobody};

fn is_mounted(rig: &Rig, volume: &str) -> bool {
    let path = rig.path(&format!("{volume}/_data"));
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.lines().any(|line| line.split(' ').nth(4) == path.to_str())
}

#[test]
fn a_tmpfs_is_there_from_the_first_user_to_the_last() {
    let mut rig = Rig::new();
    let options = [("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m,mode=700")];
    rig.create_with("data", &options).unwrap();
    assert!(!is_mounted(&rig, "data"));
    let path = rig.store().mount(&name("data"), "one").unwrap();
    rig.store().mount(&name("data"), "two").unwrap();
    std::fs::write(path.join("file"), "text").unwrap();
    rig.store().unmount(&name("data"), "one");
    assert_eq!(std::fs::read(path.join("file")).unwrap(), b"text");
    // A new daemon finds it, as long as somebody uses it.
    rig.reopen();
    rig.store().restore([(name("data"), "two".to_owned())]);
    assert!(is_mounted(&rig, "data"));
    rig.store().unmount(&name("data"), "two");
    assert!(!is_mounted(&rig, "data"));
    rig.store().mount(&name("data"), "three").unwrap();
    rig.reopen();
    rig.store().restore([]);
    assert!(!is_mounted(&rig, "data"));
}

#[test]
fn a_bind_is_the_other_directory() {
    let rig = Rig::new();
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("file"), "text").unwrap();
    let device = other.path().to_str().unwrap();
    rig.create_with("data", &[("type", "none"), ("device", device), ("o", "bind")]).unwrap();
    let path = rig.store().mount(&name("data"), "one").unwrap();
    assert_eq!(std::fs::read(path.join("file")).unwrap(), b"text");
    rig.store().unmount(&name("data"), "one");
    rig.store().remove("data", nobody).unwrap();
    assert!(other.path().join("file").exists());
    rig.create_with("gone", &[("type", "none"), ("device", "/not/there"), ("o", "bind")]).unwrap();
    let error = rig.store().mount(&name("gone"), "one").unwrap_err().to_string();
    assert!(error.contains("failed to mount local volume: mount /not/there:"), "{error}");
}

#[test]
fn links_in_a_volume_lead_nowhere_else() {
    let rig = Rig::new();
    rig.create("data");
    let data = rig.path("data/_data");
    std::fs::create_dir_all(data.join("etc")).unwrap();
    std::fs::write(data.join("etc/hostname"), "inside").unwrap();
    std::os::unix::fs::symlink("/etc", data.join("absolute")).unwrap();
    std::os::unix::fs::symlink("../../../../../etc", data.join("upwards")).unwrap();
    std::os::unix::fs::symlink("/proc/self/root/etc", data.join("magic")).unwrap();
    for path in ["absolute/hostname", "upwards/hostname", "../../etc/hostname", "etc/hostname"] {
        let fd = rig.store().open_subpath(&data, &name("data"), path).unwrap();
        let itself = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
        let mut text = String::new();
        File::open(itself).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside", "{path}");
    }
    for path in ["magic/hostname", "nothing"] {
        let error = rig.store().open_subpath(&data, &name("data"), path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{path}");
    }
}

#[test]
fn what_is_not_mounted_is_mounted_to_be_copied() {
    let rig = Rig::new();
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("file"), "text").unwrap();
    let device = other.path().to_str().unwrap();
    rig.create_with("data", &[("type", "none"), ("device", device), ("o", "bind")]).unwrap();
    rig.store().clone_volume("data", &name("clone"), Timestamp::ZERO).unwrap();
    assert_eq!(std::fs::read(rig.path("clone/_data/file")).unwrap(), b"text");
    let mut archive = Vec::new();
    rig.store().export("data", || &mut archive).unwrap();
    assert!(archive.windows(4).any(|part| part == b"text"));
    assert!(!is_mounted(&rig, "data"));
}

#[test]
fn a_mount_is_filled_for_its_first_user_whole_or_not_at_all() {
    let rig = Rig::new();
    let options = [("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=64k")];
    rig.create_with("data", &options).unwrap();
    let image = tempfile::tempdir().unwrap();
    std::fs::write(image.path().join("a"), "text").unwrap();
    std::fs::write(image.path().join("large"), vec![1; 1 << 20]).unwrap();
    let from = File::open(image.path()).unwrap();
    let fill = || rig.store().fill(&name("data"), from.as_fd(), Path::new("/srv"));
    let path = rig.store().mount(&name("data"), "one").unwrap();
    assert_eq!(fill().unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
    std::fs::remove_file(image.path().join("large")).unwrap();
    rig.store().mount(&name("data"), "two").unwrap();
    assert!(!fill().unwrap());
    rig.store().unmount(&name("data"), "two");
    assert!(fill().unwrap());
    assert_eq!(std::fs::read(path.join("a")).unwrap(), b"text");
    rig.store().unmount(&name("data"), "one");
}
