//! create, start, stop, kill, restart, wait, rename, rm.

use std::time::{Duration, Instant};

use crate::shared::{detached, shared, unique};

#[test]
fn create_then_start() {
    let name = unique("create");
    let id =
        shared().ok(&["create", "--network", "none", "--name", &name, "busybox", "echo", "hi"]);
    assert_eq!(shared().inspect(&name)["State"]["Status"], "created");
    assert_eq!(shared().ok(&["start", &id[..12]]), &id[..12]);
    assert_eq!(shared().ok(&["wait", &name]), "0");
    assert_eq!(shared().ok(&["logs", &name]), "hi");
    assert_eq!(shared().ok(&["rm", &name]), name);
    shared().gantry(&["rm", &name]).run().exits(1).complains(&format!("No such container: {name}"));
}

#[test]
fn stop_asks_first() {
    let name = unique("stop");
    let script = "trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.1; done";
    detached(&name, &[], &["sh", "-c", script]);
    gantry_testkit::poll("it to be up", || (shared().ok(&["logs", &name]) == "up").then_some(()));
    assert_eq!(shared().ok(&["stop", &name]), name);
    let state = shared().inspect(&name)["State"].clone();
    assert_eq!(
        (state["Status"].as_str(), state["ExitCode"].as_i64()),
        (Some("exited"), Some(9)),
        "{state}"
    );
    assert_eq!(shared().ok(&["logs", &name]), "up\nbye");
    shared().remove(&[&name]);
}

#[test]
fn stop_kills_whom_it_asked_in_vain() {
    let name = unique("stop-deaf");
    // The first process of a PID namespace does not feel a signal that it does not handle.
    detached(&name, &[], &["sleep", "1000"]);
    let started = Instant::now();
    shared().ok(&["stop", "-t", "1", &name]);
    assert!(started.elapsed() >= Duration::from_millis(900), "it had a second's grace");
    assert_eq!(shared().inspect(&name)["State"]["ExitCode"], 137);
    shared().remove(&[&name]);
}

#[test]
fn the_stop_signal_can_be_another() {
    let name = unique("stop-signal");
    let script = "trap 'exit 21' USR1; echo up; while :; do sleep 0.1; done";
    detached(&name, &["--stop-signal", "USR1"], &["sh", "-c", script]);
    gantry_testkit::poll("it to be up", || (shared().ok(&["logs", &name]) == "up").then_some(()));
    shared().ok(&["stop", &name]);
    assert_eq!(shared().inspect(&name)["State"]["ExitCode"], 21);
    shared().remove(&[&name]);
}

#[test]
fn starting_and_stopping_twice_is_304() {
    let name = unique("twice");
    detached(&name, &[], &["sleep", "1000"]);
    assert_eq!(shared().http("POST", &format!("/containers/{name}/start"), &[]).status, 304);
    shared().ok(&["start", &name]);
    shared().ok(&["stop", "-t", "0", &name]);
    assert_eq!(shared().http("POST", &format!("/containers/{name}/stop"), &[]).status, 304);
    shared().ok(&["stop", &name]);
    shared().remove(&[&name]);
}

#[test]
fn kill_sends_any_signal() {
    let name = unique("kill");
    let script = "trap 'echo usr1' USR1; echo up; while :; do sleep 0.1; done";
    detached(&name, &[], &["sh", "-c", script]);
    gantry_testkit::poll("it to be up", || (shared().ok(&["logs", &name]) == "up").then_some(()));
    shared().ok(&["kill", "-s", "USR1", &name]);
    gantry_testkit::poll("the trap", || {
        shared().ok(&["logs", &name]).contains("usr1").then_some(())
    });
    shared().gantry(&["kill", "-s", "NOSUCH", &name]).run().exits(1).plainly().complains("NOSUCH");
    shared().ok(&["kill", &name]);
    assert_eq!(shared().ok(&["wait", &name]), "137");
    shared().gantry(&["kill", &name]).run().exits(1).complains("is not running");
    shared().remove(&[&name]);
}

#[test]
fn restart_runs_it_anew_on_the_same_files() {
    let name = unique("restart");
    detached(&name, &[], &["sh", "-c", "echo x >>/tmp/count; wc -l </tmp/count; sleep 1000"]);
    gantry_testkit::poll("the first run", || (shared().ok(&["logs", &name]) == "1").then_some(()));
    let before = shared().inspect(&name)["State"]["Pid"].clone();
    shared().ok(&["restart", "-t", "0", &name]);
    gantry_testkit::poll("the second run", || {
        shared().ok(&["logs", &name]).ends_with('2').then_some(())
    });
    let after = shared().inspect(&name);
    assert_eq!(after["State"]["Status"], "running");
    assert_ne!(after["State"]["Pid"], before);
    shared().remove(&[&name]);
}

#[test]
fn wait_blocks_and_tells_the_code() {
    let name = unique("wait");
    detached(&name, &["-i"], &["sh", "-c", "read line; exit 3"]);
    let mut waiting = shared().gantry(&["wait", &name]).spawn();
    assert!(!waiting.ended());
    shared().gantry(&["attach", &name]).input("go\n").run();
    waiting.wait().exits(0).prints("3\n");
    assert_eq!(shared().ok(&["wait", &name]), "3", "it ended long ago");
    shared().remove(&[&name]);
}

#[test]
fn rm_wants_it_stopped_or_force() {
    let name = unique("rm");
    detached(&name, &[], &["sleep", "1000"]);
    shared().gantry(&["rm", &name]).run().exits(1).plainly().complains("is running");
    assert_eq!(shared().inspect(&name)["State"]["Status"], "running");
    assert_eq!(shared().ok(&["rm", "-f", &name]), name);
    shared().gantry(&["inspect", &name]).run().exits(1).complains("No such object");
}

#[test]
fn names_are_unique_and_can_change() {
    let name = unique("name");
    let id = detached(&name, &[], &["sleep", "1000"]);
    shared().gantry(&["create", "--name", &name, "busybox", "true"]).run().complains(&format!(
        "Conflict. The container name \"/{name}\" is already in use by container \"{id}\""
    ));
    let new = unique("renamed");
    shared().ok(&["rename", &name, &new]);
    assert_eq!(shared().inspect(&new)["Name"], format!("/{new}"));
    shared().gantry(&["inspect", &name]).run().exits(1);
    shared().ok(&["create", "--name", &name, "--network", "none", "busybox", "true"]);
    shared().gantry(&["rename", &name, &new]).run().exits(1).complains("already in use");
    shared().remove(&[&name, &new]);
}

#[test]
fn a_container_without_a_name_gets_one() {
    let id = shared().ok(&["create", "--network", "none", "busybox", "true"]);
    let name = shared().inspect(&id)["Name"].as_str().unwrap().to_owned();
    let (first, second) = name.strip_prefix('/').unwrap().split_once('_').unwrap();
    assert!(!first.is_empty() && !second.is_empty(), "{name}");
    shared().remove(&[&id]);
}

#[test]
fn files_stay_with_the_container_and_go_with_it() {
    let name = unique("files");
    detached(
        &name,
        &[],
        &["sh", "-c", "cat /tmp/kept 2>/dev/null || echo new; echo old >/tmp/kept"],
    );
    shared().ok(&["wait", &name]);
    shared().ok(&["start", &name]);
    shared().ok(&["wait", &name]);
    assert_eq!(shared().ok(&["logs", &name]), "new\nold");
    shared().remove(&[&name]);
    detached(&name, &[], &["cat", "/tmp/kept"]);
    assert_eq!(shared().ok(&["wait", &name]), "1");
    shared().remove(&[&name]);
}

#[test]
fn signals_to_the_client_reach_the_container() {
    let name = unique("proxy");
    let script = "trap 'exit 11' INT; echo up; while :; do sleep 0.1; done";
    let words =
        ["run", "--rm", "--network", "none", "--name", &name, "busybox", "sh", "-c", script];
    let mut client = shared().gantry(&words).spawn();
    client.until("up");
    client.signal(rustix::process::Signal::INT);
    client.wait().exits(11);
}

#[test]
fn a_run_leaves_nothing_behind() {
    let daemon = gantry_testkit::Daemon::with_busybox();
    daemon.ok(&["run", "--rm", "busybox", "true"]);
    let before = daemon.snapshot();
    daemon.ok(&["run", "--rm", "--network", "none", "busybox", "true"]);
    daemon.gantry(&["run", "--rm", "--network", "none", "busybox", "nope"]).run().exits(127);
    daemon
        .gantry(&["run", "--rm", "--network", "none", "-u", "ghost", "busybox", "true"])
        .run()
        .exits(125);
    daemon.ok(&["run", "-d", "--name", "long", "--network", "none", "busybox", "sleep", "1000"]);
    daemon.ok(&["exec", "long", "true"]);
    daemon.ok(&["rm", "-f", "long"]);
    before.assert_restored(&daemon);
}
