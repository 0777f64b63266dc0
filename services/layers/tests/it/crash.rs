//! A process that is killed at random moments while it extracts, removes and prepares. This test
//! binary runs itself as that process.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use gantry_archive::Header;
use gantry_layers::Format;
use gantry_types::Digest;

use crate::scene::{Layer, Scene, dir, file, in_both_formats, layer, open};

in_both_formats![killed_at_any_moment_each_layer_is_whole_or_gone];

const ROUNDS: u64 = 20;
const FILES: usize = 40;
const STEP: &str = "one step further";
const ROOT: &str = "GANTRY_LAYERS_CRASH_ROOT";
/// Set for layers that are images.
const IMAGES: &str = "GANTRY_LAYERS_CRASH_IMAGES";

/// Layers with enough in them to be caught in the middle.
fn all_layers() -> Vec<Layer> {
    (0..6)
        .map(|number| {
            let mut entries = vec![(dir("d"), String::new())];
            for at in 0..FILES {
                let name = format!("d/{number}-{at}");
                entries.push((file(&name), format!("{number} {at}").repeat(700)));
            }
            entries.push((Header::symlink("last", format!("{number}")), String::new()));
            let entries: Vec<_> =
                entries.iter().map(|(header, data)| (header.clone(), data.as_str())).collect();
            layer(&entries)
        })
        .collect()
}

fn archive(layer: &Layer) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&layer.tar).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

/// The victim: an endless coming and going. It tells of every step, so that it can be killed in any.
#[test]
fn victim() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let images = std::env::var_os(IMAGES).is_some();
    let format = if images { Format::Erofs } else { Format::Directory };
    let layers = open(Path::new(&root), format);
    let all = all_layers();
    let ids: Vec<Digest> = all.iter().map(|layer| layer.diff_id.clone()).collect();
    for id in layers.containers() {
        layers.remove(&id).unwrap();
    }
    for round in 0.. {
        println!("{STEP}");
        for layer in &all {
            layers.apply(&layer.diff_id, &[], &layer.tar[..]).unwrap();
            println!("{STEP}");
        }
        let id = format!("c{round}");
        layers.prepare(&id, &ids).unwrap();
        println!("{STEP}");
        layers.remove(&id).unwrap();
        if round % 2 == 0 {
            layers.sync().unwrap();
            for layer in &all {
                layers.split(&layer.diff_id, &archive(layer)).unwrap();
                println!("{STEP}");
            }
        }
        println!("{STEP}");
        layers.collect(&HashSet::from([ids[..round % 5].to_vec()])).unwrap();
    }
}

fn killed_at_any_moment_each_layer_is_whole_or_gone(scene: &Scene) {
    let all = all_layers();
    let (mut seen, mut archives) = (HashSet::new(), 0);
    for round in 0..ROUNDS {
        kill_in_step(scene, round * 7 % 31, Duration::from_micros(round * 311 % 2000));
        let layers = scene.open();
        assert_eq!(layers.reconciled().lost, [], "a row without its directory");
        let mut whole = 0;
        for layer in &all {
            if layers.find(&layer.diff_id, &[]).unwrap().is_none() {
                continue;
            }
            whole += 1;
            check_whole(&layers, layer, scene);
            archives += usize::from(check_archive(&layers, layer));
        }
        seen.insert(whole);
        layers.empty_trash().unwrap();
        for id in layers.containers() {
            layers.remove(&id).unwrap();
        }
        layers.empty_trash().unwrap();
        assert_eq!(scene.leftovers(), Vec::<PathBuf>::new());
        assert_eq!(scene.numbers().len(), whole + 1, "directories without rows");
    }
    assert!(seen.len() > 1, "the moments were all the same: {seen:?}");
    assert_eq!(archives > 0, scene.format == Format::Erofs);
}

/// Kills a victim some time after so many steps.
fn kill_in_step(scene: &Scene, steps: u64, delay: Duration) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    if scene.format == Format::Erofs {
        command.env(IMAGES, "");
    }
    let mut child = command
        .args(["--exact", "crash::victim", "--nocapture"])
        .env(ROOT, scene.path(""))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut told = lines.filter(|line| line.ends_with(STEP));
    for _ in 0..=steps {
        assert!(told.next().is_some(), "the victim ended by itself");
    }
    // Not a wait for a state: the moment within a step is what is varied.
    std::thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// What can be put together is what it was.
fn check_archive(layers: &gantry_layers::Layers, layer: &Layer) -> bool {
    let Some(mut archive) = layers.archives().open(&layer.diff_id).unwrap() else { return false };
    let mut tar = Vec::new();
    archive.read_to_end(&mut tar).unwrap();
    assert!(tar == layer.tar, "{}", layer.diff_id);
    true
}

/// All files of a layer are there with their content.
fn check_whole(layers: &gantry_layers::Layers, layer: &Layer, scene: &Scene) {
    let chain = std::slice::from_ref(&layer.diff_id);
    layers.prepare("check", chain).unwrap();
    let recipe = layers.recipe("check", chain).unwrap();
    let lower = recipe[0].options[0].strip_prefix("lowerdir=").unwrap();
    // What stands below is no layer.
    let (lower, _) = lower.split_once(':').unwrap();
    let mut tar = Vec::new();
    let root = File::open(lower).unwrap();
    gantry_archive::create(
        std::os::fd::AsFd::as_fd(&root),
        &mut tar,
        gantry_archive::CreateOptions::default(),
    )
    .unwrap();
    let names = std::fs::read_dir(scene.path(lower).join("d")).unwrap().count();
    assert_eq!(names, FILES, "{lower}");
    assert_eq!(tar.len(), layer.tar.len(), "{lower}");
    layers.remove("check").unwrap();
}
