//! The disk under the data root is full: a clear sentence, nothing half done, and all well when there is room again.

use std::fs;
use std::path::Path;

use gantry_testkit::{
    Daemon, Image, Layer, Options, Registry, Relay, SmallDisk, Tar, busybox, busybox_layer, poll,
};
use serde_json::json;

const MIB: u64 = 1 << 20;

/// Noise, so that no compression or deduplication makes it small.
fn noise(seed: u64, bytes: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ seed;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).take(usize::try_from(bytes / 8).unwrap()).flatten().collect()
}

/// Layers of noise, of so many bytes each, above busybox.
fn big_image(name: &str, layers: &[u64]) -> Image {
    let noisy = layers.iter().zip(1..).map(|(bytes, seed)| {
        let tar = Tar::new().file(&format!("noise-{seed}"), 0o644, &noise(seed, *bytes)).finish();
        Layer { tar, gzip: false }
    });
    Image {
        name: name.to_owned(),
        layers: std::iter::once(Layer { tar: busybox_layer(), gzip: false }).chain(noisy).collect(),
        config: json!({"Cmd": ["true"]}),
    }
}

/// What the files below a folder have, as far as they are without holes.
fn bytes_below(folder: &Path) -> u64 {
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            // A blob that came in parts has holes; how much of it counts is in the record beside it.
            let record = format!("{}.parts", entry.path().display());
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if !Path::new(&record).exists() {
                bytes += metadata.len();
            }
        }
    }
    bytes
}

fn daemon_on(disk: &SmallDisk) -> Daemon {
    Daemon::start_with(Options { data_root: Some(disk.join("data")), ..Options::default() })
}

/// A failure for want of room, of which nothing is to be seen.
#[track_caller]
fn fails_for_want_of_room(daemon: &Daemon, words: &[&str], image: &str) {
    daemon.gantry(words).run().exits(1).plainly().complains("no space left");
    assert_eq!(daemon.ok(&["images", "-q", image]), "", "half an image");
    daemon.gantry(&["system", "check"]).run().exits(0);
}

#[test]
fn a_pull_goes_on_from_what_was_there() {
    let (registry, source) = (Registry::open(), Daemon::start());
    let relay = Relay::to(registry.address());
    let path = "big/image:1";
    let pushed = format!("{}/{path}", registry.address());
    source.load(&big_image(&pushed, &[6 * MIB, 8 * MIB, 10 * MIB]));
    source.ok(&["push", "-q", &pushed]);
    drop(source);

    let disk = SmallDisk::mount(24 * MIB);
    let daemon = daemon_on(&disk);
    let name = format!("{}/{path}", relay.address());
    fails_for_want_of_room(&daemon, &["pull", &name], &name);
    relay.take_answered_bytes();
    // Not even a killed daemon loses what is there.
    daemon.kill();
    disk.resize(128 * MIB);
    daemon.start_again();
    let kept = bytes_below(&disk.join("data/ingest"));
    daemon.ok(&["pull", &name]);
    let second = relay.take_answered_bytes();
    // What is kept is not asked for again: only the rest comes, the documents, and the heads of answers.
    let whole = bytes_below(&registry.store());
    let extra = 64 << 10;
    assert!(
        second + kept <= whole + extra,
        "{second} bytes of {whole} came again, {kept} were kept"
    );
    daemon.ok(&["run", "--rm", "--network", "none", &name, "cat", "/noise-1"]);
    daemon.gantry(&["system", "check", "--deep"]).run().exits(0);
    drop(daemon);
}

#[test]
fn a_commit_leaves_no_half_image() {
    let disk = SmallDisk::mount(20 * MIB);
    let daemon = daemon_on(&disk);
    daemon.load(&busybox());
    let script = "head -c 9000000 /dev/urandom >/own; md5sum </own";
    let run = ["run", "--name", "made", "--network", "none", "busybox", "sh", "-c", script];
    let sum = daemon.ok(&run);
    fails_for_want_of_room(&daemon, &["commit", "made", "made:1"], "made:1");
    disk.resize(64 * MIB);
    daemon.ok(&["commit", "made", "made:1"]);
    let again = ["run", "--rm", "--network", "none", "made:1", "sh", "-c", "md5sum </own"];
    assert_eq!(daemon.ok(&again), sum);
    daemon.gantry(&["system", "check", "--deep"]).run().exits(0);
    drop(daemon);
}

#[test]
fn a_load_fails_cleanly_and_works_when_there_is_room() {
    let disk = SmallDisk::mount(24 * MIB);
    let daemon = daemon_on(&disk);
    daemon.load(&busybox());
    let before = daemon.snapshot();
    let big = big_image("big:1", &[12 * MIB, 12 * MIB]);
    let load = || daemon.gantry(&["load"]).input(big.docker_archive()).run();
    load().exits(1).plainly().complains("no space left");
    before.assert_restored(&daemon);
    daemon.gantry(&["system", "check"]).run().exits(0);
    daemon.ok(&["run", "--rm", "--network", "none", "busybox", "true"]);
    disk.resize(96 * MIB);
    load().exits(0).prints("Loaded image: big:1\n");
    daemon.ok(&["run", "--rm", "--network", "none", "big:1", "cat", "/noise-2"]);
    drop(daemon);
}

#[test]
fn a_container_that_fills_the_disk_does_not_hurt_the_daemon() {
    let disk = SmallDisk::mount(16 << 20);
    let daemon = daemon_on(&disk);
    daemon.load(&busybox());
    let words = [
        "run",
        "--name",
        "filler",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "cat /dev/zero >/fill; echo full",
    ];
    let outcome = daemon.gantry(&words).run();
    outcome.exits(0).prints("full\n").complains("No space left on device");
    let refused = daemon.gantry(&["run", "--rm", "--network", "none", "busybox", "true"]).run();
    if refused.code != 0 {
        refused.exits(125).plainly();
    }
    daemon.ok(&["rm", "filler"]);
    let ballast = disk.join("ballast");
    // Files go behind the command.
    poll("rm gives the room back", || fs::write(&ballast, vec![0; 1 << 20]).ok());
    daemon.ok(&["run", "--rm", "--network", "none", "busybox", "true"]);
    drop(daemon);
}

#[test]
fn who_has_a_policy_can_be_ended_and_removed_on_a_full_disk() {
    let disk = SmallDisk::mount(16 << 20);
    let daemon = daemon_on(&disk);
    daemon.load(&busybox());
    for name in ["one", "two"] {
        let words = ["run", "-d", "--name", name, "--network", "none", "--restart", "always"];
        daemon.ok(&[&words[..], &["busybox", "sleep", "1000"]].concat());
    }
    // What a failed write has written stays.
    for piece in [1 << 20, 4 << 10, 1] {
        let full = (0..1 << 14).any(|number| {
            fs::write(disk.join(&format!("ballast-{piece}-{number}")), vec![0; piece]).is_err()
        });
        assert!(full);
    }
    daemon.ok(&["kill", "one"]);
    assert_eq!(daemon.inspect("one")["State"]["Status"], "exited");
    daemon.ok(&["rm", "-f", "two"]);
    daemon.ok(&["rm", "one"]);
    drop(daemon);
}
