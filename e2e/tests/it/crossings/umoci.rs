//! umoci reads our layouts and changes them.

use std::fs;
use std::path::Path;

use gantry_testkit::{Daemon, Invocation};

use super::{daemon_with, image, is, packed, save, unpacked};

#[track_caller]
fn umoci(folder: &Path, words: &[&str]) {
    Invocation::new("umoci").current_dir(folder).args(words).run().success();
}

#[test]
fn it_unpacks_what_we_save_and_we_load_what_it_changed() {
    let image = image("crossing:1");
    let daemon = daemon_with(std::slice::from_ref(&image));
    let layout = unpacked(&daemon, &save(&daemon, &["crossing:1"]));
    let place = layout.parent().unwrap();
    umoci(place, &["unpack", "--image", "layout:1", "bundle"]);
    let root = place.join("bundle/rootfs");
    assert_eq!(fs::read_to_string(root.join("own")).unwrap(), "crossing:1");
    assert!(!root.join("data/gone").exists());

    // Unchanged it is the same image; with another file and another command a new one.
    let elsewhere = Daemon::start();
    let load = |name: &str| {
        let archive = packed(&daemon, &layout);
        let told = elsewhere.ok(&["load", "-i", archive.to_str().unwrap()]);
        // A name or an id, the last word of the line.
        let loaded = told.lines().last().and_then(|line| line.rsplit(' ').next()).unwrap();
        elsewhere.ok(&["tag", loaded, name]);
    };
    load("crossing:same");
    is(&elsewhere, &image, "crossing:same");

    fs::write(root.join("own"), "changed by umoci").unwrap();
    fs::remove_file(root.join("data/link")).unwrap();
    umoci(place, &["repack", "--image", "layout:changed", "bundle"]);
    umoci(place, &["config", "--image", "layout:changed", "--config.user", "0:0"]);
    umoci(place, &["rm", "--image", "layout:1"]);
    umoci(place, &["gc", "--layout", "layout"]);
    load("crossing:changed");
    let run = |words: &[&str]| {
        elsewhere.ok(&[&["run", "--rm", "--network", "none", "crossing:changed"], words].concat())
    };
    assert_eq!(run(&[]), "changed by umoci");
    assert_eq!(run(&["sh", "-c", "id -u; ls -A /data"]), "0\nhard\nset");
}
