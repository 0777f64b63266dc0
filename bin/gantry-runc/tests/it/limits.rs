//! Limits of a container's cgroups, at creation and by `update`, as the kernel has them in force.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::bed::{Bed, text};

/// A file of the container's cgroup in a v1 hierarchy.
fn file(bed: &Bed, controller: &str, name: &str) -> String {
    let path = format!("/sys/fs/cgroup/{controller}{}/{}/{name}", bed.cgroup, bed.id);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")).trim().to_owned()
}

fn sleeping() -> Bed {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000");
    bed
}

#[test]
fn every_flag_of_update_reaches_its_file() {
    let bed = sleeping();
    bed.start();
    for (flags, controller, name, expected) in [
        (&["--memory-reservation", "16m"][..], "memory", "memory.soft_limit_in_bytes", "16777216"),
        (
            &["--memory", "64m", "--memory-swap", "96m"],
            "memory",
            "memory.memsw.limit_in_bytes",
            "100663296",
        ),
        (&["--memory=-1"], "memory", "memory.memsw.limit_in_bytes", "9223372036854771712"),
        (&["--kernel-memory-tcp", "8m"], "memory", "memory.kmem.tcp.limit_in_bytes", "8388608"),
        (&["--cpu-share", "77"], "cpu", "cpu.shares", "77"),
        (&["--cpu-period", "50000", "--cpu-quota", "25000"], "cpu", "cpu.cfs_quota_us", "25000"),
        (&["--cpu-burst", "5000"], "cpu", "cpu.cfs_burst_us", "5000"),
        (&["--cpu-burst", "0", "--cpu-quota=-1"], "cpu", "cpu.cfs_quota_us", "-1"),
        (&["--cpu-rt-period", "2000000"], "cpu", "cpu.rt_period_us", "2000000"),
        (&["--cpu-rt-runtime", "0"], "cpu", "cpu.rt_runtime_us", "0"),
        (&["--cpu-idle", "1"], "cpu", "cpu.idle", "1"),
        (&["--cpu-idle", "0"], "cpu", "cpu.idle", "0"),
        (&["--cpuset-cpus", "0", "--cpuset-mems", "0"], "cpuset", "cpuset.cpus", "0"),
        (&["--pids-limit", "0"], "pids", "pids.max", "0"),
        (&["--pids-limit=-1"], "pids", "pids.max", "max"),
    ] {
        let args: Vec<&str> =
            ["update"].iter().chain(flags).copied().chain([bed.id.as_str()]).collect();
        bed.ok(&args);
        assert_eq!(file(&bed, controller, name), expected, "{flags:?}");
    }
    for (flags, words) in [
        (["--mem-bw-schema", "MB:0=20"], "created without linux.intelRdt"),
        (["--l3-cache-schema", "L3:0=f"], "created without linux.intelRdt"),
        (["--mem-bw-schema", "L3:0=f"], "does not start with MB:"),
        (["--blkio-weight", "9"], "must be between 10 and 1000"),
        (["--cpuset-cpus", "777"], "777"),
    ] {
        let message = bed.err(&["update", flags[0], flags[1], &bed.id]);
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn resources_come_by_file_or_from_the_standard_input() {
    let bed = sleeping();
    bed.start();
    let mut command = bed.command(&["update", "--resources", "-", &bed.id]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let document = json!({"cpu": {"shares": 99}, "unknownField": 7});
    child.stdin.take().unwrap().write_all(document.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(file(&bed, "cpu", "cpu.shares"), "99");
    assert!(bed.err(&["update", "--resources", "/no/such", &bed.id]).contains("/no/such"));
    assert!(bed.err(&["update", "no-such-container"]).contains("does not exist"));
}

#[test]
fn a_limit_below_what_is_in_use_is_refused_when_that_is_to_be_checked() {
    let mut bed = Bed::new();
    // Some megabytes that are the container's: a file on a tmpfs.
    bed.push("/mounts", json!({"destination": "/mem", "type": "tmpfs", "source": "x"}));
    bed.script("dd if=/dev/zero of=/mem/file bs=1M count=8 2>/dev/null; echo > /mem/ready; exec sleep 1000");
    bed.start();
    let pid = bed.state()["pid"].to_string();
    crate::bed::wait_until("the memory is in use", || {
        fs::metadata(format!("/proc/{pid}/root/mem/ready")).is_ok()
    });
    let resources = bed.dir.path().join("resources.json");
    let document = json!({"memory": {"limit": 1 << 20, "checkBeforeUpdate": true}});
    fs::write(&resources, document.to_string()).unwrap();
    let message = bed.err(&["update", "--resources", resources.to_str().unwrap(), &bed.id]);
    assert!(message.contains("unable to set memory limit to 1048576 (current usage:"), "{message}");
    assert_eq!(file(&bed, "memory", "memory.limit_in_bytes"), "9223372036854771712");
}

#[test]
fn limits_of_the_document_are_in_force_from_the_first_moment() {
    let mut bed = sleeping();
    let disk = fs::read_dir("/sys/block")
        .unwrap()
        .flatten()
        .find_map(|entry| fs::read_to_string(entry.path().join("dev")).ok());
    let disk = disk.expect("a block device").trim().to_owned();
    let (major, minor) = disk.split_once(':').unwrap();
    let throttle = |rate: u64| json!([{"major": major.parse::<i64>().unwrap(), "minor": minor.parse::<i64>().unwrap(), "rate": rate}]);
    bed.set(
        "/linux/resources",
        json!({
            "memory": {"limit": 67_108_864, "swappiness": 11, "disableOOMKiller": true},
            "cpu": {"cpus": "0-1", "mems": "0", "realtimePeriod": 900_000},
            "pids": {"limit": 33},
            "blockIO": {"throttleReadBpsDevice": throttle(1 << 20), "throttleWriteIOPSDevice": throttle(7)},
        }),
    );
    bed.start();
    for (controller, name, expected) in [
        ("memory", "memory.swappiness", "11"),
        ("cpuset", "cpuset.cpus", "0-1"),
        ("cpu", "cpu.rt_period_us", "900000"),
        ("pids", "pids.max", "33"),
        ("blkio", "blkio.throttle.read_bps_device", &format!("{disk} 1048576")[..]),
        ("blkio", "blkio.throttle.write_iops_device", &format!("{disk} 7")[..]),
    ] {
        assert_eq!(file(&bed, controller, name), expected, "{name}");
    }
    assert!(file(&bed, "memory", "memory.oom_control").contains("oom_kill_disable 1"));
}

#[test]
fn limits_that_this_machine_cannot_hold_are_refused_by_name() {
    for (resources, words) in [
        (json!({"network": {"classID": 1}}), "network.classID"),
        (json!({"network": {"priorities": [{"name": "lo", "priority": 1}]}}), "network.priorities"),
        (json!({"rdma": {"mlx5_0": {"hcaHandles": 3}}}), "rdma.mlx5_0"),
        (json!({"blockIO": {"leafWeight": 20}}), "blockIO.leafWeight"),
        (json!({"hugepageLimits": [{"pageSize": "3KB", "limit": 0}]}), "hugepageLimits.3KB"),
        (json!({"unified": {"no.such": "1"}}), "unified.no.such"),
        (json!({"unified": {"../x.y": "1"}}), "unified"),
        (json!({"memory": {"limit": 1 << 20, "swap": 1}}), "memory.swap"),
        (json!({"memory": {"swappiness": 101}}), "swappiness"),
        (json!({"cpu": {"shares": 1}}), "cpu.shares"),
    ] {
        let mut bed = Bed::new();
        bed.set("/linux/resources", resources);
        let message = bed.run_err();
        assert!(message.contains(words), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        bed.check_nothing_left();
    }
}

#[test]
fn huge_pages_are_limited_where_the_machine_has_them() {
    let mut bed = sleeping();
    bed.set(
        "/linux/resources",
        json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4_194_304}]}),
    );
    bed.start();
    let path =
        |root: &str, name: &str| format!("/sys/fs/cgroup/{root}{}/{}/{name}", bed.cgroup, bed.id);
    let found = fs::read_to_string(path("unified", "hugetlb.2MB.max"))
        .or_else(|_| fs::read_to_string(path("hugetlb", "hugetlb.2MB.limit_in_bytes")));
    assert_eq!(found.unwrap().trim(), "4194304");
    let reserved = fs::read_to_string(path("unified", "hugetlb.2MB.rsvd.max"))
        .or_else(|_| fs::read_to_string(path("hugetlb", "hugetlb.2MB.rsvd.limit_in_bytes")));
    assert_eq!(reserved.unwrap().trim(), "4194304");
}

#[test]
fn a_frozen_cgroup_is_refused_at_once() {
    let mut bed = sleeping();
    let place = format!("/sys/fs/cgroup/freezer{}/{}", bed.cgroup, bed.id);
    fs::create_dir_all(&place).unwrap();
    fs::write(format!("{place}/freezer.state"), "FROZEN").unwrap();
    let message = bed.run_err();
    fs::write(format!("{place}/freezer.state"), "THAWED").unwrap();
    assert!(message.contains("is frozen: thaw it first"), "{message}");
    fs::remove_dir(place).unwrap();
    bed.script("true");
    bed.run();
}

#[test]
fn delete_spares_whoever_lives_below_a_cgroup_that_was_there_before() {
    let bed = sleeping();
    let own = format!("/sys/fs/cgroup/unified{}/{}", bed.cgroup, bed.id);
    let theirs = format!("{own}/theirs");
    fs::create_dir_all(&theirs).unwrap();
    bed.start();
    let mut neighbour = Command::new("sleep").arg("1000").spawn().unwrap();
    fs::write(format!("{theirs}/cgroup.procs"), neighbour.id().to_string()).unwrap();
    bed.ok(&["kill", "--all", &bed.id, "KILL"]);
    bed.ok(&["delete", "--force", &bed.id]);
    let lives = neighbour.try_wait().unwrap().is_none();
    neighbour.kill().unwrap();
    neighbour.wait().unwrap();
    assert!(lives, "a process of somebody else's is gone");
    for directory in [theirs, own] {
        fs::remove_dir(directory).unwrap();
    }
    bed.check_nothing_left();
}

#[test]
fn delete_spares_what_was_below_a_cgroup_that_was_there_before() {
    let bed = sleeping();
    let own = format!("/sys/fs/cgroup/pids{}/{}", bed.cgroup, bed.id);
    fs::create_dir_all(format!("{own}/theirs")).unwrap();
    bed.start();
    fs::create_dir(format!("{own}/ours")).unwrap();
    bed.ok(&["delete", "--force", &bed.id]);
    assert!(fs::exists(format!("{own}/theirs")).unwrap());
    assert!(!fs::exists(format!("{own}/ours")).unwrap());
    for directory in [format!("{own}/theirs"), own] {
        fs::remove_dir(directory).unwrap();
    }
    bed.check_nothing_left();
}

/// As systemd does in a container, and a runtime that makes containers there: the processes move down, and controllers are handed on.
#[test]
fn a_process_joins_the_first_one_where_the_container_divides_its_cgroup() {
    let mut bed = sleeping();
    bed.set("/linux/resources/hugepageLimits", json!([{"pageSize": "2MB", "limit": 2_097_152}]));
    bed.start();
    let own = format!("/sys/fs/cgroup/unified{}/{}", bed.cgroup, bed.id);
    fs::create_dir(format!("{own}/first")).unwrap();
    fs::write(format!("{own}/first/cgroup.procs"), bed.state()["pid"].to_string()).unwrap();
    fs::write(format!("{own}/cgroup.subtree_control"), "+hugetlb").unwrap();
    let places = bed.ok(&["exec", &bed.id, "cat", "/proc/self/cgroup"]);
    assert!(places.contains("0::/first\n"), "{places}");
    bed.ok(&["delete", "-f", &bed.id]);
    bed.check_nothing_left();
}
