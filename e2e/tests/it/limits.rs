//! Limits of memory, processes and processor time: set, visible, and kept.

use std::fs;
use std::path::PathBuf;

use gantry_testkit::Daemon;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::shared::{detached, run, shared, unique};

/// The container's file of a v1 controller, or of v2.
fn limit(id: &str, controller: &str, v1: &str, v2: &str) -> String {
    let parent = shared().cgroup_parent();
    let root = PathBuf::from("/sys/fs/cgroup");
    let legacy = root.join(controller).join(parent).join(id).join(v1);
    let path =
        if root.join(controller).is_dir() { legacy } else { root.join(parent).join(id).join(v2) };
    fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .trim()
        .to_owned()
}

#[test]
fn the_kernel_is_told() {
    let name = unique("limits");
    let id =
        detached(&name, &["-m", "64m", "--cpus", "0.5", "--pids-limit", "20"], &["sleep", "1000"]);
    assert_eq!(limit(&id, "memory", "memory.limit_in_bytes", "memory.max"), (64 << 20).to_string());
    assert_eq!(limit(&id, "pids", "pids.max", "pids.max"), "20");
    let quota = limit(&id, "cpu", "cpu.cfs_quota_us", "cpu.max");
    assert!(quota == "50000" || quota == "50000 100000", "{quota}");
    shared().remove(&[&name]);
}

#[test]
fn too_many_processes() {
    let script = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 5 & done; wait";
    run(&["--pids-limit", "5"], &["sh", "-c", script]).complains("can't fork");
}

#[test]
fn too_much_memory_is_a_kill() {
    let name = unique("oom");
    let words = [
        "run",
        "--name",
        &name,
        "--network",
        "none",
        "-m",
        "16m",
        "--memory-swap",
        "16m",
        "busybox",
        "sh",
        "-c",
        "exec tail /dev/zero",
    ];
    shared().gantry(&words).run().exits(137);
    assert_eq!(shared().inspect(&name)["State"]["OOMKilled"], true);
    shared().remove(&[&name]);
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    for (flags, words) in [
        (["-m", "1m"], "Minimum memory limit allowed is 6MB"),
        (["-m", "much"], "much"),
        (["--cpus", "-1"], "-1"),
        (["--cpus", "100000"], "CPU"),
    ] {
        run(&flags, &["true"]).exits(125).plainly().complains(words);
    }
}

#[test]
fn ulimits_and_shared_memory() {
    assert_eq!(
        run(&["--ulimit", "nofile=123:456"], &["sh", "-c", "ulimit -n; ulimit -Hn"]).success(),
        "123\n456"
    );
    assert_eq!(
        run(&["--shm-size", "8m"], &["sh", "-c", "df -k /dev/shm | tail -1 | awk '{print $2}'"])
            .success(),
        "8192"
    );
    assert_eq!(
        run(&[], &["sh", "-c", "df -k /dev/shm | tail -1 | awk '{print $2}'"]).success(),
        "65536"
    );
}

#[test]
fn a_container_may_open_as_many_files_as_the_daemon_could_at_first() {
    let own = getrlimit(Resource::Nofile);
    let hard = own.maximum.expect("a limit on open files");
    let first = hard / 2;
    // The daemon raises its own; it is born with what this program has.
    setrlimit(Resource::Nofile, Rlimit { current: Some(first), maximum: own.maximum }).unwrap();
    let daemon = Daemon::with_busybox();
    setrlimit(Resource::Nofile, own).unwrap();
    let script = "ulimit -n; ulimit -Hn";
    let words = ["run", "--rm", "--network", "none", "busybox", "sh", "-c", script];
    assert_eq!(daemon.ok(&words), format!("{first}\n{hard}"));
}
