//! What each limit becomes in either version: documents in, files and values out.

use gantry_oci::runtime::LinuxResources;
use serde_json::{Value as Json, json};

use super::*;
use crate::setting::{Setting, Value};

fn resources(value: Json) -> LinuxResources {
    serde_json::from_value(value).unwrap()
}

/// Every setting as `file value`, of the last choice among several files.
fn settings(value: Json, version: Version) -> Result<Vec<String>, Error> {
    let resources = resources(value);
    let mut all: Vec<Setting> = Vec::new();
    if let Some(cpu) = &resources.cpu {
        all.extend(cpu::cpuset(cpu));
        all.extend(cpu::settings(cpu, version)?);
    }
    if let Some(memory) = &resources.memory {
        all.extend(memory::settings(memory, version)?);
    }
    if let Some(limits) = resources.pids {
        all.extend(pids::settings(limits));
    }
    if let Some(block_io) = &resources.block_io {
        all.extend(block_io::settings(block_io, version)?);
    }
    all.extend(hugetlb::settings(&resources.hugepage_limits, version)?);
    if let Some(network) = &resources.network {
        all.extend(network::class(network, version)?);
        all.extend(network::priorities(network, version)?);
    }
    all.extend(rdma::settings(&resources.rdma)?);
    all.extend(unified::settings(&resources.unified)?);
    let text = |setting: Setting| {
        let (file, value) = setting.targets.last().cloned().unwrap();
        match value {
            Value::Text(text) => format!("{file} {text}"),
            Value::CpuMax { quota, period } => format!("{file} {quota:?} {period:?}"),
        }
    };
    Ok(all.into_iter().map(text).collect())
}

fn check(value: Json, v1: &[&str], v2: &[&str]) {
    assert_eq!(settings(value.clone(), Version::V1).unwrap(), v1);
    assert_eq!(settings(value, Version::V2).unwrap(), v2);
}

fn refused(value: Json, version: Version, part: &str) {
    let error = settings(value, version).unwrap_err();
    assert!(error.to_string().contains(part), "{error}");
    assert_eq!(error.kind(), gantry_types::ErrorKind::InvalidParameter);
}

#[test]
fn processors() {
    check(
        json!({ "cpu": { "shares": 1024, "quota": 50000, "period": 100_000, "burst": 1000, "cpus": "0-1", "mems": "0" } }),
        &[
            "cpuset.cpus 0-1",
            "cpuset.mems 0",
            "cpu.shares 1024",
            "cpu.cfs_period_us 100000",
            "cpu.cfs_quota_us 50000",
            "cpu.cfs_burst_us 1000",
        ],
        &[
            "cpuset.cpus 0-1",
            "cpuset.mems 0",
            "cpu.weight 100",
            "cpu.max Some(50000) Some(100000)",
            "cpu.max.burst 1000",
        ],
    );
    check(json!({ "cpu": { "shares": 0, "quota": 0, "period": 0 } }), &[], &[]);
    check(
        json!({ "cpu": { "idle": 1, "shares": 2048 } }),
        &["cpu.shares 2048", "cpu.idle 1"],
        &["cpu.idle 1"],
    );
    check(json!({ "cpu": { "quota": -5 } }), &["cpu.cfs_quota_us -1"], &["cpu.max Some(-5) None"]);
    refused(json!({ "cpu": { "shares": 1 } }), Version::V1, "minimum allowed cpu-shares is 2");
    refused(json!({ "cpu": { "shares": 262_145 } }), Version::V1, "maximum allowed cpu-shares");
    refused(
        json!({ "cpu": { "realtimeRuntime": 5 } }),
        Version::V2,
        "cannot set cpu.realtimeRuntime: cgroup v2 has no such limit",
    );
}

#[test]
fn memory_and_swap() {
    check(
        json!({ "memory": { "limit": 1000, "swap": 3000, "reservation": 500, "kernel": 7, "swappiness": 10, "disableOOMKiller": true } }),
        &[
            "memory.limit_in_bytes 1000",
            "memory.memsw.limit_in_bytes 3000",
            "memory.soft_limit_in_bytes 500",
            "memory.swappiness 10",
            "memory.oom_control 1",
        ],
        &["memory.swap.max 2000", "memory.max 1000", "memory.low 500"],
    );
    check(json!({ "memory": { "limit": 0, "swap": 0, "reservation": 0 } }), &[], &[]);
    check(
        json!({ "memory": { "limit": -1 } }),
        &["memory.limit_in_bytes -1", "memory.memsw.limit_in_bytes -1"],
        &["memory.swap.max max", "memory.max max"],
    );
    check(
        json!({ "memory": { "limit": 1000, "swap": -1 } }),
        &["memory.limit_in_bytes 1000", "memory.memsw.limit_in_bytes -1"],
        &["memory.swap.max max", "memory.max 1000"],
    );
    check(
        json!({ "memory": { "limit": 1000, "swap": 1000 } }),
        &["memory.limit_in_bytes 1000", "memory.memsw.limit_in_bytes 1000"],
        &["memory.swap.max 0", "memory.max 1000"],
    );
    for version in [Version::V1, Version::V2] {
        refused(
            json!({ "memory": { "limit": 1000, "swap": 999 } }),
            version,
            "should be >= memory",
        );
    }
    refused(json!({ "memory": { "swap": 999 } }), Version::V2, "without memory limit");
    refused(json!({ "memory": { "swappiness": 101 } }), Version::V1, "range is 0-100");
}

#[test]
fn processes() {
    for (limit, value) in [(0, "0"), (7, "7"), (-1, "max"), (-9, "max")] {
        let expected = format!("pids.max {value}");
        check(json!({ "pids": { "limit": limit } }), &[&expected], &[&expected]);
    }
    check(json!({ "pids": {} }), &[], &[]);
}

#[test]
fn block_devices() {
    check(
        json!({ "blockIO": {
            "weight": 500,
            "weightDevice": [{ "major": 8, "minor": 0, "weight": 100 }],
            "throttleReadBpsDevice": [{ "major": 8, "minor": 0, "rate": 1024 }],
            "throttleWriteIOPSDevice": [{ "major": 8, "minor": 16, "rate": 0 }],
        } }),
        &[
            "blkio.weight 500",
            "blkio.weight_device 8:0 100",
            "blkio.throttle.read_bps_device 8:0 1024",
            "blkio.throttle.write_iops_device 8:16 0",
        ],
        &[
            "io.weight default 4950",
            "io.bfq.weight 8:0 100",
            "io.max 8:0 rbps=1024",
            "io.max 8:16 wiops=max",
        ],
    );
    refused(json!({ "blockIO": { "weight": 9 } }), Version::V1, "between 10 and 1000");
    refused(json!({ "blockIO": { "leafWeight": 20 } }), Version::V2, "has no such limit");
    let negative = json!([{ "major": -1, "minor": 0, "rate": 1 }]);
    refused(
        json!({ "blockIO": { "throttleReadBpsDevice": negative } }),
        Version::V2,
        "-1:0: is not a device number",
    );
}

#[test]
fn the_rest() {
    check(
        json!({ "hugepageLimits": [{ "pageSize": "2MB", "limit": 4096 }] }),
        &["hugetlb.2MB.rsvd.limit_in_bytes 4096", "hugetlb.2MB.limit_in_bytes 4096"],
        &["hugetlb.2MB.rsvd.max 4096", "hugetlb.2MB.max 4096"],
    );
    check(
        json!({ "rdma": { "mlx5_1": { "hcaHandles": 3, "hcaObjects": 10000 }, "none": {} } }),
        &["rdma.max mlx5_1 hca_handle=3 hca_object=10000"],
        &["rdma.max mlx5_1 hca_handle=3 hca_object=10000"],
    );
    let network =
        json!({ "network": { "classID": 17, "priorities": [{ "name": "eth0", "priority": 5 }] } });
    assert_eq!(
        settings(network.clone(), Version::V1).unwrap(),
        ["net_cls.classid 17", "net_prio.ifpriomap eth0 5"]
    );
    refused(network, Version::V2, "network.classID");
    check(
        json!({ "unified": { "memory.high": "1000", "io.max": "8:0 rbps=1\n8:16 rbps=2" } }),
        &["io.max 8:0 rbps=1", "io.max 8:16 rbps=2", "memory.high 1000"],
        &["io.max 8:0 rbps=1", "io.max 8:16 rbps=2", "memory.high 1000"],
    );
}

#[test]
fn names_that_would_reach_elsewhere() {
    for name in ["../memory.max", "a/b", "", ".", "memory.max\n", "nodot"] {
        refused(json!({ "unified": { name: "1" } }), Version::V2, "unified");
    }
    refused(
        json!({ "hugepageLimits": [{ "pageSize": "2MB/../../x", "limit": 1 }] }),
        Version::V1,
        "is not a plain name",
    );
    refused(json!({ "rdma": { "a b": { "hcaHandles": 1 } } }), Version::V1, "is not a plain name");
}
