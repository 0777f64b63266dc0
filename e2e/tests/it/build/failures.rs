//! Commands that fail, builds that are called off, and disks that are full.

use std::fs::{self, File};

use gantry_testkit::{Daemon, Options, SmallDisk, busybox, poll};
use rustix::process::Signal;
use serde_json::Value;

use super::{cached, context, is_over};
use crate::shared::shared;

const FOREVER: &str =
    "FROM busybox\nRUN echo begun > /begun\nRUN while test ! -e /never; do usleep 20000; done\n";

fn last_command_runs(daemon: &Daemon) -> bool {
    let steps = daemon.ok(&["builds", "ls", "--format", "{{.Status}} {{.Steps}}"]);
    steps == "running 3/4" && !is_over(daemon)
}

#[test]
fn a_command_that_fails_shows_its_place_and_its_last_words() {
    let dockerfile =
        "FROM busybox\n\nRUN echo one; \\\n    echo the-last-word >&2; exit 42\nRUN never\n";
    let root = context(shared(), "place", &[("Dockerfile", dockerfile)]);
    let words = ["build", "--network", "none", root.to_str().unwrap()];
    let outcome = shared().gantry(&words).run();
    outcome.exits(1).complains("returned a non-zero code: 42");
    let (_, end) = outcome.stderr.split_once("------\n > [2/3] RUN echo one;").expect("the step");
    assert!(end.contains(" the-last-word\n------\nDockerfile:3\n"), "{end}");
    assert!(end.contains("   3 | >>> RUN echo one; \\\n   4 | >>>     echo the-last-word >&2; exit 42\n   5 |     RUN never\n"), "{end}");
    // Docker's own clients get the code in its field.
    let archive =
        gantry_testkit::Tar::new().file("Dockerfile", 0o644, dockerfile.as_bytes()).finish();
    let reply = shared().http("POST", "/build?networkmode=none", &archive);
    let last: Value = serde_json::from_str(reply.text().lines().last().unwrap()).unwrap();
    assert_eq!(last["errorDetail"]["code"], 42, "{last}");
}

#[test]
fn a_shell_opens_where_a_command_failed() {
    let daemon = Daemon::with_busybox();
    let dockerfile = "FROM busybox\nENV COLOUR=blue\nWORKDIR /work\nRUN echo made > made; exit 3\n";
    let root = context(&daemon, "shell", &[("Dockerfile", dockerfile)]);
    let words = ["build", "--network", "none", "--on-failure", "shell", root.to_str().unwrap()];
    let mut terminal = daemon.gantry(&words).terminal(40, 120);
    terminal.expect("returned a non-zero code: 3");
    terminal.expect("A shell in the step that failed");
    terminal.send("echo \"seen $(cat made) in $PWD with $COLOUR\"\r");
    terminal.expect("seen made in /work with blue");
    terminal.send("exit\r");
    assert_eq!(terminal.wait(), 1, "the build failed all the same");
    assert_eq!(daemon.ok(&["images", "-q", "-f", "dangling=true"]), "", "what was kept is gone");
    assert_eq!(daemon.ok(&["ps", "-aq"]), "");
    daemon.ok(&["system", "check"]);
    let outcome = daemon.gantry(&words).run();
    outcome.exits(1).complains("--on-failure=shell needs a terminal");
}

#[test]
fn an_interrupt_ends_all_of_it_and_the_next_build_goes_on() {
    let daemon = Daemon::with_busybox();
    let root = context(&daemon, "interrupt", &[("Dockerfile", FOREVER)]);
    let words = ["build", "--network", "none", root.to_str().unwrap()];
    let building = daemon.gantry(&words).spawn();
    poll("the last command runs", || last_command_runs(&daemon).then_some(()));
    building.signal(Signal::INT);
    let outcome = building.wait();
    assert_eq!(outcome.code, 130, "{}", outcome.stderr);
    assert!(outcome.stderr.ends_with("the build was canceled\n"), "{}", outcome.stderr);
    poll("nothing is left of it", || is_over(&daemon).then_some(()));
    poll("its end is known", || {
        (daemon.ok(&["builds", "ls", "--format", "{{.Status}}"]) == "canceled").then_some(())
    });
    fs::write(root.join("Dockerfile"), FOREVER.lines().take(2).collect::<Vec<_>>().join("\n"))
        .unwrap();
    let outcome = daemon.gantry(&words).run();
    assert_eq!((outcome.code, cached(&outcome.stderr)), (0, 1), "{}", outcome.stderr);
    daemon.ok(&["system", "check"]);
}

#[test]
fn a_build_is_cancelled_by_the_name_that_its_client_gave_it() {
    let daemon = Daemon::with_busybox();
    let archive = gantry_testkit::Tar::new().file("Dockerfile", 0o644, FOREVER.as_bytes()).finish();
    std::thread::scope(|scope| {
        let daemon = &daemon;
        let building = scope.spawn(move || {
            daemon.http("POST", "/v1.51/build?networkmode=none&buildid=mine", &archive)
        });
        poll("the last command runs", || last_command_runs(daemon).then_some(()));
        assert_eq!(daemon.http("POST", "/v1.51/build/cancel?id=another", b"").status, 200);
        assert!(!building.is_finished());
        assert_eq!(daemon.http("POST", "/v1.51/build/cancel?id=mine", b"").status, 200);
        let reply = building.join().unwrap();
        assert!(reply.text().contains("the build was cancelled"), "{}", reply.text());
    });
    poll("nothing is left of it", || is_over(&daemon).then_some(()));
    let missing = daemon.http("POST", "/v1.51/build/cancel", b"");
    assert_eq!(missing.error(400), "build ID not provided");
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    const MIB: u64 = 1 << 20;
    let disk = SmallDisk::mount(96 * MIB);
    let daemon =
        Daemon::start_with(Options { data_root: Some(disk.join("data")), ..Options::default() });
    daemon.load(&busybox());
    let root = context(&daemon, "full", &[]);
    fs::write(root.join("large"), vec![7; 60_000_000]).unwrap();
    let words = ["build", "--network", "none", "-t", "full", root.to_str().unwrap()];
    // What is copied in needs its archive as well.
    let dockerfile = "FROM busybox\nRUN echo small > /small\nCOPY large /large\n";
    fs::write(root.join("Dockerfile"), dockerfile).unwrap();
    let outcome = daemon.gantry(&words).run();
    outcome.exits(1);
    let complaint = outcome.stderr.to_lowercase();
    assert!(complaint.contains("no space left"), "{}", outcome.stderr);
    poll("nothing is left of it", || is_over(&daemon).then_some(()));
    daemon.gantry(&["system", "check"]).run().exits(0);
    // What was done before is used.
    fs::write(root.join("Dockerfile"), "FROM busybox\nRUN echo small > /small\n").unwrap();
    let outcome = daemon.gantry(&words).run();
    assert_eq!((outcome.code, cached(&outcome.stderr)), (0, 1), "{}", outcome.stderr);
}

#[test]
fn a_context_costs_what_is_used_of_it() {
    const GIB: u64 = 1 << 30;
    let disk = SmallDisk::mount(96 << 20);
    let flags = ["--tls=false", "--host=tcp://127.0.0.1:0"].map(str::to_owned).into();
    let options = Options { data_root: Some(disk.join("data")), flags, ..Options::default() };
    let daemon = Daemon::start_with(options);
    daemon.load(&busybox());
    let files = [("small", "small"), ("Dockerfile", "FROM busybox\nCOPY small /\n")];
    let root = context(&daemon, "ten-gigabytes", &files);
    for (name, size_bytes) in [("huge", 10 * GIB), ("large", GIB)] {
        File::create(root.join(name)).unwrap().set_len(size_bytes).unwrap();
    }
    let remote = daemon.tcp_host();
    let words = ["build", "--network", "none", "-t", "small", root.to_str().unwrap()];
    let far = [&["-H", &remote], &words[..]].concat();
    let is_refused = |words: &[&str]| {
        let outcome = daemon.gantry(words).run();
        outcome.exits(1);
        let complaint = outcome.stderr.to_lowercase();
        assert!(complaint.contains("no space left"), "{}", outcome.stderr);
        poll("nothing is left of it", || is_over(&daemon).then_some(()));
        daemon.gantry(&["system", "check"]).run().exits(0);
    };
    // Where it lies, only what is used is read; elsewhere the whole of it is, but for what is left out.
    daemon.gantry(&words).run().exits(0);
    is_refused(&far);
    fs::write(root.join(".dockerignore"), "huge\nlarge\n").unwrap();
    daemon.gantry(&far).run().exits(0);
    fs::remove_file(root.join(".dockerignore")).unwrap();
    fs::write(root.join("Dockerfile"), "FROM busybox\nCOPY small /\nCOPY large /\n").unwrap();
    is_refused(&words);
    fs::write(root.join("Dockerfile"), "FROM busybox\nCOPY small /\n").unwrap();
    let outcome = daemon.gantry(&words).run();
    assert_eq!((outcome.code, cached(&outcome.stderr)), (0, 1), "{}", outcome.stderr);
}
