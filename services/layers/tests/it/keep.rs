//! What a container has written becomes a layer as it lies there, and its archive comes out of it.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, symlink};

use gantry_layers::{Kept, Layers, Outlined};
use gantry_types::Digest;
use sha2::Digest as _;

use crate::scene::{Mounted, Scene, apply_all, dir, file, in_both_formats, layer, open};

in_both_formats![
    what_was_written_is_the_layer,
    the_archive_comes_out_as_it_was,
    a_layer_that_was_here_stays,
    nothing_makes_no_layer,
    what_is_not_kept_leaves_nothing,
];

/// Below everything: a file that goes, a directory that is replaced, and one that stays.
fn base(layers: &Layers) -> Vec<Digest> {
    let below = layer(&[
        (file("gone"), "x"),
        (dir("old"), ""),
        (file("old/inner"), "x"),
        (dir("etc"), ""),
        (file("etc/passwd"), "root"),
    ]);
    apply_all(layers, &[below])
}

/// What a command writes, by way of an overlay as its container has it.
fn write(scene: &Scene, layers: &Layers, id: &str, chain: &[Digest]) {
    layers.prepare(id, chain).unwrap();
    let mounted = Mounted::new(&layers.recipe(id, chain).unwrap());
    let at = |path: &str| mounted.path(path);
    fs::remove_file(at("gone")).unwrap();
    fs::remove_dir_all(at("old")).unwrap();
    fs::create_dir(at("old")).unwrap();
    fs::write(at("old/new"), "new").unwrap();
    fs::write(at("large"), vec![7; 300_000]).unwrap();
    fs::hard_link(at("large"), at("old/again")).unwrap();
    fs::File::create(at("sparse")).unwrap().set_len(3 << 20).unwrap();
    fs::write(at("etc/small"), "few").unwrap();
    symlink("large", at("link")).unwrap();
    // A file upon which something was mounted, and a socket.
    fs::write(at("etc/hosts"), "").unwrap();
    drop(mounted);
    let socket = scene.path(&format!("rw/{id}/u/etc/socket"));
    drop(std::os::unix::net::UnixListener::bind(socket).unwrap());
}

/// Outlines it; the archive's digest and bytes.
fn outline(layers: &Layers, id: &str, chain: &[Digest]) -> (Option<Outlined>, Digest, Vec<u8>) {
    let mut bytes = Vec::new();
    let points = [&b"/etc/hosts"[..], b"/proc"];
    let outlined = layers.outline_written(id, chain, points, &mut bytes).unwrap();
    (outlined, Digest::sha256(sha2::Sha256::digest(&bytes).into()), bytes)
}

fn look(layers: &Layers, chain: &[Digest]) {
    layers.prepare("other", chain).unwrap();
    let mounted = Mounted::new(&layers.recipe("other", chain).unwrap());
    assert_eq!(mounted.names(""), ["etc", "large", "link", "old", "sparse"]);
    assert_eq!(mounted.names("old"), ["again", "new"]);
    assert_eq!(mounted.names("etc"), ["passwd", "small"]);
    assert_eq!(mounted.text("etc/passwd"), "root");
    assert_eq!(mounted.stat("large").nlink(), 2);
    assert_eq!(mounted.stat("sparse").len(), 3 << 20);
    drop(mounted);
    layers.remove("other").unwrap();
}

fn what_was_written_is_the_layer(scene: &Scene) {
    let layers = scene.open();
    let chain = base(&layers);
    write(scene, &layers, "one", &chain);
    let inode = scene.path("rw/one/u/large").metadata().unwrap().ino();
    let (outlined, digest, bytes) = outline(&layers, "one", &chain);
    let outlined = outlined.unwrap();
    assert_eq!(outlined.archive_bytes(), bytes.len() as u64);
    let Kept::Made(info) = layers.keep_written(outlined, &digest).unwrap() else {
        panic!("it was there before")
    };
    assert_eq!(info.size_bytes, 3 + 300_000 + (3 << 20) + 3);
    assert!(!scene.path("rw/one/u").exists());
    let number = scene.numbers().into_iter().max().unwrap();
    let files = scene.path(&format!("layers/{number}/fs"));
    assert_eq!(files.join("large").metadata().unwrap().ino(), inode, "no byte was copied");
    let chain = [&chain[..], &[digest]].concat();
    look(&layers, &chain);
    layers.remove("one").unwrap();
    drop(layers);
    let layers = open(&scene.path(""), scene.format);
    assert!(layers.reconciled().lost.is_empty());
    look(&layers, &chain);
    assert!(layers.check().unwrap().faults.is_empty());
}

fn the_archive_comes_out_as_it_was(scene: &Scene) {
    let layers = scene.open();
    let chain = base(&layers);
    write(scene, &layers, "one", &chain);
    let (outlined, digest, bytes) = outline(&layers, "one", &chain);
    let split = {
        layers.keep_written(outlined.unwrap(), &digest).unwrap();
        let number = scene.numbers().into_iter().max().unwrap();
        scene.path(&format!("layers/{number}/layer.split"))
    };
    assert!(split.metadata().unwrap().len() < 2_000, "{:?}", split.metadata());
    let archives = layers.archives();
    assert_eq!(archives.size_bytes(&digest), Some(bytes.len() as u64));
    for skipped in [0, 1, 511, 512, 5_000, 200_000, bytes.len() - 3, bytes.len()] {
        let mut archive = archives.open(&digest).unwrap().unwrap();
        archive.skip(skipped as u64).unwrap();
        let mut rest = Vec::new();
        archive.read_to_end(&mut rest).unwrap();
        assert!(rest == bytes[skipped..], "{skipped}");
    }
    // Applied elsewhere, it is the same layer.
    let other = Scene::new(scene.format);
    let there = other.open();
    let below = base(&there);
    there.apply(&digest, &below, &bytes[..]).unwrap();
    look(&there, &[&below[..], &[digest]].concat());
}

fn a_layer_that_was_here_stays(scene: &Scene) {
    let layers = scene.open();
    let chain = base(&layers);
    write(scene, &layers, "one", &chain);
    let (outlined, digest, bytes) = outline(&layers, "one", &chain);
    layers.apply(&digest, &chain, &bytes[..]).unwrap();
    let numbers = scene.numbers();
    let kept = layers.keep_written(outlined.unwrap(), &digest).unwrap();
    assert!(matches!(kept, Kept::WasHere(_)), "{kept:?}");
    assert_eq!(scene.numbers(), numbers);
    assert!(scene.path("rw/one/u/large").exists(), "the container has what it had");
}

fn nothing_makes_no_layer(scene: &Scene) {
    let layers = scene.open();
    let chain = base(&layers);
    layers.prepare("one", &chain).unwrap();
    assert!(outline(&layers, "one", &chain).0.is_none());
    // Nor does what is only there to be mounted upon.
    fs::create_dir(scene.path("rw/one/u/proc")).unwrap();
    assert!(outline(&layers, "one", &chain).0.is_none());
    assert!(layers.outline_written("none", &chain, [], Vec::new()).is_err());
}

fn what_is_not_kept_leaves_nothing(scene: &Scene) {
    let layers = scene.open();
    let chain = base(&layers);
    write(scene, &layers, "one", &chain);
    let before = (scene.numbers(), scene.leftovers());
    drop(outline(&layers, "one", &chain));
    assert_eq!((scene.numbers(), scene.leftovers()), before);
    // A name that layers keep for deletions.
    fs::write(scene.path("rw/one/u/.wh.x"), "").unwrap();
    assert!(layers.outline_written("one", &chain, [], Vec::new()).is_err());
    assert_eq!((scene.numbers(), scene.leftovers()), before);
}
