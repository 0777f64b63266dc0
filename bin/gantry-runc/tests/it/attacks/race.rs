//! Two containers share a volume: one swaps a directory with a link out of the root while the other is being made with mounts through it
//! (CVE-2019-19921, CVE-2021-30465, CVE-2026-41579). The rule: the kernel resolves every path below the root's descriptor, and mounts land on
//! what was found, not on what is there later.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;

use crate::bed::Bed;

/// At most so many containers are made; fewer when both outcomes of the race were seen often enough.
const ROUNDS: usize = 200;
const OFTEN: usize = 15;

/// What the race led to in one round.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The mount went into the volume's directory.
    Directory,
    /// It went to where the link leads inside the root.
    Link,
    Refused,
}

#[test]
fn a_volume_that_changes_under_the_runtime_leads_nowhere() {
    let attacker = Bed::new();
    let (volume, host) = (attacker.dir.path().join("volume"), attacker.dir.path().join("host"));
    fs::create_dir_all(volume.join("place")).unwrap();
    fs::create_dir(&host).unwrap();
    symlink(format!("{}{}", "../".repeat(20), host.display()), volume.join("link")).unwrap();
    let attacker = start_attacker(attacker, &volume);

    let (stop, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        // The attacker's loop, at the speed of one system call: a shell in the container is far slower.
        scope.spawn(|| {
            let (place, link) = (volume.join("place"), volume.join("link"));
            while !stop.load(Ordering::Relaxed) {
                if renameat_with(CWD, &place, CWD, &link, RenameFlags::EXCHANGE).is_ok() {
                    swaps.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let mut outcomes = Vec::new();
        let count =
            |outcomes: &[Outcome], wanted| outcomes.iter().filter(|it| **it == wanted).count();
        while outcomes.len() < ROUNDS
            && (count(&outcomes, Outcome::Directory) < OFTEN
                || count(&outcomes, Outcome::Link) < OFTEN)
        {
            outcomes.push(round(&volume, &host));
        }
        stop.store(true, Ordering::Relaxed);
        outcomes
    });
    assert!(swaps.load(Ordering::Relaxed) > 1000, "the attacker hardly ran");
    assert!(outcomes.iter().any(|outcome| *outcome != Outcome::Refused), "{outcomes:?}");
    assert_eq!(fs::read_dir(&host).unwrap().count(), 0, "something was made on the host");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(host.to_str().unwrap()), "something was mounted on the host");
    attacker.ok(&["kill", &attacker.id, "KILL"]);
}

/// A container that holds the volume and changes it as well as a shell can.
fn start_attacker(mut bed: Bed, volume: &Path) -> Bed {
    bed.push("/mounts", volume_mount(volume));
    bed.script(
        "while :; do busybox ln -sfn ../../../../../../../../.. /volume/extra; rm -f /volume/extra; mkdir /volume/extra; \
         busybox rmdir /volume/extra; done 2>/dev/null",
    );
    bed.start();
    bed
}

fn volume_mount(volume: &Path) -> serde_json::Value {
    json!({"destination": "/volume", "type": "bind", "source": volume, "options": ["bind"]})
}

/// One victim: its mounts go through what is being swapped.
fn round(volume: &Path, host: &Path) -> Outcome {
    let mut bed = Bed::new();
    bed.push("/mounts", volume_mount(volume));
    for at in ["/volume/place/made/deep", "/volume/extra/other", "/volume/link/third"] {
        bed.push("/mounts", json!({"destination": at, "type": "tmpfs", "source": "x"}));
    }
    bed.script(&format!("[ -d {}/made/deep ] && echo link; true", host.display()));
    bed.write_config();
    let output = bed.call(&["run", &bed.id]);
    assert_eq!(fs::read_dir(host).unwrap().count(), 0, "something was made on the host");
    // The next round begins with an empty place, wherever that is now.
    for name in ["place", "link"] {
        drop(fs::remove_dir_all(volume.join(name).join("made")));
        drop(fs::remove_dir_all(volume.join(name).join("third")));
    }
    bed.check_nothing_left();
    match (output.status.success(), output.stdout.is_empty()) {
        (false, _) => Outcome::Refused,
        (true, true) => Outcome::Directory,
        (true, false) => Outcome::Link,
    }
}
