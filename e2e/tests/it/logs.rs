//! `gantry logs`, and that the log is whole.

mod drivers;
mod following;
mod plugin;
mod remote;

use crate::shared::{detached, shared, unique};

fn logs(arguments: &[&str]) -> gantry_testkit::Outcome {
    shared().gantry(&[&["logs"], arguments].concat()).run()
}

#[test]
fn both_streams_apart_and_in_order() {
    let name = unique("logs");
    detached(&name, &[], &["sh", "-c", "echo one; echo two >&2; echo three"]);
    shared().ok(&["wait", &name]);
    let outcome = logs(&[&name]);
    outcome.exits(0).prints("one\nthree\n");
    assert_eq!(outcome.stderr, "two\n");
    shared().remove(&[&name]);
}

#[test]
fn the_last_lines() {
    let name = unique("tail");
    detached(&name, &[], &["seq", "1", "100"]);
    shared().ok(&["wait", &name]);
    logs(&["--tail", "3", &name]).exits(0).prints("98\n99\n100\n");
    logs(&["-n", "0", &name]).exits(0).prints("");
    let all: String = (1..=100).map(|line| format!("{line}\n")).collect();
    logs(&["--tail", "all", &name]).exits(0).prints(&all);
    logs(&["--tail", "1000", &name]).exits(0).prints(&all);
    shared().remove(&[&name]);
}

/// Clients that follow ask for what was said since the start.
#[test]
fn the_first_line_is_no_older_than_the_start() {
    for _ in 0..10 {
        let name = unique("early");
        shared().ok(&["run", "--network", "none", "--name", &name, "busybox", "echo", "first"]);
        let started = shared().inspect(&name)["State"]["StartedAt"].as_str().unwrap().to_owned();
        logs(&["--since", &started, &name]).exits(0).prints("first\n");
        shared().remove(&[&name]);
    }
}

#[test]
fn timestamps_since_and_until() {
    let name = unique("since");
    detached(&name, &[], &["sh", "-c", "echo early; sleep 1; echo late"]);
    shared().ok(&["wait", &name]);
    let stamped = logs(&["-t", &name]).success();
    let late = stamped.lines().find(|line| line.ends_with(" late")).unwrap();
    let at = late.split(' ').next().unwrap();
    assert!(at.len() == 30 && at.ends_with('Z'), "nanoseconds in UTC: {at}");
    logs(&["--since", at, &name]).exits(0).prints("late\n");
    let early = stamped.lines().next().unwrap().split(' ').next().unwrap();
    logs(&["--until", early, &name]).exits(0).prints("early\n");
    logs(&["--since", "1h", &name]).exits(0).prints("early\nlate\n");
    logs(&["--since", "garbage", &name]).plainly();
    shared().remove(&[&name]);
}

#[test]
fn following_ends_with_the_container() {
    let name = unique("follow");
    detached(&name, &["-i"], &["sh", "-c", "echo first; read line; echo \"got $line\""]);
    let mut following = shared().gantry(&["logs", "-f", &name]).spawn();
    following.until("first");
    let mut typing = shared().gantry(&["attach", &name]).spawn_fed();
    typing.write("word\n");
    following.until("got word");
    following.wait().exits(0).prints("first\ngot word\n");
    typing.wait();
    shared().remove(&[&name]);
}

#[test]
fn following_a_container_that_ended_long_ago_ends_at_once() {
    let name = unique("follow-ended");
    detached(&name, &[], &["echo", "done"]);
    shared().ok(&["wait", &name]);
    logs(&["-f", &name]).exits(0).prints("done\n");
    shared().remove(&[&name]);
}

#[test]
fn long_lines_and_lines_without_an_end() {
    let name = unique("long-line");
    detached(&name, &[], &["sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; echo; printf end"]);
    shared().ok(&["wait", &name]);
    let expected = format!("{}\nend", "x".repeat(100_000));
    let outcome = logs(&[&name]);
    assert!(
        outcome.stdout == expected,
        "{} bytes instead of {}",
        outcome.stdout.len(),
        expected.len()
    );
    shared().remove(&[&name]);
}

#[test]
fn the_log_is_complete_when_wait_returns() {
    for _ in 0..10 {
        let name = unique("complete");
        detached(&name, &[], &["seq", "1", "2000"]);
        shared().ok(&["wait", &name]);
        assert_eq!(logs(&[&name]).success().lines().count(), 2000);
        shared().remove(&[&name]);
    }
}

#[test]
fn a_terminal_is_logged_raw() {
    let name = unique("log-tty");
    detached(&name, &["-t"], &["sh", "-c", "echo out; echo err >&2"]);
    shared().ok(&["wait", &name]);
    logs(&[&name]).exits(0).prints("out\r\nerr\r\n");
    shared().remove(&[&name]);
}

#[test]
fn odd_bytes_do_not_break_it() {
    let name = unique("log-bytes");
    detached(
        &name,
        &[],
        &["sh", "-c", "printf 'quote\" back\\\\slash \\033[1m tab\\t bad\\377\\n'; echo next"],
    );
    shared().ok(&["wait", &name]);
    let text = logs(&[&name]).success();
    assert!(text.contains("quote\" back\\slash \u{1b}[1m tab\t bad"), "{text:?}");
    assert!(text.ends_with("next"), "{text:?}");
    shared().remove(&[&name]);
}

#[test]
fn the_api_wants_at_least_one_stream() {
    let name = unique("no-stream");
    shared().ok(&["create", "--network", "none", "--name", &name, "busybox", "true"]);
    let reply = shared().http("GET", &format!("/containers/{name}/logs"), &[]);
    let message = reply.error(400);
    assert!(message.contains("you must choose at least one stream"), "{message}");
    shared().remove(&[&name]);
}
