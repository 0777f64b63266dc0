//! Layers drawn by chance against two others who know what they mean: the other form of layers, and GNU tar, which
//! extracts one layer after the other into one directory.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use gantry_archive::{EntryKind, EntryPath, Limits, Meaning, Reader, meaning};
use gantry_layers::{Error, Format, Layers};
use gantry_types::Digest;
use sha2::Digest as _;

use crate::draw::{Dice, World, draw};
use crate::formats::{Looks, all, merged};
use crate::scene::{Layer, Scene};

const CHAINS: u64 = 60;

/// As the image specification says to apply a layer to what is there: deletions, then entries.
fn extract(layer: &Layer, root: &Path) {
    let mut reader = Reader::new(&layer.tar[..], Limits::default());
    while let Some(entry) = reader.next_entry().unwrap() {
        let path = EntryPath::normalise(&entry.header().path).unwrap();
        let at = |path: &EntryPath| root.join(std::str::from_utf8(path.as_bytes()).unwrap());
        match meaning(&path).unwrap() {
            Meaning::Hides(name) => {
                let hidden = at(&path.sibling(&name));
                if hidden.is_dir() && !hidden.is_symlink() {
                    std::fs::remove_dir_all(hidden).unwrap();
                } else {
                    std::fs::remove_file(hidden).unwrap();
                }
            }
            Meaning::Opaque => {
                for item in std::fs::read_dir(at(&path.up())).unwrap() {
                    let item = item.unwrap();
                    if item.file_type().unwrap().is_dir() {
                        std::fs::remove_dir_all(item.path()).unwrap();
                    } else {
                        std::fs::remove_file(item.path()).unwrap();
                    }
                }
            }
            // What is in the way of something else goes: tar would not remove what is full.
            _ => {
                let there = at(&path);
                let is_directory = entry.header().kind == EntryKind::Directory;
                match there.symlink_metadata() {
                    Ok(found) if found.is_dir() && !is_directory => {
                        std::fs::remove_dir_all(there).unwrap();
                    }
                    _ => {}
                }
            }
        }
    }
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--file=-", "--numeric-owner", "--same-owner", "--same-permissions"]);
    tar.args(["--xattrs", "--xattrs-include=*", "--exclude=.wh.*"]);
    tar.arg("-C").arg(root).stdin(std::process::Stdio::piped());
    let mut child = tar.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // It does not read what lies behind the end of the archive.
    drop(std::io::Write::write_all(&mut input, &layer.tar));
    drop(input);
    assert!(child.wait().unwrap().success(), "{tar:?}");
}

/// What both must agree in. Times and attributes of directories differ from tool to tool.
fn comparable(found: BTreeMap<String, Looks>) -> BTreeMap<String, Looks> {
    let is_directory = |looks: &Looks| looks.0 & 0o170_000 == 0o040_000;
    let without_time = |(path, mut looks): (String, Looks)| {
        if is_directory(&looks) {
            looks.5 = (0, 0);
            // tar leaves those of the directory that is there already.
            looks.7.clear();
        } else {
            // How many names a file has differs where a link leads to a lower layer: it is a copy.
            looks.3 %= 1_000_000;
        }
        // A digest of the content: short enough for a message.
        looks.6 = sha2::Sha256::digest(&looks.6)[..4].to_vec();
        looks.7.retain(|name, _| !name.starts_with("trusted.overlay."));
        (path, looks)
    };
    found.into_iter().map(without_time).collect()
}

/// A chain, and whatever comes in first is extracted first: some have to wait for what is below.
fn apply_in_any_order(layers: &Layers, chain: &[Layer], dice: &mut Dice) -> Vec<Digest> {
    let ids: Vec<Digest> = chain.iter().map(|layer| layer.diff_id.clone()).collect();
    let mut waiting: Vec<usize> = (0..chain.len()).collect();
    while !waiting.is_empty() {
        let depth = waiting.remove(dice.below(waiting.len()));
        match layers.apply(&ids[depth], &ids[..depth], &chain[depth].tar[..]) {
            Ok(_) => {}
            Err(Error::Missing { .. }) => waiting.push(depth),
            Err(error) => panic!("{error}"),
        }
    }
    ids
}

#[test]
fn chains_come_out_as_gnu_tar_and_the_other_form_have_them() {
    let scenes = [Format::Directory, Format::Erofs].map(Scene::new);
    let [directories, images] = scenes.each_ref().map(Scene::open);
    let (mut dependent, mut charged) = (0, 0);
    for seed in 0..CHAINS {
        let mut dice = Dice(seed);
        let mut world = World::new();
        let chain: Vec<Layer> =
            (0..2 + dice.below(3)).map(|_| draw(&mut dice, &mut world)).collect();
        let ids = apply_in_any_order(&directories, &chain, &mut dice);
        assert_eq!(apply_in_any_order(&images, &chain, &mut dice), ids);
        let (found, links) = merged(&directories, &ids);
        let (also, also_links) = merged(&images, &ids);
        assert!((&also, &also_links) == (&found, &links), "{seed}");
        let reference = tempfile::tempdir().unwrap();
        for layer in &chain {
            extract(layer, reference.path());
        }
        let (expected, _) = all(reference.path());
        let (expected, found) = (comparable(expected), comparable(found));
        let paths = |of: &BTreeMap<String, Looks>| of.keys().cloned().collect::<Vec<_>>();
        assert_eq!(paths(&found), paths(&expected), "{seed}");
        for (path, looks) in &expected {
            assert_eq!(&found[path], looks, "{seed}: {path}");
        }
        for (depth, id) in ids.iter().enumerate() {
            let [one, other] =
                [&directories, &images].map(|layers| layers.find(id, &ids[..depth]).unwrap());
            assert_eq!(one, other, "{seed}: {depth}");
            charged += one.unwrap().size_bytes;
            // It is found above these parents only, when it depends on them.
            let elsewhere = images.find(id, &[Digest::sha256([9; 32])]).unwrap();
            dependent += usize::from(depth > 0 && elsewhere.is_none());
        }
    }
    assert!(dependent > 20 && charged > 0, "{dependent}");
}
