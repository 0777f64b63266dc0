//! What goes wrong leaves nothing behind and says what to do.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use gantry_archive::Header;
use gantry_layers::{Config, Error, Layers};
use gantry_sys::clone::{Namespaces, unshare};
use gantry_types::{Digest, ErrorKind};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, UnmountFlags,
    fsconfig_create, fsmount, fsopen, mount, mount_change, unmount,
};

use crate::scene::{Scene, dir, file, layer, open};

fn check_clean(scene: &Scene, layers: &Layers, diff_id: &Digest) {
    assert!(layers.find(diff_id, &[]).unwrap().is_none());
    assert_eq!(scene.leftovers(), Vec::<std::path::PathBuf>::new());
    assert_eq!(scene.numbers(), [0]);
}

#[test]
fn wrong_content_is_refused() {
    let scene = Scene::new();
    let layers = scene.open();
    let wanted = Digest::sha256([9; 32]);
    let other = layer(&[(dir("d"), ""), (file("d/f"), "x")]);
    let error = layers.apply(&wanted, &[], &other.tar[..]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    let text = error.to_string();
    assert!(text.contains(wanted.as_str()) && text.contains(other.diff_id.as_str()), "{text}");
    check_clean(&scene, &layers, &wanted);
    // Trailing data changes the content, too.
    let longer = [&other.tar[..], b"more"].concat();
    assert!(matches!(
        layers.apply(&other.diff_id, &[], &longer[..]),
        Err(Error::WrongContent { .. })
    ));
    check_clean(&scene, &layers, &other.diff_id);
    // And after the failures, the right content is welcome.
    layers.apply(&other.diff_id, &[], &other.tar[..]).unwrap();
}

#[test]
fn damaged_and_hostile_archives_are_refused() {
    let scene = Scene::new();
    let layers = scene.open();
    let whole = layer(&[(file("f"), &"x".repeat(3000))]);
    let hostile = layer(&[(file("ok"), ""), (Header::file("../../evil", 0o644), "evil")]);
    let cases: [(&Digest, &[u8]); 5] = [
        (&whole.diff_id, &whole.tar[..1000]),
        (&whole.diff_id, b""),
        (&whole.diff_id, b"<!DOCTYPE html>"),
        (&whole.diff_id, b"\x1f\x8b\x08garbage garbage"),
        (&hostile.diff_id, &hostile.tar),
    ];
    for (diff_id, tar) in cases {
        let error = layers.apply(diff_id, &[], tar).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{error}");
        check_clean(&scene, &layers, diff_id);
    }
}

#[test]
fn a_failing_reader_leaves_nothing() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the client went away"))
        }
    }
    let scene = Scene::new();
    let layers = scene.open();
    let whole = layer(&[(file("f"), &"x".repeat(500_000))]);
    let cut = std::io::Read::chain(&whole.tar[..200_000], Broken);
    let error = layers.apply(&whole.diff_id, &[], cut).unwrap_err();
    assert!(error.to_string().contains("the client went away"), "{error}");
    check_clean(&scene, &layers, &whole.diff_id);
}

#[test]
fn a_full_disk_is_told_and_cleaned_up() {
    // A thread of its own, for a mount namespace of its own: what it mounts, nobody else sees.
    std::thread::spawn(|| {
        unshare(Namespaces::MOUNT).unwrap();
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).unwrap();
        let scene = Scene::new();
        let small = scene.path("small");
        std::fs::create_dir(&small).unwrap();
        mount("tmpfs", &small, "tmpfs", MountFlags::empty(), c"size=1m").unwrap();
        fill_up(&small);
        unmount(&small, UnmountFlags::DETACH).unwrap();
    })
    .join()
    .unwrap();
}

fn fill_up(small: &Path) {
    let layers = open(small);
    let big = layer(&[(dir("d"), ""), (file("d/f"), &"x".repeat(3 << 20))]);
    let error = layers.apply(&big.diff_id, &[], &big.tar[..]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert_eq!(std::fs::read_dir(small.join("layers/ingest")).unwrap().count(), 0);
    // There is room again for what fits; at once, but for a neighbour in this test binary that forks
    // a child, which has all our files open until it becomes another program.
    let small_layer = layer(&[(file("f"), "fits")]);
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = layers.apply(&small_layer.diff_id, &[], &small_layer.tar[..]) {
        assert!(Instant::now() < deadline, "{error}");
        std::thread::yield_now();
    }
    layers.prepare("c1", &[small_layer.diff_id]).unwrap();
    // To the last inode, too.
    std::fs::write(small.join("filler"), vec![0; 2 << 20]).unwrap_err();
    let error = layers.apply(&big.diff_id, &[], &big.tar[..]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
}

#[test]
fn a_root_without_a_path_of_its_own_is_refused() {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
    fsconfig_create(&context).unwrap();
    let flags = FsMountFlags::FSMOUNT_CLOEXEC;
    let detached = fsmount(&context, flags, MountAttrFlags::empty()).unwrap();
    let root = format!("/proc/self/fd/{}/.", detached.as_raw_fd()).into();
    let scene = Scene::new();
    let db = std::sync::Arc::new(gantry_db::Db::open(&scene.path("meta.db")).unwrap());
    assert!(matches!(Layers::open(Config { root }, db), Err(Error::InvalidRoot { .. })));
    assert!(!Path::new("/layers").exists());
}
