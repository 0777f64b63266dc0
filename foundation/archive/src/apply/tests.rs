//! Archives applied to temporary directories. They run as root: owners, devices and overlayfs's
//! attributes are part of what is tested.

mod attacks;
mod late_links;
mod layers;
mod many;

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use super::*;
use crate::{Writer, Xattr, inode, resolve_fixups};

/// A root to apply to, and a place beside it that nothing may reach.
struct Scene {
    temp: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("root")).unwrap();
        fs::create_dir(temp.path().join("outside")).unwrap();
        fs::write(temp.path().join("outside/secret"), "untouched").unwrap();
        Self { temp }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.temp.path().join("root").join(path)
    }

    fn open(&self) -> fs::File {
        fs::File::open(self.path("")).unwrap()
    }

    fn apply_with(&self, archive: &[u8], options: &ApplyOptions) -> Result<Applied> {
        let result = apply(archive, self.open().as_fd(), options);
        let outside: Vec<_> = fs::read_dir(self.temp.path().join("outside")).unwrap().collect();
        assert_eq!(outside.len(), 1, "something was made outside");
        let secret = fs::read(self.temp.path().join("outside/secret")).unwrap();
        assert_eq!(secret, b"untouched");
        assert_eq!(fs::read_dir(self.temp.path()).unwrap().count(), 2);
        result
    }

    fn apply(&self, entries: &[(Header, &[u8])]) -> Result<Applied> {
        self.apply_with(&archive(entries), &ApplyOptions::default())
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn stat(&self, path: &str) -> fs::Metadata {
        fs::symlink_metadata(self.path(path)).unwrap()
    }
}

fn archive(entries: &[(Header, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (header, data) in entries {
        match header.kind {
            EntryKind::File => writer.append_bytes(header, data).unwrap(),
            _ => writer.append_header(header).unwrap(),
        }
    }
    writer.finish().unwrap()
}

fn file(path: &str) -> Header {
    Header::file(path, 0o644)
}

fn dir(path: &str) -> Header {
    Header::directory(path, 0o755)
}

#[test]
fn makes_every_kind() {
    let scene = Scene::new();
    let node = |path, kind| (Header::new(path, kind, 0o660), &b""[..]);
    let applied = scene
        .apply(&[
            (dir("d"), b""),
            (Header::file("d/f", 0o4755), b"text"),
            (Header::symlink("d/l", "../nowhere"), b""),
            (Header::hard_link("d/h", "/d/f"), b""),
            (Header::hard_link("d/hl", "d/l"), b""),
            node("null", EntryKind::CharDevice { major: 1, minor: 3 }),
            node("disk", EntryKind::BlockDevice { major: 8, minor: 1 }),
            node("pipe", EntryKind::Fifo),
        ])
        .unwrap();
    assert_eq!((applied.entries, applied.size_bytes), (8, 4));
    assert_eq!(applied.fixups, []);
    assert!(!applied.root_given);
    assert_eq!(scene.text("d/f"), "text");
    assert_eq!(fs::read_link(scene.path("d/l")).unwrap(), Path::new("../nowhere"));
    assert_eq!(scene.stat("d/h").ino(), scene.stat("d/f").ino());
    assert_eq!(scene.stat("d/hl").ino(), scene.stat("d/l").ino());
    let null = scene.stat("null");
    assert!(null.file_type().is_char_device());
    assert_eq!((null.rdev(), null.mode() & 0o7777), (rustix::fs::makedev(1, 3), 0o660));
    assert!(scene.stat("disk").file_type().is_block_device());
    assert!(scene.stat("pipe").file_type().is_fifo());
}

#[test]
fn a_link_that_changes_the_owner_keeps_the_set_user_id_bit() {
    let scene = Scene::new();
    let mut first = Header::file("d/first", 0o4755);
    (first.uid, first.gid) = (1000, 1000);
    let mut link = Header::hard_link("d/link", "d/first");
    link.mode = 0o4755;
    scene.apply(&[(first, b"x"), (link, b"")]).unwrap();
    let first = scene.stat("d/first");
    assert_eq!((first.uid(), first.gid(), first.mode() & 0o7777), (0, 0, 0o4755));
}

#[test]
fn keeps_owner_mode_capabilities_and_times() {
    let scene = Scene::new();
    // cap_net_raw=ep, revision 2.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut header = Header::file("d/ping", 0o6755);
    header.uid = 1234;
    header.gid = 70_000;
    header.modified = gantry_types::Timestamp { seconds: -7, nanos: 123_456_789 };
    header.xattrs = vec![
        Xattr { name: b"security.capability".to_vec(), value: capability.to_vec() },
        Xattr { name: b"user.note".to_vec(), value: b"kept".to_vec() },
        Xattr { name: b"trusted.overlay.redirect".to_vec(), value: b"/etc".to_vec() },
        Xattr { name: b"security.selinux".to_vec(), value: b"label".to_vec() },
    ];
    let mut parent = Header::directory("d", 0o2750);
    parent.modified = gantry_types::Timestamp { seconds: 1_000_000, nanos: 5 };
    let mut link = Header::symlink("d/link", "/outside");
    link.uid = 9;
    link.modified = gantry_types::Timestamp { seconds: 77, nanos: 1 };
    let mut again = Header::hard_link("d/ping2", "d/ping");
    (again.mode, again.uid, again.gid) = (0o6755, 1234, 70_000);
    again.modified = header.modified;
    scene
        .apply(&[(parent, b""), (header, b"x"), (link, b""), (again, b""), (file("d/new"), b"")])
        .unwrap();
    let ping = scene.stat("d/ping");
    assert_eq!((ping.uid(), ping.gid(), ping.mode() & 0o7777), (1234, 70_000, 0o6755));
    assert_eq!((ping.mtime(), ping.mtime_nsec()), (-7, 123_456_789));
    let opened = fs::File::open(scene.path("d/ping")).unwrap();
    let names: Vec<_> = inode::xattrs(opened.as_fd(), b"").unwrap();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(names[0].value, capability);
    assert_eq!(inode::xattr(opened.as_fd(), "trusted.overlay.redirect", b"").unwrap(), None);
    // Made after its entry, and under set-group-id: neither shows.
    let parent = scene.stat("d");
    assert_eq!((parent.mtime(), parent.mtime_nsec()), (1_000_000, 5));
    assert_eq!(parent.mode() & 0o7777, 0o2750);
    assert_eq!((scene.stat("d/link").mtime(), scene.stat("d/link").uid()), (77, 9));
    assert_eq!(scene.stat("d/new").gid(), 0);
}

#[test]
fn the_last_entry_of_a_path_wins() {
    let scene = Scene::new();
    scene
        .apply(&[
            (file("a"), b"one"),
            (file("a"), b"two"),
            (file("b"), b"file"),
            (dir("b"), b""),
            (file("b/x"), b"in b"),
            (dir("c"), b""),
            (file("c/deep/down"), b"gone"),
            (file("c"), b"file again"),
            (Header::directory("d", 0o700), b""),
            (file("d/kept"), b"kept"),
            (Header::directory("d", 0o711), b""),
            (Header::symlink("e", "a"), b""),
            (file("e"), b"not through the link"),
        ])
        .unwrap();
    assert_eq!(scene.text("a"), "two");
    assert_eq!(scene.text("b/x"), "in b");
    assert_eq!(scene.text("c"), "file again");
    assert_eq!(scene.text("d/kept"), "kept");
    assert_eq!(scene.stat("d").permissions().mode() & 0o7777, 0o711);
    assert_eq!(scene.text("e"), "not through the link");
}

#[test]
fn the_root_s_own_entry_counts() {
    for name in ["./", "/", "."] {
        let scene = Scene::new();
        let mut root = Header::directory(name, 0o1711);
        root.uid = 5;
        root.modified.seconds = 99;
        let applied = scene.apply(&[(root, b""), (file("./a"), b"x")]).unwrap();
        assert!(applied.root_given);
        let stat = scene.stat("");
        assert_eq!((stat.mode() & 0o7777, stat.uid(), stat.mtime()), (0o1711, 5, 99));
    }
}

#[test]
fn the_digest_covers_the_whole_stream() {
    let mut bytes = archive(&[(file("a"), b"x")]);
    bytes.extend_from_slice(&[9; 5000]);
    let applied = Scene::new().apply_with(&bytes, &ApplyOptions::default()).unwrap();
    let mut hashing = Hashing::new(&bytes[..], Algorithm::Sha256);
    std::io::copy(&mut hashing, &mut std::io::sink()).unwrap();
    assert_eq!(applied.diff_id, hashing.digest());
    let options = ApplyOptions { algorithm: Algorithm::Sha512, ..ApplyOptions::default() };
    let applied = Scene::new().apply_with(&bytes, &options).unwrap();
    assert_eq!(applied.diff_id.algorithm(), Algorithm::Sha512);
}

#[test]
fn sparse_files_stay_sparse() {
    let scene = Scene::new();
    // Made by hand: the writer writes no sparse files.
    let records =
        "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n33 GNU.sparse.realsize=100000000\n";
    let mut bytes = archive(&[(file("PaxHeader"), records.as_bytes())]);
    bytes.truncate(1024);
    bytes[156] = b'x';
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|&byte| u32::from(byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut body = b"1\n50000000\n4\n".to_vec();
    body.resize(512, 0);
    body.extend_from_slice(b"data");
    bytes.extend(archive(&[(file("sparse"), &body)]));
    scene.apply_with(&bytes, &ApplyOptions::default()).unwrap();
    let stat = scene.stat("sparse");
    assert_eq!(stat.len(), 100_000_000);
    assert!(stat.blocks() * 512 < 1_000_000, "{}", stat.blocks());
    assert_eq!(&fs::read(scene.path("sparse")).unwrap()[50_000_000..50_000_004], b"data");
}

#[test]
fn links_in_the_archive_are_followed_below_the_root() {
    let scene = Scene::new();
    scene
        .apply(&[
            (dir("usr"), b""),
            (dir("usr/lib"), b""),
            (Header::symlink("lib", "usr/lib"), b""),
            (Header::symlink("abs", "/usr/lib"), b""),
            (file("lib/one"), b"1"),
            (file("abs/two"), b"2"),
        ])
        .unwrap();
    assert_eq!(scene.text("usr/lib/one"), "1");
    assert_eq!(scene.text("usr/lib/two"), "2");
}
