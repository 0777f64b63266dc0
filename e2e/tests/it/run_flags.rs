//! Flags of `run` that have no file of their own.

use std::fs;

use crate::shared::{detached, run, shared, unique};

#[test]
fn detached_prints_the_id_and_nothing_else() {
    let name = unique("detached");
    let id = detached(&name, &[], &["echo", "into the log"]);
    assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(shared().ok(&["wait", &name]), "0");
    assert_eq!(shared().ok(&["logs", &name]), "into the log");
    shared().remove(&[&name]);
}

#[test]
fn rm_removes_a_detached_one_too() {
    let name = unique("detached-rm");
    detached(&name, &["--rm", "-i"], &["cat"]);
    shared().ok(&["kill", &name]);
    gantry_testkit::poll("it to be removed", || {
        (shared().http("GET", &format!("/containers/{name}/json"), &[]).status == 404).then_some(())
    });
}

#[test]
fn flags_can_be_joined_and_end_at_the_image() {
    assert_eq!(run(&[], &["echo", "-d", "--rm"]).success(), "-d --rm");
    assert_eq!(run(&["--rm=true", "--env=A=1"], &["sh", "-c", "echo $A"]).success(), "1");
    let name = unique("joined");
    let words = ["run", "-dit", "--network=none", "--name", &name, "busybox", "sh"];
    shared().ok(&words);
    let config = shared().inspect(&name)["Config"].clone();
    assert_eq!((config["Tty"].as_bool(), config["OpenStdin"].as_bool()), (Some(true), Some(true)));
    shared().remove(&[&name]);
}

#[test]
fn the_id_goes_to_a_file_when_asked() {
    let file = shared().scratch("cid");
    run(&["--cidfile", file.to_str().unwrap()], &["true"]).exits(0);
    assert_eq!(fs::read_to_string(&file).unwrap().len(), 64);
    run(&["--cidfile", file.to_str().unwrap()], &["true"]).exits(125).plainly().complains("cid");
}

#[test]
fn labels() {
    let file = shared().scratch("labels");
    fs::write(&file, "# comment\nfrom=file\n").unwrap();
    let name = unique("labels");
    detached(
        &name,
        &["-l", "a=1", "--label", "b", "--label-file", file.to_str().unwrap()],
        &["true"],
    );
    let labels = shared().inspect(&name)["Config"]["Labels"].clone();
    assert_eq!(labels, serde_json::json!({"a": "1", "b": "", "from": "file"}));
    shared().remove(&[&name]);
}

#[test]
fn kernel_settings_of_its_own_namespaces() {
    let value = run(
        &["--sysctl", "net.ipv4.ip_unprivileged_port_start=1000"],
        &["cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"],
    );
    assert_eq!(value.success(), "1000");
    run(&["--sysctl", "kernel.panic=1"], &["true"]).exits(125).plainly().complains("kernel.panic");
}

#[test]
fn a_network_that_is_not_there_leaves_no_container() {
    let name = unique("refused");
    let words = ["run", "--rm", "--name", &name, "--network", "no-such-network", "busybox", "true"];
    let refused = shared().gantry(&words).run();
    refused.exits(125).plainly().complains("no-such-network not found");
    assert_eq!(shared().http("GET", &format!("/containers/{name}/json"), &[]).status, 404);
}
