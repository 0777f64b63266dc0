//! What was put into an image comes out of its mount.

use std::fs::read_link;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};

use gantry_erofs::{Attribute, Entry, Error, Kind, Metadata, ROOT, Tree, Writer};
use gantry_types::Timestamp;

use crate::bed::{Bed, metadata};

fn put(writer: &mut Writer, tree: &mut Tree, name: &str, content: &[u8]) {
    let mut file = writer.file(content.len() as u64, &metadata(0o644)).unwrap();
    file.write(0, content).unwrap();
    let nid = file.finish().unwrap();
    tree.insert(ROOT, name.as_bytes(), Entry::Inode { nid, kind: Kind::File }).unwrap();
}

#[test]
fn an_empty_image_is_an_empty_directory() {
    let bed = Bed::new();
    let (writer, tree) = bed.begin();
    let (mounted, finished) = bed.finish(writer, &tree);
    assert_eq!(mounted.names(""), Vec::<String>::new());
    let stat = mounted.path(".").metadata().unwrap();
    assert_eq!((stat.mode(), stat.nlink(), stat.mtime(), stat.mtime_nsec()), (0o40755, 2, 1, 2));
    assert_eq!(finished.inodes, 1);
}

#[test]
fn files_of_every_size_keep_their_bytes() {
    let bed = Bed::new();
    let (mut writer, mut tree) = bed.begin();
    let sizes = [0, 1, 2000, 4031, 4032, 4033, 4095, 4096, 4097, 8192, 10_000, 300_000, 1 << 20];
    let content = |size: usize| -> Vec<u8> {
        (0..size).map(|at| u8::try_from(at * 7 / 5 % 256).unwrap()).collect()
    };
    for (turn, size) in sizes.iter().enumerate() {
        let content = content(*size);
        let mut file = writer.file(*size as u64, &metadata(0o640)).unwrap();
        // In pieces of a size that meets no border.
        for (at, piece) in content.chunks(1000 + turn * 777).enumerate() {
            file.write((at * (1000 + turn * 777)) as u64, piece).unwrap();
        }
        let nid = file.finish().unwrap();
        let name = size.to_string();
        tree.insert(ROOT, name.as_bytes(), Entry::Inode { nid, kind: Kind::File }).unwrap();
    }
    let (mounted, _) = bed.finish(writer, &tree);
    for size in sizes {
        assert_eq!(std::fs::read(mounted.path(size.to_string())).unwrap(), content(size), "{size}");
    }
}

#[test]
fn holes_take_no_room_and_read_as_zeros() {
    let bed = Bed::new();
    let (mut writer, mut tree) = bed.begin();
    let size = 5 << 30;
    let mut file = writer.file(size, &metadata(0o644)).unwrap();
    file.write(3 << 30, b"middle").unwrap();
    file.write(size - 4, b"last").unwrap();
    let nid = file.finish().unwrap();
    tree.insert(ROOT, b"sparse", Entry::Inode { nid, kind: Kind::File }).unwrap();
    put(&mut writer, &mut tree, "behind", b"b");
    let (mounted, _) = bed.finish(writer, &tree);
    assert!(bed.image().metadata().unwrap().blocks() < 1000);
    let file = std::fs::File::open(mounted.path("sparse")).unwrap();
    assert_eq!(file.metadata().unwrap().len(), size);
    let read = |at: u64| {
        let mut bytes = [1; 6];
        let count = file.read_at(&mut bytes, at).unwrap();
        bytes[..count].to_vec()
    };
    assert_eq!(read(0), [0; 6]);
    assert_eq!(read(3 << 30), b"middle");
    assert_eq!(read(size - 6), b"\0\0last");
    assert_eq!(std::fs::read(mounted.path("behind")).unwrap(), b"b");
}

#[test]
fn links_devices_and_pipes_are_what_they_were() {
    let bed = Bed::new();
    let (mut writer, mut tree) = bed.begin();
    for target in ["x", &"y".repeat(4000), &"z".repeat(4095)] {
        let nid = writer.symlink(target.as_bytes(), &metadata(0o777)).unwrap();
        let entry = Entry::Symlink { nid, target: target.as_bytes().into() };
        tree.insert(ROOT, &target.as_bytes()[..1], entry).unwrap();
    }
    let nodes = [
        ("c", Kind::CharDevice, (5, 300)),
        ("b", Kind::BlockDevice, (259, 1)),
        ("p", Kind::Fifo, (0, 0)),
    ];
    for (name, kind, device) in nodes {
        let nid = writer.node(kind, device, &metadata(0o600)).unwrap();
        tree.insert(ROOT, name.as_bytes(), Entry::Inode { nid, kind }).unwrap();
    }
    let (mounted, _) = bed.finish(writer, &tree);
    for (name, length) in [("x", 1), ("y", 4000), ("z", 4095)] {
        assert_eq!(read_link(mounted.path(name)).unwrap().as_os_str().len(), length);
    }
    let stat = |name: &str| mounted.path(name).symlink_metadata().unwrap();
    assert!(stat("c").file_type().is_char_device() && stat("b").file_type().is_block_device());
    assert!(stat("p").file_type().is_fifo());
    assert_eq!(stat("c").rdev(), rustix::fs::makedev(5, 300));
    assert_eq!(stat("b").rdev(), rustix::fs::makedev(259, 1));
    assert!(stat("z").file_type().is_symlink());
}

#[test]
fn metadata_of_all_sizes_is_kept() {
    let bed = Bed::new();
    let (mut writer, mut tree) = bed.begin();
    let attribute = |name: &str, value: &[u8]| Attribute { name: name.into(), value: value.into() };
    let mut wanted = metadata(0o6755);
    (wanted.uid, wanted.gid) = (4_000_000_000, 70_000);
    wanted.modified = Timestamp { seconds: -5, nanos: 999_999_999 };
    wanted.attributes = vec![
        attribute(
            "security.capability",
            &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
        attribute("trusted.overlay.opaque", b"y"),
        attribute("user.large", &[9; 20_000]),
        attribute("user.empty", b""),
    ];
    let mut file = writer.file(3, &wanted).unwrap();
    file.write(0, b"abc").unwrap();
    let nid = file.finish().unwrap();
    tree.insert(ROOT, b"f", Entry::Inode { nid, kind: Kind::File }).unwrap();
    let dir = tree.make(ROOT, b"d", wanted.clone()).unwrap();
    tree.insert(dir, b"again", Entry::Inode { nid, kind: Kind::File }).unwrap();
    writer.link(nid, None);
    let (mounted, finished) = bed.finish(writer, &tree);
    assert_eq!(finished.inodes, 3);
    for (name, kind, links) in [("f", 0o100_000, 2), ("d", 0o40_000, 2), ("d/again", 0o100_000, 2)]
    {
        let path = mounted.path(name);
        let stat = path.metadata().unwrap();
        assert_eq!((stat.mode(), stat.nlink()), (kind | 0o6755, links), "{name}");
        assert_eq!((stat.uid(), stat.gid()), (4_000_000_000, 70_000));
        assert_eq!((stat.mtime(), stat.mtime_nsec()), (-5, 999_999_999));
        for Attribute { name, value } in &wanted.attributes {
            let mut found = vec![0; 65536];
            let count = rustix::fs::getxattr(&path, &name[..], &mut found[..]).unwrap();
            assert_eq!(found[..count], value[..]);
        }
    }
    assert_eq!(std::fs::read(mounted.path("f")).unwrap(), b"abc");
}

#[test]
fn the_last_name_of_a_file_says_what_it_looks_like() {
    let bed = Bed::new();
    let (mut writer, mut tree) = bed.begin();
    put(&mut writer, &mut tree, "a", b"shared");
    let Some(Entry::Inode { nid, kind }) = tree.directory(ROOT).get(b"a").cloned() else {
        panic!()
    };
    let mut changed = metadata(0o4711);
    (changed.uid, changed.modified.seconds) = (12, 99);
    writer.link(nid, Some((kind, changed)));
    tree.insert(ROOT, b"b", Entry::Inode { nid, kind }).unwrap();
    tree.insert(ROOT, b"c", Entry::Inode { nid, kind }).unwrap();
    tree.remove(ROOT, b"a").unwrap();
    let (mounted, _) = bed.finish(writer, &tree);
    let stat = mounted.path("c").metadata().unwrap();
    assert_eq!((stat.mode(), stat.uid(), stat.mtime(), stat.nlink()), (0o104_711, 12, 99, 2));
    assert_eq!(std::fs::read(mounted.path("b")).unwrap(), b"shared");
}

#[test]
fn large_directories_are_found_and_listed() {
    let bed = Bed::new();
    let (mut writer, mut tree) = bed.begin();
    put(&mut writer, &mut tree, "f", b"");
    let Some(entry) = tree.directory(ROOT).get(b"f").cloned() else { panic!() };
    let large = tree.make(ROOT, b"large", metadata(0o755)).unwrap();
    // Some come before `.` in the order of bytes.
    let names: Vec<String> =
        (0..20_000).map(|at| format!("{}{at:x}", ["!", ".", "..", "a", "ü"][at % 5])).collect();
    for name in &names {
        tree.insert(large, name.as_bytes(), entry.clone()).unwrap();
    }
    let Some(Entry::Inode { nid, .. }) = tree.directory(ROOT).get(b"f").cloned() else { panic!() };
    writer.link(nid, None);
    for at in 0..1000 {
        tree.make(large, format!("dir{at}").as_bytes(), metadata(0o700)).unwrap();
    }
    let (mounted, _) = bed.finish(writer, &tree);
    let listed = mounted.names("large");
    assert_eq!(listed.len(), 21_000);
    assert!(listed.is_sorted());
    for name in names.iter().step_by(371) {
        assert!(mounted.path("large").join(name).exists(), "{name}");
    }
    assert!(!mounted.path("large/none").exists());
    assert_eq!(mounted.path("large").metadata().unwrap().nlink(), 1002);
    assert_eq!(mounted.path("f").metadata().unwrap().nlink(), 20_001);
}

#[test]
fn what_does_not_fit_is_refused() {
    let bed = Bed::new();
    let (mut writer, mut tree) = bed.begin();
    let mut file = writer.file(3, &metadata(0o644)).unwrap();
    assert!(matches!(file.write(2, b"ab"), Err(Error::Unfit { .. })));
    assert!(matches!(writer.file(1 << 50, &metadata(0)).err(), Some(Error::Limit { .. })));
    assert!(matches!(writer.symlink(b"", &metadata(0)), Err(Error::Unfit { .. })));
    assert!(matches!(writer.node(Kind::File, (0, 0), &metadata(0)), Err(Error::Unfit { .. })));
    for name in [&b""[..], b".", b"..", b"a/b", b"a\0b", &[b'x'; 256]] {
        assert!(matches!(tree.make(ROOT, name, metadata(0)), Err(Error::Unfit { .. })), "{name:?}");
    }
    let mut small = Tree::new(metadata(0o755), 1000);
    let made = (0..100)
        .try_for_each(|at| small.make(ROOT, format!("{at}").as_bytes(), metadata(0)).map(drop));
    assert!(matches!(made, Err(Error::Limit { .. })));
    // The superblock leaves the root less room.
    let attributes = vec![Attribute { name: b"user.x".to_vec(), value: vec![0; 4000] }];
    tree.describe(ROOT, Metadata { attributes, ..metadata(0) }).unwrap();
    assert!(matches!(writer.finish(&tree), Err(Error::Unfit { .. })));
}

fn with_attribute(name: String, value_bytes: usize) -> Metadata {
    let attributes = vec![Attribute { name: name.into(), value: vec![0; value_bytes] }];
    Metadata { attributes, ..metadata(0o755) }
}

#[test]
fn attributes_of_directories_count_and_must_fit() {
    let mut tree = Tree::new(metadata(0o755), 1 << 20);
    let empty = tree.bytes();
    let dir = tree.make(ROOT, b"d", metadata(0o755)).unwrap();
    // The same name again takes the old value's place.
    for _ in 0..100 {
        tree.describe(dir, with_attribute("user.same".into(), 60_000)).unwrap();
    }
    assert!(matches!(
        tree.describe(dir, with_attribute("user.large".into(), 65_536)),
        Err(Error::Unfit { .. })
    ));
    tree.remove(ROOT, b"d").unwrap();
    // A directory's number stays taken.
    assert!(tree.bytes() < empty + 1000, "{}", tree.bytes());
    let told = (0..100).try_for_each(|at| {
        let dir = tree.make(ROOT, format!("{at}").as_bytes(), metadata(0o755))?;
        tree.describe(dir, with_attribute("user.one".into(), 60_000))
    });
    assert!(matches!(told, Err(Error::Limit { .. })), "{told:?}");
    // More than an inode holds, one after the other.
    let mut tree = Tree::new(metadata(0o755), usize::MAX);
    let told = (0..4)
        .map(|at| tree.describe(ROOT, with_attribute(format!("user.{at}"), 65_535)))
        .collect::<Vec<_>>();
    assert!(told[..3].iter().all(Result::is_ok) && matches!(told[3], Err(Error::Unfit { .. })));
}

#[test]
fn a_directory_knows_its_path() {
    let mut tree = Tree::new(metadata(0o755), 1 << 20);
    assert_eq!(tree.path_of(ROOT, 0), Some(Vec::new()));
    let outer = tree.make(ROOT, b"outer", metadata(0o755)).unwrap();
    let inner = tree.make(outer, b"in", metadata(0o755)).unwrap();
    assert_eq!(tree.path_of(inner, 8), Some(b"outer/in".to_vec()));
    assert_eq!(tree.path_of(inner, 7), None);
}

#[test]
fn a_large_image_is_whole_and_can_be_renamed() {
    // Some of it goes past the page cache, and what begins within a block does not.
    let bed = Bed::new();
    let (mut writer, mut tree) = bed.begin();
    let content: Vec<u8> =
        (0..3_000_000_u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    for number in 0..4 {
        let bytes = &content[..content.len() - number * 1_001];
        let skipped = if number == 2 { 5_000 } else { 0 };
        let size = (bytes.len() + skipped) as u64;
        let mut file = writer.file(size, &metadata(0o644)).unwrap();
        for (at, piece) in bytes.chunks(100_000).enumerate() {
            file.write((skipped + at * 100_000) as u64, piece).unwrap();
        }
        let nid = file.finish().unwrap();
        let name = number.to_string();
        tree.insert(ROOT, name.as_bytes(), Entry::Inode { nid, kind: Kind::File }).unwrap();
    }
    let (mounted, finished) = bed.finish(writer, &tree);
    assert!(finished.image_bytes > 40 << 20);
    for number in 0..4 {
        let found = std::fs::read(mounted.path(number.to_string())).unwrap();
        let skipped = if number == 2 { 5_000 } else { 0 };
        assert!(found[..skipped].iter().all(|byte| *byte == 0));
        assert!(found[skipped..] == content[..content.len() - number * 1_001], "{number}");
    }
    drop(mounted);
    let image = std::fs::File::options().read(true).write(true).open(bed.image()).unwrap();
    gantry_erofs::rename(&image, [9; 16]).unwrap();
    bed.check();
    let mut uuid = [0; 16];
    FileExt::read_exact_at(&image, &mut uuid, 1024 + 48).unwrap();
    assert_eq!(uuid, [9; 16]);
}
