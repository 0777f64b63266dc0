//! What is refused and how, and what `inspect` shows of what was asked for and of what was not: clients depend on both.

use serde_json::{Value, json};

use crate::shared::shared;

fn create(host_config: &str) -> gantry_testkit::HttpReply {
    let body = format!(r#"{{"Image":"busybox","HostConfig":{host_config}}}"#);
    shared().http("POST", "/containers/create", body.as_bytes())
}

#[test]
fn docker_s_words() {
    for (host_config, words) in [
        (r#"{"Memory":1048576}"#, "Minimum memory limit allowed is 6MB"),
        (
            r#"{"MemorySwap":8388608}"#,
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        ),
        (
            r#"{"Memory":8388608,"MemorySwap":7340032}"#,
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        (r#"{"MemoryReservation":1}"#, "Minimum memory reservation allowed is 6MB"),
        (
            r#"{"Memory":8388608,"MemoryReservation":9437184}"#,
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ),
        (
            r#"{"MemorySwappiness":101}"#,
            "Invalid value: 101, valid memory swappiness range is 0-100",
        ),
        (
            r#"{"NanoCpus":1000000000,"CpuPeriod":1000}"#,
            "Conflicting options: Nano CPUs and CPU Period cannot both be set",
        ),
        (
            r#"{"CpuPeriod":1}"#,
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ),
        (r#"{"CpuQuota":1}"#, "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
        (r#"{"CpusetCpus":"a"}"#, "Invalid value a for cpuset cpus"),
        (r#"{"BlkioWeight":9}"#, "Range of blkio weight is from 10 to 1000"),
        (
            r#"{"OomScoreAdj":-1001}"#,
            "Invalid value -1001, range for oom score adj is [-1000, 1000]",
        ),
        (r#"{"ShmSize":-1}"#, "SHM size can not be less than 0"),
        (r#"{"IpcMode":"x"}"#, "invalid IPC mode: x"),
        (r#"{"PidMode":"x"}"#, "invalid PID mode: x"),
        (r#"{"UTSMode":"x"}"#, "invalid UTS mode: x"),
        (r#"{"CgroupnsMode":"x"}"#, "invalid cgroup namespace mode: x"),
        (r#"{"Runtime":"x"}"#, "unknown or invalid runtime name: x"),
        (r#"{"SecurityOpt":["x"]}"#, "invalid --security-opt 1: \"x\""),
        (r#"{"SecurityOpt":["x=y"]}"#, "invalid --security-opt 2: \"x=y\""),
    ] {
        assert_eq!(create(host_config).error(400), words, "{host_config}");
    }
}

#[test]
fn warnings_of_create() {
    let created = create(r#"{"CpuPercent":5,"OomKillDisable":true}"#).json();
    let warnings = created["Warnings"].as_array().unwrap().clone();
    assert!(
        warnings.contains(&json!("linux does not support CPU percent. Percent discarded.")),
        "{warnings:?}"
    );
    assert!(
        warnings.iter().any(|text| {
            let text = text.as_str().unwrap();
            text.starts_with("OOM killer is disabled for the container, but no memory limit is set")
                || text.starts_with("Your kernel does not support OomKillDisable")
        }),
        "{warnings:?}"
    );
    shared().remove(&[created["Id"].as_str().unwrap()]);
}

/// The document of a container that asked for nothing, as docker's own command line makes it, field by field: `null`,
/// empty and absent are three things.
#[test]
fn a_host_config_of_nothing() {
    let id = shared().docker(&["create", "busybox"]).run().success();
    let mut shown = shared().inspect(&id)["HostConfig"].clone();
    shared().remove(&[&id]);
    let fields = shown.as_object_mut().unwrap();
    // These depend on the machine and the daemon, and each has a test of its own.
    for name in [
        "CgroupnsMode",
        "OomKillDisable",
        "LogConfig",
        "NetworkMode",
        "MaskedPaths",
        "ReadonlyPaths",
    ] {
        assert!(fields.remove(name).is_some(), "{name}");
    }
    let expected: Value = serde_json::from_str(
        r#"{
        "Binds": null, "ContainerIDFile": "", "PortBindings": {},
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "AutoRemove": false, "VolumeDriver": "",
        "VolumesFrom": null, "ConsoleSize": [0, 0], "CapAdd": null, "CapDrop": null, "Dns": [],
        "DnsOptions": [], "DnsSearch": [], "ExtraHosts": null, "GroupAdd": null, "IpcMode": "private",
        "Cgroup": "", "Links": null, "OomScoreAdj": 0, "PidMode": "", "Privileged": false,
        "PublishAllPorts": false, "ReadonlyRootfs": false, "SecurityOpt": null, "UTSMode": "", "UsernsMode": "",
        "ShmSize": 67108864, "Runtime": "gantry", "Isolation": "", "CpuShares": 0, "Memory": 0, "NanoCpus": 0,
        "CgroupParent": "", "BlkioWeight": 0, "BlkioWeightDevice": [], "BlkioDeviceReadBps": [],
        "BlkioDeviceWriteBps": [], "BlkioDeviceReadIOps": [], "BlkioDeviceWriteIOps": [], "CpuPeriod": 0,
        "CpuQuota": 0, "CpuRealtimePeriod": 0, "CpuRealtimeRuntime": 0, "CpusetCpus": "", "CpusetMems": "",
        "Devices": [], "DeviceCgroupRules": null, "DeviceRequests": null, "MemoryReservation": 0,
        "MemorySwap": 0, "MemorySwappiness": null, "PidsLimit": null, "Ulimits": [], "CpuCount": 0,
        "CpuPercent": 0, "IOMaximumIOps": 0, "IOMaximumBandwidth": 0
    }"#,
    )
    .unwrap();
    assert_eq!(shown, expected);
}
