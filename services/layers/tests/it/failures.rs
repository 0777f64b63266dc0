//! What goes wrong leaves nothing behind and says what to do.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gantry_archive::Header;
use gantry_layers::{Config, Error, Format, Layers, Points};
use gantry_sys::clone::{Namespaces, unshare};
use gantry_types::{Digest, ErrorKind};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, UnmountFlags,
    fsconfig_create, fsmount, fsopen, mount, mount_change, unmount,
};
use sha2::Digest as _;

use crate::scene::{Scene, dir, file, in_both_formats, layer, open};

in_both_formats![
    wrong_content_is_refused,
    damaged_and_hostile_archives_are_refused,
    verified_content_is_believed_when_it_is_plain,
    a_failing_reader_leaves_nothing,
    a_full_disk_is_told_and_cleaned_up,
];

fn check_clean(scene: &Scene, layers: &Layers, diff_id: &Digest) {
    assert!(layers.find(diff_id, &[]).unwrap().is_none());
    assert_eq!(scene.leftovers(), Vec::<std::path::PathBuf>::new());
    assert_eq!(scene.numbers(), [0]);
}

fn wrong_content_is_refused(scene: &Scene) {
    let layers = scene.open();
    let wanted = Digest::sha256([9; 32]);
    let other = layer(&[(dir("d"), ""), (file("d/f"), "x")]);
    let error = layers.apply(&wanted, &[], &other.tar[..]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    let text = error.to_string();
    assert!(text.contains(wanted.as_str()) && text.contains(other.diff_id.as_str()), "{text}");
    check_clean(scene, &layers, &wanted);
    // Trailing data changes the content, too.
    let longer = [&other.tar[..], b"more"].concat();
    assert!(matches!(
        layers.apply(&other.diff_id, &[], &longer[..]),
        Err(Error::WrongContent { .. })
    ));
    check_clean(scene, &layers, &other.diff_id);
    // And after the failures, the right content is welcome.
    layers.apply(&other.diff_id, &[], &other.tar[..]).unwrap();
}

fn damaged_and_hostile_archives_are_refused(scene: &Scene) {
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
        check_clean(scene, &layers, diff_id);
    }
}

fn verified_content_is_believed_when_it_is_plain(scene: &Scene) {
    let layers = scene.open();
    let whole = layer(&[(file("f"), "x")]);
    // What hashes to the diffID is the compressed content here: that says nothing of what is in it.
    let packed = zstd_frame(&whole.tar);
    let claimed = Digest::sha256(sha2::Sha256::digest(&packed).into());
    let error = layers.apply_verified(&claimed, &[], (&packed[..], &claimed)).unwrap_err();
    assert!(matches!(error, Error::WrongContent { .. }), "{error}");
    check_clean(scene, &layers, &claimed);
    // Under another digest nothing is believed.
    let error = layers.apply_verified(&claimed, &[], (&whole.tar[..], &whole.diff_id)).unwrap_err();
    assert!(matches!(error, Error::WrongContent { .. }), "{error}");
    let cut = &whole.tar[..700];
    layers.apply_verified(&whole.diff_id, &[], (cut, &whole.diff_id)).unwrap_err();
    check_clean(scene, &layers, &whole.diff_id);
    let content = (&whole.tar[..], &whole.diff_id);
    assert_eq!(layers.apply_verified(&whole.diff_id, &[], content).unwrap().size_bytes, 1);
}

/// A frame of raw blocks (RFC 8878): what any compressor may write.
fn zstd_frame(content: &[u8]) -> Vec<u8> {
    // The magic number, and a header with a window of 128 KiB and neither size nor checksum.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3];
    let length = u32::try_from(content.len()).unwrap();
    frame.extend_from_slice(&(length << 3 | 1).to_le_bytes()[..3]);
    frame.extend_from_slice(content);
    frame
}

fn a_failing_reader_leaves_nothing(scene: &Scene) {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the client went away"))
        }
    }
    let layers = scene.open();
    let whole = layer(&[(file("f"), &"x".repeat(500_000))]);
    let cut = std::io::Read::chain(&whole.tar[..200_000], Broken);
    let error = layers.apply(&whole.diff_id, &[], cut).unwrap_err();
    assert!(error.to_string().contains("the client went away"), "{error}");
    check_clean(scene, &layers, &whole.diff_id);
}

fn a_full_disk_is_told_and_cleaned_up(scene: &Scene) {
    let format = scene.format;
    in_private(move |small| {
        // Not a tmpfs: that has no images of erofs.
        let disk = small.with_extension("disk");
        std::fs::File::create(&disk).unwrap().set_len(2 << 20).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-O", "^has_journal"]).arg(&disk));
        run(Command::new("mount").args(["-o", "loop"]).args([&disk, small]));
        fill_up(small, format);
        // Children of other tests have our descriptors until they execute something.
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Err(error) = unmount(small, UnmountFlags::empty()) {
            assert!(error == Errno::BUSY && Instant::now() < deadline, "{error}");
            std::thread::yield_now();
        }
    });
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A thread of its own, for a mount namespace of its own: what is mounted on its directory, nobody else
/// sees.
pub(crate) fn in_private(work: impl FnOnce(&Path) + Send + 'static) {
    std::thread::spawn(move || {
        unshare(Namespaces::MOUNT).unwrap();
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).unwrap();
        let temp = tempfile::tempdir().unwrap();
        let small = temp.path().join("small");
        std::fs::create_dir(&small).unwrap();
        let _unmounted = Unmounted(&small);
        work(&small);
    })
    .join()
    .unwrap();
}

/// A folder from which everything is unmounted at the end, whatever that is: it could not be removed otherwise, although its mounts
/// go with their namespace.
struct Unmounted<'a>(&'a Path);

impl Drop for Unmounted<'_> {
    fn drop(&mut self) {
        while unmount(self.0, UnmountFlags::DETACH).is_ok() {}
    }
}

#[test]
fn images_are_chosen_only_where_they_work() {
    in_private(|small| {
        mount("tmpfs", small, "tmpfs", MountFlags::empty(), c"size=1m").unwrap();
        let open = |format| {
            let db = std::sync::Arc::new(gantry_db::Db::open(&small.join("meta.db")).unwrap());
            Layers::open(
                Config { root: small.to_owned(), format, points: Points::default(), label: None },
                db,
            )
        };
        assert_eq!(open(None).unwrap().format(), Format::Directory);
        let error = open(Some(Format::Erofs)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
        let text = error.to_string();
        assert!(text.contains("mount an image of erofs") && text.contains("directory"), "{text}");
        assert_eq!(std::fs::read_dir(small.join("layers/ingest")).unwrap().count(), 0);
        unmount(small, UnmountFlags::DETACH).unwrap();
    });
}

fn fill_up(small: &Path, format: Format) {
    let layers = open(small, format);
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
    let scene = Scene::new(Format::Directory);
    let db = std::sync::Arc::new(gantry_db::Db::open(&scene.path("meta.db")).unwrap());
    assert!(matches!(
        Layers::open(Config { root, format: None, points: Points::default(), label: None }, db),
        Err(Error::InvalidRoot { .. })
    ));
    assert!(!Path::new("/layers").exists());
}
