//! The two forms of layers against one another, and in one store.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use gantry_archive::{EntryKind, Header, Xattr};
use gantry_layers::{Format, Layers};
use gantry_types::Digest;

use crate::scene::{Layer, Mounted, Scene, apply_all, dir, file, layer, open};

/// All that can be said of what is at a path.
pub(crate) type Looks = (u32, u32, u32, u64, u64, (i64, i64), Vec<u8>, BTreeMap<String, Vec<u8>>);

fn looks(path: &Path) -> Looks {
    let stat = path.symlink_metadata().unwrap();
    let kind = stat.file_type();
    let content = if kind.is_symlink() {
        std::fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec()
    } else if kind.is_file() {
        std::fs::read(path).unwrap()
    } else {
        Vec::new()
    };
    let mut names = vec![0_u8; 65536];
    let count = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    let mut xattrs = BTreeMap::new();
    for name in names[..count].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0_u8; 65536];
        let count = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
        let name = String::from_utf8(name.to_vec()).unwrap();
        xattrs.insert(name, value[..count].to_vec());
    }
    let links = if kind.is_dir() { 0 } else { stat.nlink() };
    let size = if kind.is_dir() { 0 } else { stat.size() };
    // What nobody gave a time has that of its making.
    let is_new = stat.mtime() > 1_700_000_000;
    let times = if is_new { (0, 0) } else { (stat.mtime(), stat.mtime_nsec()) };
    let mode = stat.mode();
    (mode, stat.uid(), stat.gid(), size + links * 1_000_000, stat.rdev(), times, content, xattrs)
}

/// Everything below a root, by path; and which names are one file.
pub(crate) fn all(root: &Path) -> (BTreeMap<String, Looks>, Vec<Vec<String>>) {
    let mut found = BTreeMap::new();
    let mut inodes: BTreeMap<(u64, u64), Vec<String>> = BTreeMap::new();
    let mut going = vec![String::new()];
    while let Some(at) = going.pop() {
        for item in std::fs::read_dir(root.join(&at)).unwrap() {
            let name = item.unwrap().file_name().into_string().unwrap();
            let path = if at.is_empty() { name } else { format!("{at}/{name}") };
            // Overlayfs lists a whiteout in a directory that only one layer has, and finds nothing there.
            let Ok(stat) = root.join(&path).symlink_metadata() else { continue };
            if stat.is_dir() {
                going.push(path.clone());
            } else {
                inodes.entry((stat.dev(), stat.ino())).or_default().push(path.clone());
            }
            found.insert(path.clone(), looks(&root.join(&path)));
        }
    }
    let mut groups: Vec<Vec<String>> =
        inodes.into_values().filter(|names| names.len() > 1).collect();
    for names in &mut groups {
        names.sort();
    }
    groups.sort();
    (found, groups)
}

/// What a chain looks like in a container.
pub(crate) fn merged(
    layers: &Layers,
    chain: &[Digest],
) -> (BTreeMap<String, Looks>, Vec<Vec<String>>) {
    layers.prepare("look", chain).unwrap();
    let mounted = Mounted::new(&layers.recipe("look", chain).unwrap());
    let found = all(&mounted.path(""));
    drop(mounted);
    layers.remove("look").unwrap();
    found
}

/// Layers come out the same, whatever their form.
#[track_caller]
fn check_alike(chain: &[Layer]) {
    let (one, other) = (Scene::new(Format::Directory), Scene::new(Format::Erofs));
    let (directories, images) = (one.open(), other.open());
    let ids = apply_all(&directories, chain);
    assert_eq!(apply_all(&images, chain), ids);
    let (expected, groups) = merged(&directories, &ids);
    let (found, found_groups) = merged(&images, &ids);
    let paths = |found: &BTreeMap<String, Looks>| found.keys().cloned().collect::<Vec<_>>();
    assert_eq!(paths(&found), paths(&expected));
    for (path, looks) in &expected {
        assert_eq!(&found[path], looks, "{path}");
    }
    assert_eq!(found_groups, groups);
    for (depth, id) in ids.iter().enumerate() {
        let (left, right) = (directories.find(id, &ids[..depth]), images.find(id, &ids[..depth]));
        assert_eq!(left.unwrap(), right.unwrap());
    }
}

/// With all that tar can say.
fn rich(header: Header) -> Header {
    let xattr = |name: &str, value: &[u8]| Xattr { name: name.into(), value: value.into() };
    let mut header = header;
    (header.uid, header.gid) = (100_000, 4_000_000_000);
    (header.modified.seconds, header.modified.nanos) = (1_234_567_890, 123_456_789);
    if matches!(header.kind, EntryKind::File | EntryKind::Directory) {
        header.xattrs = vec![
            xattr("user.note", b"first"),
            xattr("user.note", b"second"),
            xattr("user.empty", b""),
            xattr("trusted.note", &[7; 300]),
            // No archive may say these.
            xattr("trusted.overlay.redirect", b"/etc"),
            xattr("security.other", b"x"),
        ];
    }
    if header.kind == EntryKind::File {
        let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        header.xattrs.push(xattr("security.capability", &capability));
    }
    header
}

fn everything() -> Layer {
    let mut root = rich(dir("./"));
    root.mode = 0o1755;
    let device = |kind| Header::new("dev", kind, 0o620);
    let mut null = device(EntryKind::CharDevice { major: 1, minor: 3 });
    let mut disk = device(EntryKind::BlockDevice { major: 259, minor: 1000 });
    let mut pipe = device(EntryKind::Fifo);
    (null.path, disk.path, pipe.path) = (b"null".into(), b"disk".into(), b"pipe".into());
    let long = "x".repeat(10_000);
    layer(&[
        (root, ""),
        (rich(Header::directory("d", 0o2750)), ""),
        (rich(Header::file("d/f", 0o6755)), "content"),
        (rich(Header::file("large", 0o600)), &long),
        (rich(Header::symlink("link", "d/f")), ""),
        (rich(Header::symlink("far", "y".repeat(4090))), ""),
        (rich(null), ""),
        (rich(disk), ""),
        (rich(pipe), ""),
        (Header::file("ä ☃", 0o644), "name"),
        (file("empty"), ""),
    ])
}

#[test]
fn everything_that_tar_can_say_comes_out_alike() {
    check_alike(&[everything()]);
}

#[test]
fn the_last_entry_of_a_path_wins_alike() {
    let mut late = Header::hard_link("d/b", "d/a");
    (late.uid, late.mode, late.modified.seconds) = (9, 0o4711, 77);
    check_alike(&[layer(&[
        (dir("d"), ""),
        (file("d/a"), "first"),
        (late, ""),
        (file("twice"), "one"),
        (file("twice"), "two"),
        (dir("was"), ""),
        (file("was/in"), "x"),
        (file("was"), "a file now"),
        (file("then"), "x"),
        (dir("then"), ""),
        (file("then/in"), "y"),
        (Header::symlink("s", "then"), ""),
        // Through a link, and above the root.
        (file("s/through"), "z"),
        (Header::symlink("up", "../../then"), ""),
        (file("up/above"), "w"),
        (Header::hard_link("c", "s/through"), ""),
        (Header::hard_link("again", "d/a"), ""),
        (file("d/a"), "replaced"),
        (Header::hard_link("slink", "s"), ""),
    ])]);
}

#[test]
fn what_is_above_others_comes_out_alike() {
    let base = layer(&[
        (rich(dir("etc")), ""),
        (rich(file("etc/one")), "base"),
        (file("etc/two"), "base"),
        (rich(Header::directory("opt", 0o711)), ""),
        (file("opt/old"), "base"),
        (rich(Header::symlink("sym", "etc/two")), ""),
        (Header::new("pipe", EntryKind::Fifo, 0o600), ""),
        (dir("gone"), ""),
        (file("gone/in"), "x"),
        (dir("swap"), ""),
        (file("swap/old"), "x"),
    ]);
    // Directories that are not declared, links to what is below, deletions of all sorts.
    let above = layer(&[
        (file("etc/new"), "implied parent"),
        (file("etc/.wh.two"), ""),
        (file("a/b/c"), "nothing below"),
        (Header::hard_link("one", "etc/one"), ""),
        (Header::hard_link("one-again", "etc/one"), ""),
        (Header::hard_link("sym2", "sym"), ""),
        (Header::hard_link("pipe2", "pipe"), ""),
        (Header::hard_link("later", "last"), ""),
        (file("last"), "comes last"),
        (file(".wh.gone"), ""),
        (file(".wh.swap"), ""),
        (dir("swap"), ""),
        (file("swap/new"), "y"),
        (file("opt/.wh..wh..opq"), ""),
        (file("opt/new"), "z"),
        (file(".wh..wh.plnk"), ""),
        (file("deep/er/.wh.nothing"), ""),
    ]);
    check_alike(&[base, above]);
}

#[test]
fn chains_go_across_both_forms() {
    let scene = Scene::new(Format::Directory);
    let chain = [
        layer(&[(dir("d"), ""), (file("d/one"), "1"), (file("d/gone"), "x")]),
        layer(&[(dir("d"), ""), (file("d/two"), "2"), (file("d/.wh.gone"), "")]),
        layer(&[(Header::hard_link("link", "d/one"), ""), (file("d/three"), "3")]),
    ];
    let ids: Vec<Digest> = chain.iter().map(|layer| layer.diff_id.clone()).collect();
    for (depth, layer) in chain.iter().enumerate() {
        let format = if depth % 2 == 0 { Format::Directory } else { Format::Erofs };
        let layers = open(&scene.path(""), format);
        layers.apply(&layer.diff_id, &ids[..depth], &layer.tar[..]).unwrap();
        assert_eq!(layers.format(), format);
    }
    assert!(scene.path("layers/1/fs").is_dir() && scene.path("layers/2/layer.erofs").is_file());
    let layers = open(&scene.path(""), Format::Erofs);
    assert_eq!(layers.reconciled().lost, []);
    layers.prepare("c1", &ids).unwrap();
    let root = Mounted::new(&layers.recipe("c1", &ids).unwrap());
    assert_eq!(root.names("d"), ["one", "three", "two"]);
    assert_eq!(root.text("link"), "1");
    drop(root);
    layers.remove("c1").unwrap();
    // Each is found by its own form after a restart, and nothing else is taken for it.
    drop(layers);
    std::fs::remove_file(scene.path("layers/2/layer.erofs")).unwrap();
    std::fs::create_dir(scene.path("layers/2/layer.erofs")).unwrap();
    let layers = open(&scene.path(""), Format::Directory);
    assert_eq!(layers.reconciled().lost, [ids[1].clone()]);
}

#[test]
fn containers_of_an_image_share_its_mounts() {
    let scene = Scene::new(Format::Erofs);
    let layers = scene.open();
    let ids = apply_all(&layers, &[layer(&[(file("f"), "x")])]);
    layers.prepare("c1", &ids).unwrap();
    layers.prepare("c2", &ids).unwrap();
    let (one, two) = (layers.recipe("c1", &ids).unwrap(), layers.recipe("c2", &ids).unwrap());
    assert_eq!(one[0].options[0], two[0].options[0]);
    let mounted = Mounted::new(&one);
    // A container that runs does not need the daemon's mount, nor the layer's file a name.
    drop((one, two));
    layers.remove_layer(&ids[0]).unwrap();
    layers.empty_trash().unwrap();
    drop(layers);
    assert_eq!(mounted.text("f"), "x");
    assert_eq!(scene.numbers(), [0]);
}
