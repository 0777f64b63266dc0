//! Archives that are put together from layers: whatever an archive was, it comes out byte for byte, or it is kept.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use gantry_archive::{Header, Writer};
use gantry_db::Db;
use gantry_layers::{Config, Format, Layers, Points, Splitting};
use gantry_types::Digest;
use rustix::mount::{MountFlags, mount};
use sha2::Digest as _;

use crate::draw::{Dice, World, draw};
use crate::failures::in_private;
use crate::scene::{Layer, Scene, dir, file, layer, open};

/// The archive as a file.
fn stored(layer: &Layer) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&layer.tar).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

/// Puts the archive away; what became of it.
fn split(layers: &Layers, layer: &Layer) -> Splitting {
    layers.sync().unwrap();
    layers.split(&layer.diff_id, &stored(layer)).unwrap()
}

fn joined(layers: &Layers, diff_id: &Digest) -> Vec<u8> {
    let mut bytes = Vec::new();
    layers.archives().open(diff_id).unwrap().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// With a file that makes it worth while.
fn large(entries: &[(Header, &str)]) -> Layer {
    let lines: Vec<String> = (0..30_000).map(|number| format!("{number:05}\n")).collect();
    let content = lines.concat();
    let mut entries = entries.to_vec();
    entries.push((file("large"), &content));
    layer(&entries)
}

#[test]
fn every_archive_comes_out_as_it_was() {
    let scene = Scene::new(Format::Erofs);
    let layers = scene.open();
    let mut done = 0;
    for seed in 0..150 {
        let mut dice = Dice(seed);
        let mut drawn = draw(&mut dice, &mut World::new());
        // Some entries of a drawn layer are large enough to be found again, and this one always is.
        let mut first = Writer::new(Vec::new());
        let content = vec![u8::try_from(seed).unwrap(); 100_000 + dice.below(10_000)];
        first.append_bytes(&Header::file("first", 0o644), &content).unwrap();
        let first = first.finish().unwrap();
        drawn.tar.splice(0..0, first[..first.len() - 1024].iter().copied());
        drawn.diff_id = Digest::sha256(sha2::Sha256::digest(&drawn.tar).into());
        layers.apply(&drawn.diff_id, &[], &drawn.tar[..]).unwrap();
        match split(&layers, &drawn) {
            Splitting::Done => done += 1,
            // Mostly what follows the end, which is noise.
            Splitting::Unfit => continue,
            other => panic!("{seed}: {other:?}"),
        }
        assert_eq!(joined(&layers, &drawn.diff_id), drawn.tar, "{seed}");
        assert_eq!(layers.archives().size_bytes(&drawn.diff_id), Some(drawn.tar.len() as u64));
        for _ in 0..5 {
            let skipped = dice.below(drawn.tar.len());
            let mut rest = Vec::new();
            let mut archive = layers.archives().open(&drawn.diff_id).unwrap().unwrap();
            archive.skip(skipped as u64).unwrap();
            archive.read_to_end(&mut rest).unwrap();
            assert!(rest == drawn.tar[skipped..], "{seed}: {skipped}");
        }
    }
    assert!(done > 100, "{done}");
    assert_eq!(scene.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn what_other_tools_write_comes_out_as_it_was() {
    let scene = Scene::new(Format::Erofs);
    let tree = scene.path("tree");
    std::fs::create_dir_all(tree.join("deep/er")).unwrap();
    std::fs::write(tree.join("deep/er/file"), vec![3; 200_000]).unwrap();
    std::fs::write(tree.join("deep").join("n".repeat(90)), "long name").unwrap();
    std::fs::hard_link(tree.join("deep/er/file"), tree.join("again")).unwrap();
    let sparse = File::create(tree.join("sparse")).unwrap();
    sparse.write_all_at(&[1; 5000], 1 << 20).unwrap();
    sparse.set_len(3 << 20).unwrap();
    let layers = scene.open();
    for format in ["gnu", "pax", "ustar"] {
        let archive = scene.path("archive.tar");
        let mut tar = std::process::Command::new("tar");
        // The old form knows no holes.
        let create = if format == "ustar" { "-cf" } else { "-cSf" };
        tar.arg("--format").arg(format).arg(create).arg(&archive).arg("-C").arg(&tree).arg(".");
        assert!(tar.status().unwrap().success(), "{format}");
        let tar = std::fs::read(&archive).unwrap();
        let made = Layer { diff_id: Digest::sha256(sha2::Sha256::digest(&tar).into()), tar };
        layers.apply(&made.diff_id, &[], &made.tar[..]).unwrap();
        assert_eq!(split(&layers, &made), Splitting::Done, "{format}");
        assert_eq!(joined(&layers, &made.diff_id), made.tar, "{format}");
    }
}

#[test]
fn it_is_small_is_there_after_a_restart_and_goes_with_its_layer() {
    let scene = Scene::new(Format::Erofs);
    let layers = scene.open();
    let one = large(&[(dir("d"), ""), (file("d/f"), "x")]);
    layers.apply(&one.diff_id, &[], &one.tar[..]).unwrap();
    assert_eq!(layers.split(&one.diff_id, &stored(&one)).unwrap(), Splitting::NotYet, "unsynced");
    assert_eq!(split(&layers, &one), Splitting::Done);
    assert_eq!(split(&layers, &one), Splitting::WasDone);
    let place = scene.path("layers/1/layer.split");
    assert!(place.metadata().unwrap().len() < one.tar.len() as u64 / 50);
    drop(layers);
    let layers = open(&scene.path(""), Format::Erofs);
    assert_eq!(layers.reconciled().strays, 0);
    assert_eq!(joined(&layers, &one.diff_id), one.tar);
    let mut open_before = layers.archives().open(&one.diff_id).unwrap().unwrap();
    layers.remove_layer(&one.diff_id).unwrap();
    layers.empty_trash().unwrap();
    assert!(!place.exists());
    assert_eq!(layers.archives().size_bytes(&one.diff_id), None);
    assert!(layers.archives().open(&one.diff_id).unwrap().is_none());
    let mut bytes = Vec::new();
    open_before.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, one.tar);
}

#[test]
fn what_spares_nothing_is_kept_and_not_tried_again() {
    let scene = Scene::new(Format::Erofs);
    let layers = scene.open();
    let small = layer(&[(file("f"), "x")]);
    layers.apply(&small.diff_id, &[], &small.tar[..]).unwrap();
    assert_eq!(split(&layers, &small), Splitting::Unfit);
    // Entries without content: nothing of the archive is in the layer.
    let mut writer = Writer::new(Vec::new());
    let mut dice = Dice(1);
    for number in 0..3000 {
        let link = format!("{:x}{:x}{:x}", dice.next(), dice.next(), dice.next());
        writer.append_header(&Header::symlink(format!("{number}"), link)).unwrap();
    }
    let tar = writer.finish().unwrap();
    let links = Layer { diff_id: Digest::sha256(sha2::Sha256::digest(&tar).into()), tar };
    layers.apply(&links.diff_id, &[], &links.tar[..]).unwrap();
    layers.sync().unwrap();
    let before = layers.split(&links.diff_id, &stored(&links)).unwrap();
    // Links are told with a name of 24 digits in 512 bytes: that may be worth it or not, and is the same each time.
    assert_eq!(
        layers.split(&links.diff_id, &stored(&links)).unwrap(),
        match before {
            Splitting::Done => Splitting::WasDone,
            other => other,
        }
    );
    let directories = Scene::new(Format::Directory);
    let layers = directories.open();
    let one = large(&[]);
    layers.apply(&one.diff_id, &[], &one.tar[..]).unwrap();
    assert_eq!(split(&layers, &one), Splitting::Unfit);
}

#[test]
fn another_archive_than_the_layers_own_is_never_taken_for_it() {
    let scene = Scene::new(Format::Erofs);
    let layers = scene.open();
    let (one, mut other) = (large(&[]), large(&[(file("more"), "x")]));
    layers.apply(&one.diff_id, &[], &one.tar[..]).unwrap();
    other.diff_id = one.diff_id.clone();
    assert_eq!(split(&layers, &other), Splitting::Unfit);
    assert!(layers.archives().open(&one.diff_id).unwrap().is_none());
    assert_eq!(scene.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn damage_is_an_error_or_another_digest() {
    let scene = Scene::new(Format::Erofs);
    let layers = scene.open();
    let one = large(&[(dir("d"), ""), (file("d/f"), "x")]);
    layers.apply(&one.diff_id, &[], &one.tar[..]).unwrap();
    assert_eq!(split(&layers, &one), Splitting::Done);
    for name in ["layer.split", "layer.erofs"] {
        let path = scene.path("layers/1").join(name);
        let whole = std::fs::read(&path).unwrap();
        let mut dice = Dice(7);
        for _ in 0..200 {
            let mut changed = whole.clone();
            let at = dice.below(changed.len());
            changed[at] ^= 1 << dice.below(8);
            std::fs::write(&path, &changed).unwrap();
            let mut bytes = Vec::new();
            let archive = layers.archives().open(&one.diff_id);
            let read =
                archive.ok().flatten().map(|mut archive| archive.read_to_end(&mut bytes).is_ok());
            // What is no file's data is not looked at; of the split, everything has a checksum.
            if name == "layer.split" {
                assert!(read != Some(true) || bytes == one.tar, "{at}");
            }
        }
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let opened = layers.archives().open(&one.diff_id);
        let read = opened.ok().flatten().map(|mut archive| archive.read_to_end(&mut Vec::new()));
        assert!(read.is_none_or(|read| read.is_err()), "{name}");
        std::fs::write(&path, &whole).unwrap();
    }
    assert_eq!(joined(&layers, &one.diff_id), one.tar);
}

#[test]
fn an_archive_that_came_again_for_a_damaged_layer_is_kept() {
    let scene = Scene::new(Format::Erofs);
    let layers = scene.open();
    let one = large(&[]);
    layers.apply(&one.diff_id, &[], &one.tar[..]).unwrap();
    assert_eq!(split(&layers, &one), Splitting::Done);
    let image = scene.path("layers/1/layer.erofs");
    let mut bytes = std::fs::read(&image).unwrap();
    let line = bytes.windows(6).position(|line| line == b"02000\n").unwrap();
    bytes[line] ^= 1;
    std::fs::write(&image, &bytes).unwrap();
    assert_eq!(split(&layers, &one), Splitting::Unfit);
    assert!(layers.archives().open(&one.diff_id).unwrap().is_none());
}

#[test]
fn a_layer_is_on_the_disk_when_the_database_says_so() {
    in_private(|small| {
        mount("tmpfs", small, "tmpfs", MountFlags::empty(), c"size=256k").unwrap();
        let scene = Scene::new(Format::Erofs);
        let db = Arc::new(Db::open(&small.join("meta.db")).unwrap());
        let config = Config {
            root: scene.path(""),
            format: Some(Format::Erofs),
            points: Points::default(),
            label: None,
        };
        let layers = Layers::open(config, db).unwrap();
        let one = large(&[]);
        layers.apply(&one.diff_id, &[], &one.tar[..]).unwrap();
        let filler = small.join("filler");
        std::fs::write(&filler, vec![0; 1 << 20]).unwrap_err();
        layers.sync().unwrap_err();
        let archive = stored(&one);
        assert_eq!(layers.split(&one.diff_id, &archive).unwrap(), Splitting::NotYet);
        std::fs::remove_file(filler).unwrap();
        layers.sync().unwrap();
        assert_eq!(layers.split(&one.diff_id, &archive).unwrap(), Splitting::Done);
    });
}
