//! Registries that are slow: one that drips holds up nobody, and one that limits each connection is asked over several.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gantry_testkit::{Daemon, MadeRegistry, Reply, Request, Tar, busybox_layer, poll};
use rustix::process::Signal;

use super::shelf::{MANIFEST, Shelf, kept};

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state: u64 = 99;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// An image with a layer of so many bytes under the tag `1`.
fn large(length: usize) -> Shelf {
    let mut shelf = Shelf::default();
    let own = Tar::new().file("own", 0o644, b"large").file("noise", 0o644, &noise(length)).finish();
    let manifest = shelf.image_of(&[busybox_layer(), own], |_| {});
    shelf.document("1", MANIFEST, &manifest);
    shelf
}

#[test]
fn a_drip_holds_up_nobody_and_ends_with_its_client() {
    let drips = Arc::new(AtomicBool::new(true));
    let shelf = Shelf::with_image("seen");
    let (largest, dripping) = (shelf.largest(), Arc::clone(&drips));
    let registry = MadeRegistry::new(move |request| {
        let honest = shelf.answer(request);
        let is_slow = dripping.load(Ordering::Relaxed) && request.target.ends_with(&largest);
        if is_slow { honest.at_rate(2000) } else { honest }
    });
    let daemon = Daemon::with_busybox();
    let name = format!("{}/a:1", registry.address());
    let pull = daemon.gantry(&["pull", &name]).spawn();
    poll("the blob is asked for", || (registry.count("/blobs/") >= 3).then_some(()));
    // Meanwhile the daemon does other things.
    daemon.ok(&["run", "--rm", "--network", "none", "busybox", "true"]);
    pull.signal(Signal::INT);
    pull.wait();
    drips.store(false, Ordering::Relaxed);
    // The transfer has ended with its client: the next one gets it.
    daemon.ok(&["pull", &name]);
    assert_eq!(daemon.ok(&["run", "--rm", "--network", "none", &name]), "seen");
}

#[test]
fn a_base_that_drips_ends_with_the_client_of_its_build() {
    let shelf = Shelf::with_image("seen");
    let largest = shelf.largest();
    let registry = MadeRegistry::new(move |request| {
        let honest = shelf.answer(request);
        if request.target.ends_with(&largest) { honest.at_rate(2000) } else { honest }
    });
    let daemon = Daemon::start();
    let root = daemon.scratch("drips");
    std::fs::create_dir_all(&root).unwrap();
    let dockerfile = format!("FROM {}/a:1\nRUN true\n", registry.address());
    std::fs::write(root.join("Dockerfile"), dockerfile).unwrap();
    let building = daemon.gantry(&["build", root.to_str().unwrap()]).spawn();
    poll("the blob is asked for", || (registry.count("/blobs/") >= 3).then_some(()));
    building.signal(Signal::INT);
    building.wait();
    // At that rate the rest would take many minutes.
    poll("the build is over", || {
        let history = daemon.ok(&["builds", "ls"]);
        assert!(!history.contains("completed"), "{history}");
        history.contains("canceled").then_some(())
    });
}

#[test]
fn a_registry_that_limits_connections_is_asked_over_several() {
    /// What one connection carries in a second, so that a part of 8 MiB takes two.
    const RATE: usize = 4 << 20;
    let shelf = large(48 << 20);
    let largest = shelf.largest();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let times = Arc::clone(&asked);
    let registry = MadeRegistry::new(move |request: &Request| {
        let reply = shelf.answer(request);
        if !request.target.ends_with(&largest) {
            return reply;
        }
        if request.from().is_some() {
            times.lock().unwrap().push(Instant::now());
        }
        reply.at_rate(RATE)
    });
    let daemon = Daemon::start();
    let name = format!("{}/a:1", registry.address());
    daemon.ok(&["pull", &name]);
    assert_eq!(daemon.ok(&["run", "--rm", "--network", "none", &name]), "large");
    assert!(!kept(&daemon).iter().any(|path| path.contains("ingest")));
    let asked = asked.lock().unwrap();
    let together = asked.windows(3).any(|parts| parts[2] - parts[0] < Duration::from_secs(2));
    assert!(together, "three are asked for in the time that one takes: {asked:?}");
}

#[test]
fn a_registry_that_knows_no_parts_is_asked_over_one() {
    let shelf = large(24 << 20);
    let largest = shelf.largest();
    let registry = MadeRegistry::new(move |request: &Request| {
        let is_large = request.target.ends_with(&largest);
        let reply =
            if is_large { Reply::new(200, shelf.bytes(&largest)) } else { shelf.answer(request) };
        reply.at_rate(8 << 20)
    });
    let daemon = Daemon::start();
    let name = format!("{}/a:1", registry.address());
    daemon.ok(&["pull", &name]);
    assert_eq!(daemon.ok(&["run", "--rm", "--network", "none", &name]), "large");
}

#[test]
fn parts_survive_a_killed_daemon() {
    let shelf = large(40 << 20);
    let (largest, content) = (shelf.largest(), shelf.clone());
    let fast = Arc::new(AtomicBool::new(false));
    let hurried = Arc::clone(&fast);
    let registry = MadeRegistry::new(move |request| {
        let honest = content.answer(request);
        let is_slow = request.target.ends_with(&largest) && !hurried.load(Ordering::Relaxed);
        if is_slow { honest.at_rate(2 << 20) } else { honest }
    });
    let daemon = Daemon::start();
    let name = format!("{}/a:1", registry.address());
    let pull = daemon.gantry(&["pull", &name]).spawn();
    let record = poll("a record of parts", || {
        kept(&daemon)
            .into_iter()
            .find(|path| path.rsplit_once('.').is_some_and(|(_, end)| end == "parts"))
    });
    let lines = || std::fs::read_to_string(&record).unwrap_or_default().lines().count();
    poll("some parts are there", || (lines() >= 3).then_some(()));
    daemon.kill();
    pull.wait();
    daemon.start_again();
    let before = registry.requests().len();
    fast.store(true, Ordering::Relaxed);
    daemon.ok(&["pull", &name]);
    assert_eq!(daemon.ok(&["run", "--rm", "--network", "none", &name]), "large");
    // What was there is not asked for again: of five parts and more, two are.
    let again = registry.requests().split_off(before);
    let parts = again.iter().filter(|request| request.from().is_some()).count();
    assert!((1..=5).contains(&parts), "{parts}");
    assert!(!kept(&daemon).iter().any(|path| path.contains("ingest")));
}
