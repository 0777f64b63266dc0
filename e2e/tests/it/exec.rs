//! `gantry exec`.

use gantry_testkit::poll;

use crate::shared::{detached, shared, unique};

fn exec(arguments: &[&str]) -> gantry_testkit::Outcome {
    shared().gantry(&[&["exec"], arguments].concat()).run()
}

#[test]
fn output_exit_code_and_flags() {
    let name = unique("exec");
    detached(&name, &["-e", "FROM=create", "-w", "/tmp"], &["sleep", "1000"]);
    exec(&[&name, "echo", "hello"]).exits(0).prints("hello\n");
    exec(&[&name, "sh", "-c", "exit 42"]).exits(42);
    exec(&[&name, "pwd"]).exits(0).prints("/tmp\n");
    exec(&["-w", "/etc", &name, "pwd"]).exits(0).prints("/etc\n");
    exec(&["-e", "EXTRA=1", &name, "sh", "-c", "echo $FROM $EXTRA"]).exits(0).prints("create 1\n");
    exec(&["-u", "app", &name, "id", "-un"]).exits(0).prints("app\n");
    let outcome = exec(&[&name, "sh", "-c", "echo out; echo err >&2"]);
    outcome.exits(0).prints("out\n");
    assert_eq!(outcome.stderr, "err\n");
    shared().remove(&[&name]);
}

#[test]
fn input_flows_in() {
    let name = unique("exec-in");
    detached(&name, &[], &["sleep", "1000"]);
    shared()
        .gantry(&["exec", "-i", &name, "cat"])
        .input("through\n")
        .run()
        .exits(0)
        .prints("through\n");
    let text = "y".repeat(1 << 20);
    let outcome = shared().gantry(&["exec", "-i", &name, "cat"]).input(text.clone()).run();
    outcome.exits(0);
    assert!(outcome.stdout == text, "{} bytes came back", outcome.stdout.len());
    shared().remove(&[&name]);
}

#[test]
fn it_joins_the_container() {
    let name = unique("exec-joins");
    detached(&name, &["--hostname", "joined"], &["sh", "-c", "echo mark >/tmp/mark; sleep 1000"]);
    exec(&[&name, "hostname"]).exits(0).prints("joined\n");
    poll("the mark", || (exec(&[&name, "cat", "/tmp/mark"]).stdout == "mark\n").then_some(()));
    for kind in ["mnt", "pid", "net", "uts", "ipc"] {
        let link = format!("readlink /proc/self/ns/{kind}; readlink /proc/1/ns/{kind}");
        let both = exec(&[&name, "sh", "-c", &link]).success();
        let lines: Vec<&str> = both.lines().collect();
        assert_eq!(lines.first(), lines.last(), "{kind}: {both}");
    }
    let caps = exec(&[&name, "grep", "CapEff", "/proc/self/status"]).success();
    assert!(caps.ends_with("00000000a80425fb"), "the default 14: {caps}");
    exec(&["--privileged", &name, "grep", "-q", "CapEff:.*a80425fb", "/proc/self/status"]).exits(1);
    shared().remove(&[&name]);
}

#[test]
fn what_cannot_be_run() {
    let name = unique("exec-bad");
    detached(&name, &[], &["sleep", "1000"]);
    // As with Docker, the reason comes through the stream that was opened for the output.
    let says = |outcome: &gantry_testkit::Outcome, words: &str| {
        assert!(outcome.stdout.contains(words) || outcome.stderr.contains(words), "{outcome}");
    };
    let missing = exec(&[&name, "no-such-program"]);
    says(missing.exits(127), "executable file not found in $PATH");
    says(exec(&[&name, "/etc/passwd"]).exits(126), "permission denied");
    exec(&["no-such-container", "true"]).exits(1).complains("No such container: no-such-container");
    shared().ok(&["kill", &name]);
    shared().ok(&["wait", &name]);
    exec(&[&name, "true"]).exits(1).complains("is not running");
    shared().remove(&[&name]);
}

#[test]
fn detached_it_returns_at_once() {
    let name = unique("exec-detached");
    detached(&name, &[], &["sleep", "1000"]);
    exec(&["-d", &name, "sh", "-c", "echo later >/tmp/later"]).exits(0).prints("");
    poll("the file", || (exec(&[&name, "cat", "/tmp/later"]).stdout == "later\n").then_some(()));
    shared().remove(&[&name]);
}

#[test]
fn many_at_once() {
    let name = unique("exec-many");
    detached(&name, &[], &["sleep", "1000"]);
    let all: Vec<_> = (0..20)
        .map(|number| {
            shared()
                .gantry(&["exec", &name, "sh", "-c", &format!("echo {number}; exit {number}")])
                .spawn()
        })
        .collect();
    for (number, one) in (0..).zip(all) {
        one.wait().exits(number).prints(&format!("{number}\n"));
    }
    shared().remove(&[&name]);
}

#[test]
fn it_ends_with_the_container() {
    let name = unique("exec-ends");
    detached(&name, &[], &["sleep", "1000"]);
    let mut inside = shared().gantry(&["exec", &name, "sh", "-c", "echo up; sleep 1000"]).spawn();
    inside.until("up");
    shared().ok(&["kill", &name]);
    inside.wait().exits(137);
    shared().remove(&[&name]);
}

#[test]
fn its_code_outlives_the_container() {
    let name = unique("exec-outlives");
    detached(&name, &["--rm"], &["sleep", "1000"]);
    let body = br#"{"Cmd":["sleep","1000"]}"#;
    let created = shared().http("POST", &format!("/containers/{name}/exec"), body);
    let id = created.json()["Id"].as_str().unwrap().to_owned();
    shared().http("POST", &format!("/exec/{id}/start"), br#"{"Detach":true}"#);
    shared().ok(&["kill", &name]);
    let target = format!("/exec/{id}/json");
    let ended = poll("its end", || {
        let reply = shared().http("GET", &target, &[]);
        assert_eq!(reply.status, 200, "{}", reply.text());
        (reply.json()["Running"] == false).then(|| reply.json())
    });
    assert_eq!(ended["ExitCode"], 137, "{ended}");
}

#[test]
fn inspect_tells_the_exit_code() {
    let name = unique("exec-inspect");
    detached(&name, &[], &["sleep", "1000"]);
    let body = br#"{"Cmd":["sh","-c","exit 6"],"AttachStdout":true}"#;
    let created = shared().http("POST", &format!("/containers/{name}/exec"), body);
    assert_eq!(created.status, 201, "{}", created.text());
    let id = created.json()["Id"].as_str().unwrap().to_owned();
    let before = shared().http("GET", &format!("/exec/{id}/json"), &[]).json();
    assert_eq!(
        (before["Running"].as_bool(), before["ExitCode"].is_null()),
        (Some(false), true),
        "{before}"
    );
    shared().http("POST", &format!("/exec/{id}/start"), br#"{"Detach":false}"#);
    let after = shared().http("GET", &format!("/exec/{id}/json"), &[]).json();
    assert_eq!(after["ExitCode"], 6, "{after}");
    assert_eq!(shared().http("GET", "/exec/feedbeef/json", &[]).status, 404);
    shared().remove(&[&name]);
}
