//! Namespaces that containers share with each other and with the host.

use std::fs;

use crate::shared::{detached, run, shared, unique};

fn inside(flags: &[&str], script: &str) -> String {
    run(flags, &["sh", "-c", script]).success()
}

#[test]
fn processes_of_another_container() {
    let name = unique("watched");
    detached(&name, &[], &["sh", "-c", "sleep 4321 & wait"]);
    let mode = format!("container:{name}");
    // The other's shell may not have come so far.
    gantry_testkit::poll("the other's process", || {
        inside(&["--pid", &mode], "ps -o args").contains("sleep 4321").then_some(())
    });
    // What it starts is not the other's: it ends with it.
    assert_eq!(inside(&["--pid", &mode, "--init"], "test $$ -gt 1 && echo ok"), "ok");
    let joined = unique("watching");
    detached(&joined, &["--pid", &mode], &["sleep", "1000"]);
    let id = shared().inspect(&name)["Id"].as_str().unwrap().to_owned();
    assert_eq!(shared().inspect(&joined)["HostConfig"]["PidMode"], format!("container:{id}"));
    assert_eq!(
        shared().ok(&["exec", &joined, "sh", "-c", "ls -d /proc/1 && echo seen"]),
        "/proc/1\nseen"
    );
    shared().ok(&["stop", "-t", "0", &joined]);
    assert_eq!(shared().inspect(&name)["State"]["Running"], true);
    shared().remove(&[&joined]);
    shared().ok(&["kill", &name]);
    run(&["--pid", &mode], &["true"])
        .exits(125)
        .plainly()
        .complains("failed to join PID namespace");
    shared().remove(&[&name]);
    run(&["--pid", &mode], &["true"]).exits(125).plainly().complains("No such container");
    run(&["--pid", "container:"], &["true"]).exits(125).plainly().complains("invalid PID mode");
}

#[test]
fn memory_of_another_container() {
    let name = unique("donor");
    detached(
        &name,
        &["--ipc", "shareable", "--shm-size", "8m"],
        &["sh", "-c", "echo shared >/dev/shm/note; exec sleep 1000"],
    );
    gantry_testkit::poll("the note", || {
        shared()
            .gantry(&["exec", &name, "test", "-s", "/dev/shm/note"])
            .run()
            .code
            .eq(&0)
            .then_some(())
    });
    let mode = format!("container:{name}");
    let script = "cat /dev/shm/note; readlink /proc/self/ns/ipc; echo back >/dev/shm/answer; \
                  df -k /dev/shm | tail -1 | awk '{print $2}'";
    let said = inside(&["--ipc", &mode], script);
    let own = shared().ok(&["exec", &name, "readlink", "/proc/self/ns/ipc"]);
    assert_eq!(said, format!("shared\n{own}\n8192"));
    assert_eq!(shared().ok(&["exec", &name, "cat", "/dev/shm/answer"]), "back");
    // Nothing of it stays on the host.
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let root = shared().exec_root();
    assert!(!mounts.contains(root.to_str().unwrap()), "{mounts}");
    shared().remove(&[&name]);
}

#[test]
fn only_what_is_shareable_is_shared() {
    let name = unique("private");
    detached(&name, &[], &["sleep", "1000"]);
    assert_eq!(shared().inspect(&name)["HostConfig"]["IpcMode"], "private");
    run(&["--ipc", &format!("container:{name}")], &["true"])
        .exits(125)
        .plainly()
        .complains("non-shareable IPC (hint: use IpcMode:shareable for the donor container)");
    shared().remove(&[&name]);
    assert_eq!(
        inside(
            &["--ipc", "none"],
            "test -e /dev/shm/x || grep -c ' /dev/shm ' /proc/mounts || true"
        ),
        "0"
    );
    let host = fs::read_link("/proc/self/ns/ipc").unwrap();
    assert_eq!(inside(&["--ipc", "host"], "readlink /proc/self/ns/ipc"), host.to_string_lossy());
}

#[test]
fn names_of_the_host() {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(inside(&["--uts", "host"], "hostname"), host.trim());
    run(&["--uts", "host", "--hostname", "x"], &["true"])
        .exits(125)
        .plainly()
        .complains("conflicting options: hostname and the UTS mode");
    run(&["--uts", "container:x"], &["true"]).exits(125).plainly().complains("invalid UTS mode");
}

#[test]
fn cgroup_namespaces_and_parents() {
    let own = inside(&["--cgroupns", "private"], "cat /proc/self/cgroup | cut -d: -f3 | sort -u");
    assert_eq!(own, "/");
    let all = inside(&["--cgroupns", "host"], "cat /proc/self/cgroup");
    assert!(all.contains(shared().cgroup_parent()), "{all}");
    let parent = format!("{}/deeper/down", shared().cgroup_parent());
    let below =
        inside(&["--cgroupns", "host", "--cgroup-parent", &parent], "cat /proc/self/cgroup");
    assert!(below.contains(&parent), "{below}");
    run(&["--cgroupns", "x"], &["true"])
        .exits(125)
        .plainly()
        .complains("invalid cgroup namespace mode: x");
}
