//! config-linux.md, "CPU".

use serde_json::json;

use super::limit;
use crate::case::{Case, Section, must};
use crate::machine::Need;

pub(in crate::sections) fn section() -> Section {
    let mut cases = files();
    cases.extend(processors());
    cases.extend(borders());
    Section::new("config-linux.md", "CPU", cases)
}

fn files() -> Vec<Case> {
    vec![
        limit(
            "shares",
            "shares is the weight against other cgroups.",
            || json!({"cpu": {"shares": 512}}),
            Some(("cpu.shares", "512")),
            None,
        ),
        limit(
            "shares-least",
            "The least number of shares works.",
            || json!({"cpu": {"shares": 2}}),
            Some(("cpu.shares", "2")),
            Some(("cpu.weight", "1")),
        ),
        limit(
            "shares-most",
            "The highest number of shares works.",
            || json!({"cpu": {"shares": 262_144}}),
            Some(("cpu.shares", "262144")),
            Some(("cpu.weight", "10000")),
        ),
        limit(
            "quota",
            "quota is the time in one period.",
            || json!({"cpu": {"quota": 20_000, "period": 50_000}}),
            Some(("cpu.cfs_quota_us", "20000")),
            Some(("cpu.max", "20000 50000")),
        ),
        limit(
            "period",
            "period is the length of a period.",
            || json!({"cpu": {"quota": 20_000, "period": 50_000}}),
            Some(("cpu.cfs_period_us", "50000")),
            Some(("cpu.max", "20000 50000")),
        ),
        limit(
            "quota-default-period",
            "Without a period, the kernel's own holds.",
            || json!({"cpu": {"quota": 30_000}}),
            Some(("cpu.cfs_period_us", "100000")),
            Some(("cpu.max", "30000 100000")),
        ),
        limit(
            "quota-unlimited",
            "A quota of -1 is none.",
            || json!({"cpu": {"quota": -1}}),
            Some(("cpu.cfs_quota_us", "-1")),
            Some(("cpu.max", "max 100000")),
        ),
        limit(
            "burst",
            "burst is the time that may be saved up.",
            || json!({"cpu": {"quota": 20_000, "period": 50_000, "burst": 10_000}}),
            Some(("cpu.cfs_burst_us", "10000")),
            Some(("cpu.max.burst", "10000")),
        )
        .since(1),
        limit(
            "idle",
            "idle makes the cgroup give way to all others.",
            || json!({"cpu": {"idle": 1}}),
            Some(("cpu.idle", "1")),
            Some(("cpu.idle", "1")),
        )
        .since(1),
    ]
}

fn processors() -> Vec<Case> {
    vec![
        limit(
            "cpus",
            "cpus are the processors.",
            || json!({"cpu": {"cpus": "0"}}),
            Some(("cpuset.cpus", "0")),
            Some(("cpuset.cpus", "0")),
        ),
        limit(
            "mems",
            "mems are the memory nodes.",
            || json!({"cpu": {"mems": "0"}}),
            Some(("cpuset.mems", "0")),
            Some(("cpuset.mems", "0")),
        ),
    ]
}

fn borders() -> Vec<Case> {
    vec![
        must(
            "shares-converted",
            "Half of the usual shares are less than the usual weight.",
            |stage| {
                stage.set("/linux/resources", json!({"cpu": {"shares": 512}}));
                stage.create();
                let weight: u32 = stage.cgroup_file("cpu.weight").parse().expect("a number");
                assert!((1..100).contains(&weight), "{weight}");
            },
        )
        .needs(Need::CgroupV2),
        must("real-time", "realtimeRuntime is the time of real-time processes.", |stage| {
            stage.allow_real_time();
            stage.set("/linux/resources/cpu/realtimePeriod", json!(500_000));
            stage.create();
            assert_eq!(stage.cgroup_file("cpu.rt_runtime_us"), "20000");
            assert_eq!(stage.cgroup_file("cpu.rt_period_us"), "500000");
        })
        .needs(Need::CgroupV1)
        .needs(Need::CgroupFile("cpu.rt_runtime_us")),
        must("cpus-enforced", "The process runs on the listed processors alone.", |stage| {
            stage.set("/linux/resources", json!({"cpu": {"cpus": "1"}}));
            assert_eq!(stage.look().status("Cpus_allowed_list"), "1");
        })
        .needs(Need::TwoProcessors),
        must("cpus-missing", "Processors that the machine lacks make an error.", |stage| {
            stage.set("/linux/resources", json!({"cpu": {"cpus": "5000"}})).refused();
        }),
        must("cpus-nonsense", "A list that is none makes an error.", |stage| {
            stage.set("/linux/resources", json!({"cpu": {"cpus": "zero to one"}})).refused();
        }),
        must("quota-too-small", "A quota that the kernel refuses makes an error.", |stage| {
            stage.set("/linux/resources", json!({"cpu": {"quota": 10}})).refused();
        }),
        must("period-too-long", "A period that the kernel refuses makes an error.", |stage| {
            stage
                .set("/linux/resources", json!({"cpu": {"quota": 20_000, "period": 10_000_000}}))
                .refused();
        }),
        must("burst-above-quota", "A burst above the quota makes an error.", |stage| {
            let limits = json!({"cpu": {"quota": 20_000, "period": 50_000, "burst": 30_000}});
            stage.set("/linux/resources", limits).refused();
        })
        .since(1),
    ]
}
