//! The disk under the data root is full: a clear sentence, nothing half done, and all well when there is room again.

use std::fs;

use gantry_testkit::{Daemon, Image, Layer, Options, SmallDisk, Tar, busybox};
use serde_json::json;

fn big_image() -> Image {
    // Noise, so that no compression or deduplication makes it small.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(3 << 20)
    .flatten()
    .collect();
    let tar = Tar::new().file("noise", 0o644, &noise).finish();
    Image {
        name: "big:1".to_owned(),
        layers: vec![Layer { tar, gzip: false }],
        config: json!({"Cmd": ["x"]}),
    }
}

#[test]
fn load_fails_cleanly_and_works_when_there_is_room() {
    let disk = SmallDisk::mount(24 << 20);
    let daemon =
        Daemon::start_with(Options { data_root: Some(disk.join("data")), ..Options::default() });
    daemon.load(&busybox());
    let before = daemon.snapshot();
    daemon
        .gantry(&["load"])
        .input(big_image().docker_archive())
        .run()
        .exits(1)
        .plainly()
        .complains("no space left");
    before.assert_restored(&daemon);
    daemon.ok(&["run", "--rm", "--network", "none", "busybox", "true"]);
    drop(daemon);
}

#[test]
fn a_container_that_fills_the_disk_does_not_hurt_the_daemon() {
    let disk = SmallDisk::mount(16 << 20);
    let daemon =
        Daemon::start_with(Options { data_root: Some(disk.join("data")), ..Options::default() });
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
    assert!(fs::write(&ballast, vec![0; 1 << 20]).is_ok(), "rm gave the room back");
    daemon.ok(&["run", "--rm", "--network", "none", "busybox", "true"]);
    drop(daemon);
}
