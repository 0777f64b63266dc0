//! Images of layers that are not what they were: told in plain words before anything is mounted, or by the kernel where
//! somebody reads what is damaged.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use gantry_layers::{Format, Layers};
use gantry_types::Digest;

use crate::scene::{Mounted, Scene, apply_all, dir, file, layer, open};

/// A store with two layers, and the image of the upper one.
fn store(scene: &Scene) -> (Layers, Vec<Digest>, PathBuf) {
    let layers = scene.open();
    let content = "x".repeat(10_000);
    let chain = [
        layer(&[(dir("d"), ""), (file("d/below"), "sound")]),
        layer(&[(dir("d"), ""), (file("d/above"), &content)]),
    ];
    let ids = apply_all(&layers, &chain);
    layers.sync().unwrap();
    (layers, ids, scene.path("layers/2/layer.erofs"))
}

/// Opens the store again, so that nothing is mounted, and starts a container of both layers.
fn start(scene: &Scene, layers: Layers, ids: &[Digest]) -> Result<(), String> {
    drop(layers);
    let layers = open(&scene.path(""), Format::Erofs);
    layers.prepare("c1", ids).unwrap();
    let result = layers.recipe("c1", ids).map(drop).map_err(|error| error.to_string());
    layers.remove("c1").unwrap();
    // What is sound goes on being so.
    layers.prepare("c2", &ids[..1]).unwrap();
    let mounted = Mounted::new(&layers.recipe("c2", &ids[..1]).unwrap());
    assert_eq!(mounted.text("d/below"), "sound");
    drop(mounted);
    layers.remove("c2").unwrap();
    result
}

#[test]
fn what_is_cut_off_is_not_mounted() {
    for left in [0, 100, 4095, 4096, 8192] {
        let scene = Scene::new(Format::Erofs);
        let (layers, ids, image) = store(&scene);
        File::options().write(true).open(&image).unwrap().set_len(left).unwrap();
        let told = layers.check().unwrap().faults;
        assert_eq!(told.len(), 1, "{left}: {told:?}");
        let error = start(&scene, layers, &ids).unwrap_err();
        assert!(error.contains("layers/2/layer.erofs is damaged: "), "{error}");
        assert!(error.contains("remove the images that have it"), "{error}");
    }
}

#[test]
fn a_changed_superblock_is_not_mounted() {
    for at in [1024, 1030, 1036, 1060, 1100, 1200, 4000] {
        let scene = Scene::new(Format::Erofs);
        let (layers, ids, image) = store(&scene);
        let file = File::options().read(true).write(true).open(&image).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
        let error = start(&scene, layers, &ids).unwrap_err();
        assert!(error.contains("superblock"), "{at}: {error}");
    }
}

/// Where the inode of the only file with that many bytes is.
fn inode_of(image: &File, size: u64) -> u64 {
    let mut bytes = vec![0; usize::try_from(image.metadata().unwrap().len()).unwrap()];
    image.read_exact_at(&mut bytes, 0).unwrap();
    let wanted = size.to_le_bytes();
    let slots = (4096..bytes.len() - 64).step_by(32);
    let mut found = slots.filter(|at| bytes[at + 8..at + 16] == wanted);
    u64::try_from(found.next().unwrap()).unwrap()
}

#[test]
fn a_damaged_inode_is_an_error_for_whoever_reads_it() {
    let scene = Scene::new(Format::Erofs);
    let (layers, ids, image) = store(&scene);
    let image = File::options().read(true).write(true).open(&image).unwrap();
    let inode = inode_of(&image, 10_000);
    // Its blocks are beyond the end.
    image.write_all_at(&0x7fff_0000_u32.to_le_bytes(), inode + 16).unwrap();
    let told = layers.check_content(|| true);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].problem.contains("leads out of it"), "{}", told[0].problem);
    layers.prepare("c1", &ids).unwrap();
    let mounted = Mounted::new(&layers.recipe("c1", &ids).unwrap());
    assert!(std::fs::read(mounted.path("d/above")).is_err());
    assert_eq!(mounted.text("d/below"), "sound");
}

#[test]
fn a_root_that_was_moved_is_as_good_as_before() {
    let scene = Scene::new(Format::Erofs);
    let (layers, ids, _) = store(&scene);
    drop(layers);
    let elsewhere = tempfile::tempdir().unwrap();
    let moved = elsewhere.path().join("moved");
    std::fs::create_dir(&moved).unwrap();
    for name in ["layers", "rw", "meta.db"] {
        std::fs::rename(scene.path(name), moved.join(name)).unwrap();
    }
    for rest in ["meta.db-wal", "meta.db-shm"] {
        drop(std::fs::rename(scene.path(rest), moved.join(rest)));
    }
    let layers = open(&moved, Format::Erofs);
    assert_eq!(layers.reconciled().lost, []);
    layers.prepare("c1", &ids).unwrap();
    let mounted = Mounted::new(&layers.recipe("c1", &ids).unwrap());
    assert_eq!(mounted.names("d"), ["above", "below"]);
}
