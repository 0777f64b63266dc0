//! Builds that end before their time, and those that go on while others clean up.

use std::fs;
use std::time::{Duration, Instant};

use gantry_testkit::{Daemon, poll};
use rustix::process::Signal;

use super::{context, is_over};

/// A command that waits for a file in its cache mount.
const GATED: &str = "RUN --mount=type=cache,id=gate,target=/gate while test ! -e /gate/open; do usleep 20000; done\n";
/// Longer than an end takes, much shorter than the commands that are ended.
const SOON: Duration = Duration::from_mins(1);

/// Starts a build and waits until a command of it runs.
fn begin(daemon: &Daemon, name: &str, dockerfile: &str) -> gantry_testkit::Running {
    let root = context(daemon, name, &[("Dockerfile", dockerfile)]);
    let words = ["build", "--network", "none", "-t", name, root.to_str().unwrap()];
    let building = daemon.gantry(&words).spawn();
    poll("the command runs", || gates(daemon).then_some(()));
    building
}

/// Whether a cache mount is there, which a command has made.
fn gates(daemon: &Daemon) -> bool {
    let has_entries = |path| fs::read_dir(path).is_ok_and(|entries| entries.count() > 0);
    has_entries(daemon.data_root().join("build-caches"))
        && has_entries(daemon.exec_root().join("containers"))
}

#[test]
fn a_client_that_goes_takes_its_command_along() {
    let daemon = Daemon::with_busybox();
    let building = begin(&daemon, "gone", &format!("FROM busybox\n{GATED}"));
    building.signal(Signal::KILL);
    building.wait();
    poll("nothing is left of it", || is_over(&daemon).then_some(()));
    daemon.ok(&["system", "check"]);
}

#[test]
fn a_stage_that_fails_ends_the_commands_of_others() {
    let daemon = Daemon::with_busybox();
    let dockerfile = format!(
        "FROM busybox AS waits\n{GATED}FROM busybox AS fails\nRUN sleep 1; exit 3\nFROM waits\nCOPY --from=fails / /\n"
    );
    let root = context(&daemon, "fails", &[("Dockerfile", &dockerfile)]);
    let began = Instant::now();
    let words = ["build", "--network", "none", root.to_str().unwrap()];
    let told = daemon.gantry(&words).run();
    told.exits(1).complains("non-zero code: 3");
    assert!(began.elapsed() < SOON);
    poll("nothing is left of it", || is_over(&daemon).then_some(()));
}

#[test]
fn a_prune_takes_nothing_from_builds_that_go_on() {
    let daemon = Daemon::with_busybox();
    let building = begin(&daemon, "pruned", &format!("FROM busybox\nRUN echo a > /a\n{GATED}"));
    daemon.ok(&["builder", "prune", "-af"]);
    let mut caches = fs::read_dir(daemon.data_root().join("build-caches")).unwrap();
    let gate = caches.next().expect("it is in use").unwrap().path();
    fs::write(gate.join("open"), "").unwrap();
    building.wait().success();
    let archive = daemon.scratch("saved");
    daemon.ok(&["save", "-o", archive.to_str().unwrap(), "pruned"]);
    daemon.ok(&["system", "check"]);
    daemon.ok(&["builder", "prune", "-af"]);
    assert!(!gate.exists(), "nobody has it any more");
}

#[test]
fn a_cache_that_a_command_has_twice_keeps_nobody_waiting() {
    let daemon = Daemon::with_busybox();
    let mount = |target| format!("--mount=type=cache,id=x,sharing=locked,target={target}");
    let dockerfile = format!(
        "FROM busybox\nRUN {} {} echo a > /one/a; cat /two/a > /seen\n",
        mount("/one"),
        mount("/two")
    );
    super::build(&daemon, &["-t", "twice"], &dockerfile, &[]);
    assert_eq!(super::run(&daemon, "twice", &["cat", "/seen"]), "a");
}

#[test]
fn what_builds_remember_is_counted() {
    let daemon = Daemon::with_busybox();
    let dockerfile = "FROM busybox\nRUN echo a > /a\n";
    super::build(&daemon, &["-t", "counted"], dockerfile, &[]);
    super::build(&daemon, &["-t", "counted"], dockerfile, &[]);
    let look = || -> serde_json::Value {
        serde_json::from_slice(&daemon.http("GET", "/v1.51/system/df?type=build-cache", b"").body)
            .unwrap()
    };
    let of = |shared: bool| {
        let usage = look();
        let row = &usage["BuildCache"][0];
        assert_eq!(usage["BuildCache"].as_array().unwrap().len(), 1, "{usage}");
        assert_eq!(row["UsageCount"], 1, "{usage}");
        assert_eq!(row["Shared"], shared, "{usage}");
        assert!(row["Size"].as_i64().unwrap() > 0, "{usage}");
    };
    let as_docker_says = || {
        let words = ["system", "df"];
        assert_eq!(daemon.ok(&words), daemon.docker(&words).run().success().trim_end());
        // The sizes and not the times, which pass between two calls.
        let sizes = |told: String| {
            let rows = told
                .lines()
                .rev()
                .take(3)
                .map(|row| row.split_whitespace().take(3).collect::<Vec<_>>().join(" "));
            rows.collect::<Vec<_>>()
        };
        let words = ["system", "df", "-v"];
        assert_eq!(sizes(daemon.ok(&words)), sizes(daemon.docker(&words).run().success()));
    };
    of(true);
    as_docker_says();
    daemon.ok(&["rmi", "counted"]);
    of(false);
    as_docker_says();
    daemon.ok(&["system", "prune", "-f"]);
    assert_eq!(look()["BuildCache"], serde_json::json!([]));
}
