//! Limits that few ask for: block devices, realtime, the out-of-memory killer; and changes while a container runs.

use std::fs;
use std::path::{Path, PathBuf};

use gantry_testkit::{Daemon, Options};

use crate::shared::{detached, run, shared, unique};

/// A file of a container's cgroup in a hierarchy of the first version; `None` on a machine that has only the second.
fn file(daemon: &Daemon, id: &str, controller: &str, name: &str) -> Option<PathBuf> {
    let root = Path::new("/sys/fs/cgroup").join(controller);
    root.is_dir().then(|| root.join(daemon.cgroup_parent()).join(id).join(name))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A whole disk of this machine with its number.
fn disk() -> Option<(String, String)> {
    let disks = fs::read_dir("/sys/block").ok()?.flatten();
    disks
        .map(|entry| (format!("/dev/{}", entry.file_name().display()), entry.path().join("dev")))
        .filter(|(path, _)| Path::new(path).exists())
        .find_map(|(path, dev)| Some((path, fs::read_to_string(dev).ok()?.trim().to_owned())))
}

#[test]
fn throttles_of_a_disk() {
    let Some((path, number)) = disk() else { return };
    let name = unique("throttled");
    let flags = [
        ("--device-read-bps", "1mb", "read_bps_device", "1048576"),
        ("--device-write-bps", "2mb", "write_bps_device", "2097152"),
        ("--device-read-iops", "30", "read_iops_device", "30"),
        ("--device-write-iops", "40", "write_iops_device", "40"),
    ];
    let words: Vec<String> = flags
        .iter()
        .flat_map(|(flag, value, ..)| [(*flag).to_owned(), format!("{path}:{value}")])
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let id = detached(&name, &words, &["sleep", "1000"]);
    for (flag, _, kind, rate) in flags {
        let Some(file) = file(shared(), &id, "blkio", &format!("blkio.throttle.{kind}")) else {
            break;
        };
        assert_eq!(read(&file).trim(), format!("{number} {rate}"), "{flag}");
    }
    // One limit changes, the others stay.
    let body = format!(r#"{{"BlkioDeviceReadIOps":[{{"Path":"{path}","Rate":50}}]}}"#);
    let reply = shared().http("POST", &format!("/containers/{name}/update"), body.as_bytes());
    assert_eq!(reply.status, 200, "{}", reply.text());
    if let Some(file) = file(shared(), &id, "blkio", "blkio.throttle.read_iops_device") {
        assert_eq!(read(&file).trim(), format!("{number} 50"));
        assert_eq!(
            read(&file.with_file_name("blkio.throttle.read_bps_device")).trim(),
            format!("{number} 1048576")
        );
    }
    shared().remove(&[&name]);
    run(&["--device-read-bps", "/dev/no-such-disk:1mb"], &["true"])
        .exits(125)
        .plainly()
        .complains("/dev/no-such-disk");
    run(&["--device-read-bps", "/dev/null:1mb"], &["true"])
        .exits(125)
        .plainly()
        .complains("not a block device");
}

#[test]
fn a_weight_or_a_warning() {
    let name = unique("weighed");
    let words = [
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        &name,
        "--blkio-weight",
        "300",
        "busybox",
        "sleep",
        "1000",
    ];
    let started = shared().gantry(&words).run();
    let id = started.success();
    let shown = shared().inspect(&name)["HostConfig"]["BlkioWeight"].clone();
    if started.stderr.contains("does not support Block I/O weight") {
        assert_eq!(shown, 0);
    } else {
        assert_eq!(shown, 300);
        if let Some(file) = file(shared(), &id, "blkio", "blkio.bfq.weight") {
            assert_eq!(read(&file).trim(), "300");
        }
    }
    shared().remove(&[&name]);
}

#[test]
fn realtime_is_handed_down() {
    if !Path::new("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists() {
        return;
    }
    // A cgroup can give only what it has: the daemon's own setting gives it to the parent.
    let flags = ["--cpu-rt-runtime", "50000", "--cpu-rt-period", "1000000"];
    let daemon = Daemon::start_with(Options {
        flags: flags.map(str::to_owned).to_vec(),
        ..Options::default()
    });
    daemon.load(&gantry_testkit::busybox());
    let id = daemon.ok(&[
        "run",
        "-d",
        "--network",
        "none",
        "--cpu-rt-runtime",
        "20000",
        "--cpu-rt-period",
        "1000000",
        "busybox",
        "sleep",
        "1000",
    ]);
    let runtime = file(&daemon, &id, "cpu", "cpu.rt_runtime_us").unwrap();
    assert_eq!(read(&runtime).trim(), "20000");
    daemon.remove(&[&id]);
}

#[test]
fn the_killer_can_be_kept_away() {
    let name = unique("spared");
    let id = detached(&name, &["-m", "32m", "--oom-kill-disable"], &["sleep", "1000"]);
    match file(shared(), &id, "memory", "memory.oom_control") {
        Some(file) => assert!(read(&file).contains("oom_kill_disable 1")),
        None => assert_eq!(
            shared().inspect(&name)["HostConfig"]["OomKillDisable"],
            serde_json::Value::Null
        ),
    }
    shared().remove(&[&name]);
}

#[test]
fn limits_change_while_it_runs() {
    let name = unique("updated");
    let id = detached(&name, &["-m", "64m", "--pids-limit", "20"], &["sleep", "1000"]);
    shared().ok(&[
        "update",
        "-m",
        "32m",
        "--memory-swap",
        "48m",
        "--cpus",
        "0.5",
        "--cpuset-cpus",
        "0",
        "--pids-limit",
        "-1",
        "--blkio-weight",
        "500",
        &name,
    ]);
    for (controller, name, value) in [
        ("memory", "memory.limit_in_bytes", (32 << 20).to_string()),
        ("memory", "memory.memsw.limit_in_bytes", (48 << 20).to_string()),
        ("cpu", "cpu.cfs_quota_us", "50000".to_owned()),
        ("cpuset", "cpuset.cpus", "0".to_owned()),
        ("pids", "pids.max", "max".to_owned()),
    ] {
        if let Some(file) = file(shared(), &id, controller, name).filter(|file| file.exists()) {
            assert_eq!(read(&file).trim(), value, "{name}");
        }
    }
    let host = shared().inspect(&name)["HostConfig"].clone();
    assert_eq!(
        (host["Memory"].as_i64(), host["NanoCpus"].as_i64()),
        (Some(32 << 20), Some(500_000_000))
    );
    for (flags, words) in [
        (["-m", "1m"], "Minimum memory limit allowed is 6MB"),
        (["--memory-swap", "8m"], "Minimum memoryswap limit should be larger than memory limit"),
        (["-m", "64m"], "Memory limit should be smaller than already set memoryswap limit"),
        (["--cpu-quota", "50000"], "CPU Quota cannot be updated as NanoCPUs has already been set"),
        (["--cpus", "1000"], "range of CPUs is from 0.01"),
        (["--cpuset-cpus", "999"], "Requested CPUs are not available"),
        (["--blkio-weight", "5"], "Range of blkio weight is from 10 to 1000"),
    ] {
        let words_of = [&["update"][..], &flags, &[&name]].concat();
        shared().gantry(&words_of).run().exits(1).plainly().complains(words);
    }
    shared().remove(&[&name]);
}

#[test]
fn a_container_may_have_few_descriptors() {
    for limit in ["100", "20", "4"] {
        let (name, flag) = (unique("few"), format!("nofile={limit}"));
        detached(&name, &["--ulimit", &flag], &["sleep", "1000"]);
        assert_eq!(shared().ok(&["exec", &name, "sh", "-c", "ulimit -n"]), limit);
        shared().remove(&[&name]);
    }
}
