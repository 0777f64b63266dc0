//! Limits as the kernel has them in force.

use std::fs;

use gantry_cgroup::{Cgroup, Error};
use gantry_oci::runtime::LinuxResources;
use serde_json::{Value, json};

use crate::place::{Place, spawn, start};

/// A v1 file of the cgroup, wherever its controller is mounted.
fn file(cgroup: &Cgroup, name: &str) -> String {
    let files = cgroup.mounts().into_iter().map(|mount| mount.source.join(name));
    let found: Vec<_> = files.filter(|file| file.exists()).collect();
    assert!(!found.is_empty(), "this test needs a controller with {name}");
    fs::read_to_string(&found[0]).unwrap().trim().to_owned()
}

fn apply(cgroup: &Cgroup, resources: Value) -> Result<(), Error> {
    let resources: LinuxResources = serde_json::from_value(resources).unwrap();
    cgroup.apply(&resources)
}

#[test]
fn values_in_force() {
    let place = Place::new("values");
    let cgroup = place
        .create(json!({
            "cpu": { "shares": 512, "period": 50000, "quota": 25000, "cpus": "0", "mems": "0" },
            "memory": { "limit": 67_108_864, "reservation": 33_554_432 },
            "pids": { "limit": 23 },
        }))
        .unwrap();
    for (name, expected) in [
        ("cpu.shares", "512"),
        ("cpu.cfs_period_us", "50000"),
        ("cpu.cfs_quota_us", "25000"),
        ("cpuset.cpus", "0"),
        ("memory.limit_in_bytes", "67108864"),
        ("memory.soft_limit_in_bytes", "33554432"),
        ("pids.max", "23"),
    ] {
        assert_eq!(file(&cgroup, name), expected, "{name}");
    }
    let stats = cgroup.stats().unwrap();
    assert_eq!(stats.memory.unwrap().limit_bytes, 67_108_864);
    assert_eq!(stats.pids.unwrap().limit, Some(23));
}

#[test]
fn updates_in_any_direction() {
    let place = Place::new("updates");
    let cgroup = place.create(json!({})).unwrap();
    for (limit, swap) in [(16 << 20, 32 << 20), (64 << 20, 64 << 20), (8 << 20, 8 << 20)] {
        apply(&cgroup, json!({ "memory": { "limit": limit, "swap": swap } })).unwrap();
        assert_eq!(file(&cgroup, "memory.limit_in_bytes"), limit.to_string());
        assert_eq!(file(&cgroup, "memory.memsw.limit_in_bytes"), swap.to_string());
    }
    apply(&cgroup, json!({ "memory": { "limit": -1 } })).unwrap();
    for (period, quota) in [(100_000, 200_000), (1000, 1000), (1_000_000, 5000)] {
        apply(&cgroup, json!({ "cpu": { "period": period, "quota": quota, "burst": 0 } })).unwrap();
        assert_eq!(file(&cgroup, "cpu.cfs_quota_us"), quota.to_string());
    }
    apply(&cgroup, json!({ "cpu": { "quota": 5000, "burst": 5000 } })).unwrap();
    apply(&cgroup, json!({ "cpu": { "quota": 2000, "burst": 1000 } })).unwrap();
    assert_eq!(file(&cgroup, "cpu.cfs_burst_us"), "1000");
}

#[test]
fn what_the_kernel_refuses_is_named() {
    let place = Place::new("refused");
    let check = |resources: Value, part: &str| {
        let error = place.create(resources).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(error.kind(), gantry_types::ErrorKind::InvalidParameter, "{error}");
        assert!(place.directories().is_empty(), "nothing is left");
    };
    check(json!({ "cpu": { "cpus": "4000" } }), "set cpu.cpus to \"4000\" in ");
    check(json!({ "cpu": { "period": 1 } }), "set cpu.period to \"1\" in ");
    check(json!({ "cpu": { "quota": 1 } }), "set cpu.quota to \"1\" in ");
    check(
        json!({ "rdma": { "mlx5_0": { "hcaHandles": 1 } } }),
        "cannot set rdma.mlx5_0: the rdma cgroup controller is not available",
    );
    check(
        json!({ "network": { "classID": 5 } }),
        "cannot set network.classID: the net_cls cgroup controller is not available",
    );
    check(json!({ "unified": { "no.such": "1" } }), "cannot set unified.no.such");
}

#[test]
fn a_limit_of_processes_holds() {
    let place = Place::new("pids");
    let cgroup = place.create(json!({ "pids": { "limit": 1 } })).unwrap();
    let mut child = start(&cgroup, "true | true; exec sleep 1000");
    // The shell could not fork, and ended with an error instead of sleeping.
    assert!(!child.wait().unwrap().success());
}

#[test]
fn memory_in_use_is_told() {
    let place = Place::new("in-use-memory");
    let cgroup = place.create(json!({})).unwrap();
    let mut child = spawn(&cgroup, "x=$(head -c 8000000 /dev/zero | tr '\\0' x); exec sleep 1000");
    let usage = || cgroup.stats().unwrap().memory.unwrap().usage_bytes;
    crate::place::wait_for(|| usage() > 4096);
    let update = json!({ "memory": { "limit": 1, "checkBeforeUpdate": true } });
    let error = apply(&cgroup, update).unwrap_err();
    assert!(matches!(error, Error::MemoryInUse { limit: 1, .. }), "{error}");
    cgroup.kill().unwrap();
    child.wait().unwrap();
}
