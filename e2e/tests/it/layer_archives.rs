//! What is loaded, committed or built lies once on the disk: archives of layers go, and nobody who reads them sees a
//! difference.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gantry_testkit::{
    Daemon, Image, Layer, Options, Registry, SmallDisk, Tar, busybox_layer, poll, sha256,
};
use serde_json::{Value, json};

const MIB: usize = 1 << 20;

/// A daemon that does without archives at once, or one that keeps them.
fn daemon(when: &str) -> Daemon {
    let flags = vec!["--layer-archives".to_owned(), when.to_owned()];
    Daemon::start_with(Options { flags, ..Options::default() })
}

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ (seed + 1);
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).take(bytes / 8).flatten().collect()
}

fn own_layer(seed: u64) -> Vec<u8> {
    let tar = Tar::new().directory("data/", 0o755);
    tar.file("data/noise", 0o644, &noise(seed, 6 * MIB)).finish()
}

fn image(name: &str, seed: u64) -> Image {
    let layers = [busybox_layer(), own_layer(seed)];
    Image {
        name: name.to_owned(),
        layers: layers.into_iter().map(|tar| Layer { tar, gzip: false }).collect(),
        config: json!({"Cmd": ["md5sum", "/data/noise"]}),
    }
}

fn blob(daemon: &Daemon, digest: &str) -> PathBuf {
    let hex = digest.trim_start_matches("sha256:");
    daemon.data_root().join("blobs/sha256").join(&hex[..2]).join(hex)
}

/// Waits until none of an image's layers lies in the store as an archive.
fn await_spared(daemon: &Daemon, name: &str) {
    let layers = diff_ids(daemon, name);
    poll("the archives to go", || {
        layers.iter().all(|layer| !blob(daemon, layer).exists()).then_some(())
    });
}

fn diff_ids(daemon: &Daemon, name: &str) -> Vec<String> {
    let text = daemon.ok(&["image", "inspect", name]);
    let all: Value = serde_json::from_str(&text).unwrap();
    let layers = all[0]["RootFS"]["Layers"].as_array().unwrap().iter();
    layers.map(|layer| layer.as_str().unwrap().to_owned()).collect()
}

/// Bytes on the disk below a folder.
fn bytes_below(folder: &Path) -> u64 {
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            bytes += metadata.blocks() * 512;
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    bytes
}

fn saved(daemon: &Daemon, name: &str) -> Vec<u8> {
    let file = daemon.scratch("saved.tar");
    daemon.ok(&["save", "-o", file.to_str().unwrap(), name]);
    let bytes = fs::read(&file).unwrap();
    fs::remove_file(file).unwrap();
    bytes
}

#[test]
fn what_is_loaded_lies_once_on_the_disk_and_is_saved_as_before() {
    let (keeping, sparing) = (daemon("keep"), daemon("0s"));
    for daemon in [&keeping, &sparing] {
        daemon.load(&image("spared:1", 1));
    }
    await_spared(&sparing, "spared:1");
    let stored = |daemon: &Daemon| -> u64 {
        let folders = ["blobs", "layers", "trash"].map(|name| daemon.data_root().join(name));
        folders.iter().map(|folder| bytes_below(folder)).sum()
    };
    // What is in the trash goes behind everybody's back.
    let before = stored(&keeping);
    poll("half of the disk to be free", || (stored(&sparing) < before * 6 / 10).then_some(()));
    let saved = saved(&sparing, "spared:1");
    assert_eq!(sha256(&saved), sha256(&self::saved(&keeping, "spared:1")));
    assert_eq!(
        sparing.ok(&["run", "--rm", "--network", "none", "spared:1"]),
        keeping.ok(&["run", "--rm", "--network", "none", "spared:1"])
    );
    let size = |daemon: &Daemon| -> u64 {
        let reply = daemon.http("GET", "/system/df", b"");
        let usage: Value = serde_json::from_slice(&reply.body).unwrap();
        usage["LayersSize"].as_u64().unwrap()
    };
    assert!(size(&sparing) < size(&keeping) * 6 / 10, "df tells the truth");
    // After a restart, too; and every byte is what it was.
    sparing.kill();
    sparing.start_again();
    let told = sparing.ok(&["system", "check", "--deep"]);
    assert!(told.contains("blobs kept as layers"), "{told}");
    assert_eq!(sha256(&self::saved(&sparing, "spared:1")), sha256(&saved));
    // What goes takes everything along.
    sparing.ok(&["rmi", "spared:1"]);
    sparing.ok(&["system", "check"]);
}

#[test]
fn an_archive_that_comes_again_goes_again() {
    let daemon = daemon("0s");
    daemon.load(&image("spared:1", 1));
    await_spared(&daemon, "spared:1");
    // An image that shares the layers, and the same image.
    let mut other = image("other:1", 1);
    other.layers.push(Layer { tar: own_layer(2), gzip: false });
    daemon.load(&other);
    daemon.load(&image("spared:1", 1));
    await_spared(&daemon, "other:1");
    daemon.ok(&["rmi", "spared:1"]);
    let mine = saved(&daemon, "other:1");
    daemon.ok(&["rmi", "other:1"]);
    daemon.gantry(&["load"]).input(mine.clone()).run().exits(0);
    await_spared(&daemon, "other:1");
    assert_eq!(sha256(&saved(&daemon, "other:1")), sha256(&mine));
    daemon.ok(&["system", "check", "--deep"]);
}

#[test]
fn commits_builds_and_pushes_go_on_from_what_was_spared() {
    let (daemon, registry) = (daemon("0s"), Registry::open());
    daemon.load(&image("base:1", 1));
    await_spared(&daemon, "base:1");
    let script = "head -c 3000000 /dev/urandom >/own";
    daemon.ok(&["run", "--name", "made", "--network", "none", "base:1", "sh", "-c", script]);
    daemon.ok(&["commit", "made", "made:1"]);
    await_spared(&daemon, "made:1");
    let context = daemon.scratch("context");
    fs::create_dir_all(&context).unwrap();
    fs::write(context.join("Dockerfile"), "FROM made:1\nCOPY big /big\nRUN md5sum /big >/sum\n")
        .unwrap();
    fs::write(context.join("big"), noise(9, MIB)).unwrap();
    let build = || daemon.ok(&["build", "-q", "-t", "built:1", context.to_str().unwrap()]);
    let id = build();
    poll("the archive of the copy to go", || {
        let largest = diff_ids(&daemon, "built:1");
        (!blob(&daemon, &largest[largest.len() - 2]).exists()).then_some(())
    });
    // What a build remembers is as good as before.
    assert_eq!(build(), id);
    // Both as it is and compressed on the way; and again, which sends nothing.
    let name = format!("{}/built:1", registry.address());
    daemon.ok(&["tag", "built:1", &name]);
    daemon.ok(&["push", "-q", &name]);
    daemon.ok(&["push", "-q", &name]);
    let elsewhere = self::daemon("0s");
    let sum = ["run", "--rm", "--network", "none", &name, "cat", "/sum"];
    assert_eq!(elsewhere.ok(&sum), daemon.ok(&sum));
    for daemon in [&daemon, &elsewhere] {
        daemon.ok(&["system", "check", "--deep"]);
    }
    // A pull of what is here fetches nothing anew.
    daemon.ok(&["pull", "-q", &name]);
    daemon.ok(&["rm", "made"]);
}

#[test]
fn a_layer_above_others_comes_out_of_where_it_lies_lowest() {
    let (daemon, keeping, registry) = (daemon("0s"), daemon("keep"), Registry::open());
    // Its directory is nowhere said: how that looks depends on what is below.
    let tar = Tar::new().file("data/noise", 0o644, &noise(1, MIB / 8)).finish();
    // It is here before what it has to wait for.
    let below = Tar::new().file("below", 0o644, &noise(2, 24 * MIB)).finish();
    let above = |names: &[&[u8]], name: &str| Image {
        name: name.to_owned(),
        layers: names.iter().map(|tar| Layer { tar: tar.to_vec(), gzip: false }).collect(),
        config: json!({"Cmd": ["md5sum", "/data/noise"]}),
    };
    daemon.load(&above(&[&tar], "lowest:1"));
    await_spared(&daemon, "lowest:1");
    let name = format!("{}/above:1", registry.address());
    keeping.load(&above(&[&busybox_layer(), &below, &tar], &name));
    keeping.ok(&["push", "-q", "--compression", "none", &name]);
    daemon.ok(&["pull", "-q", &name]);
    let run = ["run", "--rm", "--network", "none", &name];
    assert_eq!(daemon.ok(&run), keeping.ok(&run));
    daemon.ok(&["rmi", "lowest:1"]);
    assert!(!saved(&daemon, &name).is_empty());
    daemon.ok(&["system", "check", "--deep"]);
}

#[test]
fn a_damaged_layer_is_told_of() {
    let daemon = daemon("0s");
    daemon.load(&image("spared:1", 1));
    await_spared(&daemon, "spared:1");
    let layers = daemon.data_root().join("layers");
    let numbers = fs::read_dir(&layers).unwrap().map(|entry| entry.unwrap().path());
    let largest = numbers
        .map(|path| path.join("layer.erofs"))
        .filter(|path| path.exists())
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&largest, &bytes).unwrap();
    daemon.ok(&["system", "check"]);
    let told = daemon.gantry(&["system", "check", "--deep"]).run();
    told.exits(1);
    assert!(told.stdout.contains("its layer is damaged: remove the images"), "{}", told.stdout);
    fs::write(&largest, &bytes[..middle]).unwrap();
    let told = daemon.gantry(&["system", "check"]).run();
    told.exits(1);
    assert!(told.stdout.contains("the erofs image is cut off"), "{}", told.stdout);
    // Nobody mounts it any more.
    daemon.kill();
    daemon.start_again();
    let run = daemon.gantry(&["run", "--rm", "--network", "none", "spared:1"]).run();
    run.exits(125).complains("is damaged: the erofs image is cut off; remove the images");
    daemon.ok(&["rmi", "spared:1"]);
    daemon.load(&image("spared:1", 1));
    daemon.ok(&["run", "--rm", "--network", "none", "spared:1"]);
}

#[test]
fn a_full_disk_keeps_the_archive() {
    let disk = SmallDisk::mount(64 << 20);
    let options = Options {
        flags: vec!["--layer-archives".to_owned(), "0s".to_owned()],
        data_root: Some(disk.join("data")),
        ..Options::default()
    };
    let daemon = Daemon::start_with(options);
    daemon.load(&image("spared:1", 1));
    // On a tmpfs layers are directories, which have no archive in them: all stay, and work.
    let layers = diff_ids(&daemon, "spared:1");
    assert!(layers.iter().all(|layer| blob(&daemon, layer).exists()));
    assert!(!saved(&daemon, "spared:1").is_empty());
    drop(daemon);
}
