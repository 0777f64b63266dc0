//! Sudden death: a child that loads, records and removes images is killed at arbitrary moments.
//! Afterwards every image is whole or not there, and no blob is without an image.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use gantry_images::RemoveOptions;

use crate::fixture::{Parts, docker_archive};
use crate::rig::{files, open};

const ROUNDS: usize = 20;
const IMAGES: usize = 6;

/// In the child only: the root of the store.
const ROOT_VARIABLE: &str = "GANTRY_IMAGES_CRASH_ROOT";

#[test]
fn images_are_whole_or_not_there_after_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for round in 0..ROUNDS {
        kill_a_worker(folder.path(), round * 3);
        seen += check(folder.path());
    }
    assert!(seen > 0, "no round left an image: the child did nothing");
}

fn kill_a_worker(root: &Path, steps: usize) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_that_works", "--nocapture"])
        .env(ROOT_VARIABLE, root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut reports = lines.map_while(Result::ok).filter(|line| line.starts_with("step"));
    for _ in 0..steps {
        reports.next().expect("the child works until it is killed");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// How many images are there, all of them whole.
fn check(root: &Path) -> usize {
    let images = open(root);
    assert!(images.incomplete().is_empty(), "{:?}", images.incomplete());
    let list = images.list().unwrap();
    for image in list.iter() {
        assert_eq!(images.resolve(image.id.as_str()).unwrap(), *image);
        for name in image.repo_tags() {
            assert_eq!(images.resolve(&name).unwrap().id, image.id, "{name}");
        }
    }
    images.empty_trash();
    // Two layers of its own, a configuration and a manifest each.
    assert_eq!(files(root).len(), list.len() * 4, "no blob is without an image");
    list.len()
}

/// Not a test by itself: what the child runs. Without the variable it has nothing to do.
#[test]
fn child_that_works() {
    let Some(root) = std::env::var_os(ROOT_VARIABLE) else { return };
    let images = open(Path::new(&root));
    let step = |what: &str| {
        let mut out = std::io::stdout();
        writeln!(out, "\nstep {what}").unwrap();
        out.flush().unwrap();
    };
    for number in (0..IMAGES).cycle() {
        let name = format!("image{number}");
        let archive = docker_archive(&[(&Parts::new(&name, 2), &[&name])]);
        let loaded = images.load(&archive[..], |_| step("read")).unwrap();
        step("loaded");
        images.record(&loaded[0], 1).unwrap();
        step("recorded");
        drop(loaded);
        if number % 2 == 1 {
            images.remove(&name, RemoveOptions::default(), |_| Vec::new()).unwrap();
            step("removed");
        }
    }
}
