//! `gantry inspect`: the document says what was asked for.

use serde_json::Value;

use crate::shared::{detached, shared, unique};

#[test]
fn a_container_keeps_what_it_was_given() {
    let name = unique("inspect");
    let id = detached(
        &name,
        &[
            "-e",
            "A=1",
            "-l",
            "k=v",
            "-w",
            "/tmp",
            "-u",
            "app",
            "--hostname",
            "box",
            "--read-only",
            "--cap-add",
            "NET_ADMIN",
            "-m",
            "64m",
            "--cpus",
            "0.5",
            "--pids-limit",
            "50",
            "--stop-signal",
            "USR1",
        ],
        &["sleep", "1000"],
    );
    let text = shared().ok(&["inspect", &name]);
    let list: Value = serde_json::from_str(&text).unwrap();
    let one = &list[0];
    assert_eq!(one["Id"], id);
    assert_eq!(one["Name"], format!("/{name}"));
    assert_eq!(one["Config"]["Image"], "busybox");
    assert_eq!(one["Config"]["WorkingDir"], "/tmp");
    assert_eq!(one["Config"]["User"], "app");
    assert_eq!(one["Config"]["Hostname"], "box");
    assert_eq!(one["Config"]["StopSignal"], "USR1");
    assert_eq!(one["Config"]["Labels"]["k"], "v");
    assert_eq!(one["Config"]["Cmd"], serde_json::json!(["sleep", "1000"]));
    assert_eq!(one["HostConfig"]["NetworkMode"], "none");
    assert_eq!(one["HostConfig"]["ReadonlyRootfs"], true);
    assert_eq!(one["HostConfig"]["Memory"], 64 << 20);
    assert_eq!(one["HostConfig"]["NanoCpus"], 500_000_000);
    assert_eq!(one["HostConfig"]["PidsLimit"], 50);
    assert_eq!(one["State"]["Running"], true);
    assert!(one["State"]["Pid"].as_i64().unwrap() > 1);
    assert_eq!(one["Path"], "sleep");
    assert!(one["Image"].as_str().unwrap().starts_with("sha256:"));
    shared().remove(&[&name]);
}

#[test]
fn ids_can_be_short_and_the_kind_can_be_named() {
    let name = unique("inspect-short");
    let id = detached(&name, &[], &["sleep", "1000"]);
    assert_eq!(shared().inspect(&id[..12])["Id"], id);
    assert_eq!(shared().inspect(&id[..20])["Id"], id);
    let image: Value =
        serde_json::from_str(&shared().ok(&["inspect", "--type", "image", "busybox"])).unwrap();
    assert_eq!(image[0]["RepoTags"][0], "busybox:latest");
    assert_eq!(image[0]["Os"], "linux");
    shared()
        .gantry(&["inspect", "--type", "container", "busybox"])
        .run()
        .exits(1)
        .complains("No such container");
    shared().gantry(&["inspect", "--type", "image", &name]).run().exits(1);
    shared()
        .gantry(&["inspect", "nothing-by-this-name"])
        .run()
        .exits(1)
        .complains("nothing-by-this-name");
    shared().remove(&[&name]);
}

#[test]
fn times_and_codes_of_a_life() {
    let name = unique("inspect-life");
    shared().ok(&[
        "create",
        "--network",
        "none",
        "--name",
        &name,
        "busybox",
        "sh",
        "-c",
        "exit 12",
    ]);
    let created = shared().inspect(&name);
    assert_eq!(created["State"]["StartedAt"], "0001-01-01T00:00:00Z");
    shared().ok(&["start", &name]);
    shared().ok(&["wait", &name]);
    let exited = shared().inspect(&name);
    assert_eq!(exited["State"]["ExitCode"], 12);
    assert_eq!(exited["State"]["Pid"], 0);
    let (started, finished) = (
        exited["State"]["StartedAt"].as_str().unwrap(),
        exited["State"]["FinishedAt"].as_str().unwrap(),
    );
    assert!(created["Created"].as_str().unwrap() <= started && started <= finished, "{exited}");
    shared().remove(&[&name]);
}
