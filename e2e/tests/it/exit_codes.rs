//! The exit code of `run` is the container's, or says why there was none.

use crate::shared::{detached, run, shared, unique};

#[test]
fn every_code_comes_through() {
    for code in [0, 1, 2, 42, 124, 128, 200, 255] {
        run(&[], &["sh", "-c", &format!("exit {code}")]).exits(code);
    }
}

#[test]
fn a_signal_is_128_and_its_number() {
    run(&["--init"], &["sh", "-c", "kill -TERM $$"]).exits(143);
    let name = unique("killed");
    detached(&name, &[], &["sleep", "1000"]);
    let mut waiting = shared().gantry(&["attach", "--no-stdin", &name]).spawn();
    shared().ok(&["kill", &name]);
    assert_eq!(shared().ok(&["wait", &name]), "137");
    assert!(waiting.ended() || waiting.wait().code == 137);
    shared().remove(&[&name]);
}

#[test]
fn a_program_that_is_not_there_is_127() {
    run(&[], &["no-such-program"])
        .exits(127)
        .plainly()
        .complains("exec: \"no-such-program\": executable file not found in $PATH");
    run(&[], &["/no/such/program"]).exits(127).plainly().complains("no such file or directory");
}

#[test]
fn a_file_that_is_no_program_is_126() {
    run(&[], &["/etc/passwd"]).exits(126).plainly().complains("permission denied");
    run(&[], &["/etc"]).exits(126).plainly();
}

#[test]
fn what_the_daemon_refuses_is_125() {
    let images_before = shared().ok(&["images", "-q"]);
    shared()
        .gantry(&["run", "--rm", "127.0.0.1:1/no-such-image"])
        .run()
        .exits(125)
        .complains("Unable to find image '127.0.0.1:1/no-such-image:latest' locally");
    assert_eq!(shared().ok(&["images", "-q"]), images_before);
    run(&["--no-such-flag"], &["true"]).exits(125).complains("unknown flag: --no-such-flag");
    run(&["-u", "nobody-knows-me"], &["true"])
        .exits(125)
        .complains("unable to find user nobody-knows-me");
    shared().gantry(&["run"]).run().exits(1).plainly();
}

#[test]
fn a_failed_start_leaves_a_created_container_or_with_rm_none() {
    let name = unique("failed");
    shared()
        .gantry(&["run", "--network", "none", "--name", &name, "busybox", "nope"])
        .run()
        .exits(127);
    let state = shared().inspect(&name)["State"].clone();
    assert_eq!(state["Status"], "created");
    assert_eq!(state["ExitCode"], 127);
    assert!(state["Error"].as_str().is_some_and(|text| text.contains("nope")), "{state}");
    shared().remove(&[&name]);

    let name = unique("failed-rm");
    run(&["--name", &name], &["nope"]).exits(127);
    assert_eq!(shared().http("GET", &format!("/containers/{name}/json"), &[]).status, 404);
}
