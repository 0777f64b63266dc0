//! The shims that a build's commands are in, one after the other.

use std::fs;
use std::path::{Path, PathBuf};

use gantry_testkit::{Daemon, Running, poll};
use rustix::process::{Pid, Signal, kill_process};

use super::{context, is_over};

/// A command that tells that it runs, and waits until it may go on.
fn gated(name: &str) -> String {
    format!(
        "RUN --mount=type=cache,id=gates,target=/gates touch /gates/{name}-runs; while test ! -e /gates/{name}; do usleep 20000; done\n"
    )
}

fn begin(daemon: &Daemon, name: &str, dockerfile: &str) -> Running {
    let root = context(daemon, name, &[("Dockerfile", dockerfile)]);
    daemon.gantry(&["build", "--network", "none", root.to_str().unwrap()]).spawn()
}

/// Waits until this command runs; gives the folder of the gates.
fn runs(daemon: &Daemon, name: &str) -> PathBuf {
    poll("the command runs", || {
        let caches = fs::read_dir(daemon.data_root().join("build-caches")).ok()?;
        let mut folders = caches.flatten().map(|entry| entry.path());
        folders.find(|folder| folder.join(format!("{name}-runs")).exists())
    })
}

fn open(gates: &Path, name: &str) {
    fs::write(gates.join(name), "").unwrap();
}

fn sandboxes(daemon: &Daemon) -> Vec<PathBuf> {
    let entries = fs::read_dir(daemon.exec_root().join("build-sandboxes")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The process that works in this directory.
fn shim_of(sandbox: &Path) -> Pid {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut pids = processes.filter_map(|entry| {
        let is_it = fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == sandbox);
        is_it.then(|| entry.file_name().to_str()?.parse().ok())?
    });
    Pid::from_raw(pids.next().expect("a shim")).unwrap()
}

#[test]
fn commands_follow_one_another_in_the_same() {
    let daemon = Daemon::with_busybox();
    let steps = [gated("one"), "RUN true\n".to_owned(), gated("two")].concat();
    let building = begin(&daemon, "same", &format!("FROM busybox\n{steps}"));
    let gates = runs(&daemon, "one");
    let first = sandboxes(&daemon);
    let shim = shim_of(&first[0]);
    open(&gates, "one");
    runs(&daemon, "two");
    assert_eq!((sandboxes(&daemon), shim_of(&first[0])), (first, shim));
    open(&gates, "two");
    building.wait().success();
    assert!(is_over(&daemon));
}

#[test]
fn stages_side_by_side_have_one_each() {
    let daemon = Daemon::with_busybox();
    let (one, two) = (gated("one"), gated("two"));
    let dockerfile = format!(
        "FROM busybox AS one\n{one}RUN echo 1 > /1\nFROM busybox AS two\n{two}RUN echo 2 > /2\nFROM busybox\nCOPY --from=one /1 /\nCOPY --from=two /2 /\nRUN cat /1 /2\n"
    );
    let building = begin(&daemon, "each", &dockerfile);
    let gates = runs(&daemon, "one");
    runs(&daemon, "two");
    assert_eq!(sandboxes(&daemon).len(), 2);
    open(&gates, "one");
    open(&gates, "two");
    building.wait().success();
    assert!(is_over(&daemon));
}

#[test]
fn one_that_is_killed_ends_its_command_and_no_other() {
    let daemon = Daemon::with_busybox();
    let dockerfile = format!("FROM busybox\nRUN true\n{}", gated("one"));
    let building = begin(&daemon, "killed", &dockerfile);
    let gates = runs(&daemon, "one");
    kill_process(shim_of(&sandboxes(&daemon)[0]), Signal::KILL).unwrap();
    building.wait().exits(1).complains("non-zero code: 137");
    poll("nothing is left of it", || is_over(&daemon).then_some(()));
    open(&gates, "one");
    begin(&daemon, "killed", &dockerfile).wait().success();
}
