//! `system check`: silent about a sound store whatever goes on, and plain about every way to harm one.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gantry_testkit::{Daemon, Outcome, busybox};

/// The one path below `folder` that satisfies this, of the daemon's data root.
fn find(daemon: &Daemon, folder: &str, fits: impl Fn(&PathBuf) -> bool) -> PathBuf {
    let mut folders = vec![daemon.data_root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if fits(&path) {
                return path;
            }
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    panic!("nothing below {folder} fits");
}

fn blob(daemon: &Daemon, digest: &str) -> PathBuf {
    let hex = digest.trim_start_matches("sha256:").to_owned();
    find(daemon, "blobs", |path| path.ends_with(&hex))
}

fn check(daemon: &Daemon) -> Outcome {
    daemon.gantry(&["system", "check"]).run()
}

/// What it prints when it finds something.
#[track_caller]
fn faults(daemon: &Daemon) -> String {
    let outcome = check(daemon);
    outcome.exits(1);
    outcome.stdout
}

#[test]
fn a_sound_store_has_no_faults() {
    let daemon = Daemon::with_busybox();
    daemon.ok(&["run", "-d", "--name", "up", "--network", "none", "busybox", "sleep", "1000"]);
    daemon.ok(&["run", "--name", "down", "--network", "none", "busybox", "true"]);
    let told = daemon.ok(&["system", "check"]);
    for line in ["images", "blobs", "layers", "containers", "No faults"] {
        assert!(told.contains(line), "{told}");
    }
    let deep = daemon.ok(&["system", "check", "--deep"]);
    assert!(deep.contains("every blob has its digest"), "{deep}");
    let json: serde_json::Value =
        serde_json::from_str(&daemon.ok(&["system", "check", "--format", "json"])).unwrap();
    assert_eq!(json["Faults"], serde_json::json!([]));
    let count = |what: &str| {
        let all = json["Examined"].as_array().unwrap();
        all.iter().find(|one| one["What"] == what).unwrap()["Count"].clone()
    };
    assert_eq!(
        (count("containers"), count("writable layers"), count("images")),
        (2.into(), 2.into(), 2.into())
    );
    daemon.remove(&["up", "down"]);
}

#[test]
fn damage_is_told_with_what_it_hits_and_what_to_do() {
    let daemon = Daemon::with_busybox();
    let id = busybox().id();
    daemon.ok(&["create", "--name", "kept", "--network", "none", "busybox", "true"]);

    let config = blob(&daemon, &id);
    let (bytes, aside) = (fs::read(&config).unwrap(), daemon.scratch("aside"));
    fs::rename(&config, &aside).unwrap();
    let told = faults(&daemon);
    assert!(told.contains(&format!("damaged: image {id}: its blob {id} is not there")), "{told}");
    assert!(told.contains("pull or load the image again\n1 fault.\n"), "{told}");

    // The right length with another content is found by reading only.
    let mut other = bytes.clone();
    other[10] ^= 1;
    fs::write(&config, &other).unwrap();
    check(&daemon).exits(0);
    let deep = daemon.gantry(&["system", "check", "--deep"]).run();
    let told = &deep.exits(1).stdout;
    assert!(
        told.contains(&format!("damaged: blob {id}: its content has the digest sha256:")),
        "{told}"
    );
    fs::write(&config, &bytes[1..]).unwrap();
    assert!(faults(&daemon).contains("bytes, not"));
    fs::write(&config, &bytes).unwrap();
    check(&daemon).exits(0);

    let writable = find(&daemon, "rw", |path| path.is_dir());
    fs::rename(&writable, daemon.scratch("rw")).unwrap();
    let told = faults(&daemon);
    assert!(told.contains("its writable layer is not there; remove the container"), "{told}");
    daemon.remove(&["kept"]);
    check(&daemon).exits(0);

    let number = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name != "0" && name.to_string_lossy().parse::<u64>().is_ok())
    };
    let layer = find(&daemon, "layers", number);
    let moved = daemon.scratch("layer");
    fs::rename(&layer, &moved).unwrap();
    let told = faults(&daemon);
    assert!(told.contains("its files are not there"), "{told}");
    fs::rename(&moved, &layer).unwrap();
    check(&daemon).exits(0);
}

#[test]
fn what_nobody_needs_is_told_and_gone_after_a_restart() {
    let daemon = Daemon::with_busybox();
    let root = daemon.data_root();
    let digest = "ab".repeat(32);
    fs::create_dir_all(root.join("blobs/sha256/ab")).unwrap();
    fs::write(root.join("blobs/sha256/ab").join(&digest), "x").unwrap();
    for stray in ["layers/77/fs", "rw/ffff/u", "rw/ffff/w", "containers/ffff"] {
        fs::create_dir_all(root.join(stray)).unwrap();
    }
    let told = faults(&daemon);
    for words in [
        &format!("left over: blob sha256:{digest}: no image has it"),
        "layers/77: no layer's record names it; it goes when the daemon is started again",
        "left over: writable layer ffff: belongs to no container",
        "containers/ffff: belongs to no container",
        "4 faults.",
    ] {
        assert!(told.contains(words), "{words} is missing:\n{told}");
    }
    daemon.stop();
    daemon.start_again();
    check(&daemon).exits(0);
}

#[test]
fn what_is_going_on_is_no_fault() {
    let daemon = Daemon::with_busybox();
    let archive = busybox().docker_archive();
    let done = AtomicBool::new(false);
    let going = || !done.load(Ordering::Relaxed);
    thread::scope(|scope| {
        scope.spawn(|| {
            while going() {
                daemon.gantry(&["rmi", "-f", "busybox"]).run();
                daemon.gantry(&["load"]).input(archive.clone()).run();
            }
        });
        scope.spawn(|| {
            while going() {
                daemon.gantry(&["run", "--rm", "--network", "none", "busybox", "true"]).run();
            }
        });
        let checked: Vec<Outcome> = (0..12).map(|_| check(&daemon)).collect();
        done.store(true, Ordering::Relaxed);
        for outcome in checked {
            outcome.exits(0);
        }
    });
    daemon.gantry(&["system", "check", "--deep"]).run().exits(0);
}
