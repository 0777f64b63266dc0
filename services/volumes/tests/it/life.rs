//! Volumes come, are found, are renamed, cloned and archived, and go.

use std::os::unix::fs::MetadataExt;

use gantry_db::WriteTx;
use gantry_sys::clone::{Namespaces, unshare};
use gantry_types::{ErrorKind, Timestamp};
use gantry_volumes::{CreateOptions, VolumeName};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};

use crate::rig::{Rig, name, nobody, open};

#[test]
fn a_volume_is_a_directory_with_dockers_rights() {
    let mut rig = Rig::new();
    assert!(rig.create_with("data", &[]).unwrap().1);
    assert!(!rig.create_with("data", &[]).unwrap().1);
    for (path, mode) in [("", 0o701), ("data", 0o701), ("data/_data", 0o755)] {
        assert_eq!(rig.path(path).metadata().unwrap().mode() & 0o7777, mode, "{path:?}");
    }
    std::fs::write(rig.path("data/_data/file"), "text").unwrap();
    rig.reopen();
    let found = rig.store().find("data").unwrap();
    assert_eq!(rig.store().size(&found).unwrap(), 4);
    let other = CreateOptions { driver: "other".to_owned(), ..CreateOptions::default() };
    let error = rig.store().create(&name("data"), other, Timestamp::ZERO).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    rig.store().remove("data", nobody).unwrap();
    assert!(!rig.path("data").exists());
    let error = rig.store().remove("data", nobody).unwrap_err();
    assert_eq!(error.to_string(), "get data: no such volume");
    assert_eq!(std::fs::read_dir(rig.path("")).unwrap().count(), 0);
}

#[test]
fn what_is_in_use_stays() {
    let rig = Rig::new();
    rig.create("data");
    let used = |_: &VolumeName| vec!["abc".to_owned()];
    let error = rig.store().remove("data", used).unwrap_err();
    assert_eq!(error.to_string(), "remove data: volume is in use - [abc]");
    let error = rename(&rig, "other", used).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let mut pins = rig.store().pins();
    let options = CreateOptions::default();
    rig.store().create_pinned(&name("data"), options, Timestamp::ZERO, &mut pins).unwrap();
    assert_eq!(rig.store().remove("data", nobody).unwrap_err().kind(), ErrorKind::Conflict);
    drop(pins);
    rig.store().remove("data", nobody).unwrap();
}

fn rename(
    rig: &Rig,
    to: &str,
    users: impl Fn(&VolumeName) -> Vec<String>,
) -> gantry_volumes::Result<gantry_volumes::Volume> {
    rig.store().rename(("data", &name(to)), users, |_, _, _| Ok(()), &mut rig.store().pins())
}

#[test]
fn names_change_and_files_stay() {
    let mut rig = Rig::new();
    rig.create("data");
    rig.create("taken");
    std::fs::write(rig.path("data/_data/file"), "text").unwrap();
    let error = rename(&rig, "taken", nobody).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    // The caller's records change with it, or nothing does.
    let mut pins = rig.store().pins();
    let failing = |_: &WriteTx<'_>, _: &VolumeName, _: &VolumeName| {
        Err(gantry_db::Error::InUse { path: "records".into() })
    };
    rig.store().rename(("data", &name("new")), nobody, failing, &mut pins).unwrap_err();
    rig.store().find("data").unwrap();
    let records = |_: &WriteTx<'_>, _: &VolumeName, _: &VolumeName| Ok(());
    rig.store().rename(("data", &name("new")), nobody, records, &mut pins).unwrap();
    let again = || rig.store().create(&name("data"), CreateOptions::default(), Timestamp::ZERO);
    assert_eq!(again().unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(rig.store().remove("new", nobody).unwrap_err().kind(), ErrorKind::Conflict);
    drop(pins);
    again().unwrap();
    rig.store().remove("data", nobody).unwrap();
    rig.reopen();
    assert!(rig.store().find("data").is_err());
    rig.store().find("new").unwrap();
    assert_eq!(std::fs::read(rig.path("new/_data/file")).unwrap(), b"text");
}

#[test]
fn clones_and_archives_are_whole() {
    let rig = Rig::new();
    rig.create("data");
    std::fs::create_dir(rig.path("data/_data/dir")).unwrap();
    std::fs::write(rig.path("data/_data/dir/file"), "text").unwrap();
    rig.store().clone_volume("data", &name("clone"), Timestamp::ZERO).unwrap();
    std::fs::write(rig.path("data/_data/dir/file"), "changed").unwrap();
    assert_eq!(std::fs::read(rig.path("clone/_data/dir/file")).unwrap(), b"text");
    let mut archive = Vec::new();
    rig.store().export("data", || &mut archive).unwrap();
    let import = |to: &str, archive: &[u8]| {
        rig.store().import(&name(to), CreateOptions::default(), Timestamp::ZERO, archive)
    };
    import("back", &archive).unwrap();
    assert_eq!(std::fs::read(rig.path("back/_data/dir/file")).unwrap(), b"changed");
    // A broken archive leaves nothing.
    import("broken", &archive[..1000]).unwrap_err();
    assert!(!rig.path("broken").exists() && rig.store().find("broken").is_err());
    assert_eq!(import("back", &archive).unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn nobody_gets_a_volume_in_the_making() {
    struct Watching<'a>(&'a Rig, &'a [u8], bool);
    impl std::io::Read for Watching<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let (store, options) = (self.0.store(), CreateOptions::default());
            let error = store.create(&name("new"), options, Timestamp::ZERO).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            let error = store.clone_volume("new", &name("other"), Timestamp::ZERO).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert_eq!(store.remove("new", nobody).unwrap_err().kind(), ErrorKind::Conflict);
            self.2 = true;
            self.1.read(buffer)
        }
    }
    let mut rig = Rig::new();
    rig.create("data");
    let mut archive = Vec::new();
    rig.store().export("data", || &mut archive).unwrap();
    for (archive, is_whole) in [(&b"no archive at all, but text"[..], false), (&archive, true)] {
        let mut reading = Watching(&rig, archive, false);
        let options = CreateOptions::default();
        let made = rig.store().import(&name("new"), options, Timestamp::ZERO, &mut reading);
        assert!(reading.2);
        assert_eq!(made.is_ok(), is_whole, "{made:?}");
        assert_eq!(rig.store().find("new").is_ok(), is_whole);
        assert_eq!(rig.path("new").exists(), is_whole);
    }
    rig.store().create(&name("new"), CreateOptions::default(), Timestamp::ZERO).unwrap();
    rig.reopen();
    rig.store().find("new").unwrap();
    let error = rig.store().clone_volume("no", &name("other"), Timestamp::ZERO).unwrap_err();
    assert_eq!(error.to_string(), "get no: no such volume");
}

#[test]
fn what_a_full_disk_did_not_take_nobody_is_told() {
    let private = || {
        unshare(Namespaces::MOUNT).unwrap();
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        let temp = tempfile::tempdir().unwrap();
        let (small, filler) = (temp.path().join("small"), temp.path().join("small/filler"));
        std::fs::create_dir(&small).unwrap();
        mount("tmpfs", &small, "tmpfs", MountFlags::empty(), c"size=256k").unwrap();
        let volumes = open(small.clone());
        let name = name("data");
        volumes.create(&name, CreateOptions::default(), Timestamp::ZERO).unwrap();
        std::fs::write(&filler, vec![0; 1 << 20]).unwrap_err();
        volumes.set_plugin_path(&name, "/where").unwrap_err();
        assert_eq!(volumes.find("data").unwrap().plugin_path, "");
        std::fs::remove_file(&filler).unwrap();
        volumes.set_plugin_path(&name, "/where").unwrap();
        assert_eq!(volumes.find("data").unwrap().plugin_path, "/where");
        unmount(&small, UnmountFlags::DETACH).unwrap();
    };
    std::thread::spawn(private).join().unwrap();
}
