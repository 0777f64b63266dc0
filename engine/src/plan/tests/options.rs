//! Limits, modes and security options: what they become, what is refused, and what is warned of.

use gantry_api::container::Ulimit;
use gantry_api::exec::ExecCreateRequest;

use super::*;
use crate::settings::{DefaultSeccomp, RuntimeSettings};

fn with(
    json: &str,
    host: &HostFacts,
    defaults: &ContainerDefaults,
) -> (ContainerPlan, Vec<String>) {
    let request = request(&format!(r#"{{"HostConfig":{{{json}}}}}"#));
    let logs = &LogDefaults::default();
    let around = Surroundings { host, defaults, logs, cgroup_driver: CgroupDriver::Cgroupfs };
    ContainerPlan::resolve(&ContainerId::from_bytes([7; 32]), request, &image(), around).unwrap()
}

fn under(json: &str, defaults: &ContainerDefaults) -> ContainerPlan {
    with(json, &host(), defaults).0
}

#[test]
fn limits_out_of_range_are_refused_in_docker_s_words() {
    let weights = "Range of blkio weight is from 10 to 1000";
    refused_by_host_config(&[
        (r#""BlkioWeight":5"#, weights),
        (r#""BlkioWeightDevice":[{"Path":"/dev/x","Weight":5}]"#, weights),
        (r#""BlkioDeviceReadBps":[{"Path":"","Rate":1}]"#, "invalid path of a block device"),
        (r#""IOMaximumIOps":1"#, "Invalid QoS settings: linux does not support"),
        (
            r#""CpuRealtimePeriod":1000,"CpuRealtimeRuntime":2000"#,
            "cpu real-time runtime cannot be higher than cpu real-time period",
        ),
        (r#""CpusetCpus":"2""#, "Requested CPUs are not available - requested 2, available: 0-1"),
        (
            r#""CpusetMems":"1""#,
            "Requested memory nodes are not available - requested 1, available: 0",
        ),
        (
            r#""Isolation":"hyperv""#,
            "invalid isolation: \"hyperv\" - linux only supports 'default'",
        ),
        (r#""DeviceCgroupRules":["c 1:3"]"#, "invalid device cgroup rule format: 'c 1:3'"),
        (r#""DeviceCgroupRules":["d 1:3 r"]"#, "invalid device cgroup rule format"),
        (r#""DeviceCgroupRules":["c 1:+3 r"]"#, "invalid device cgroup rule format"),
        (r#""Annotations":{"":"x"}"#, "invalid Annotations: the empty string is not permitted"),
        (r#""Annotations":{"io.containerd.runc.v2.group":"x"}"#, "annotation io.containerd"),
        (r#""Runtime":"other""#, "unknown or invalid runtime name: other"),
    ]);
}

#[test]
fn rare_limits_become_resources() {
    let plan = host_config(
        r#""CpuRealtimePeriod":1000000,"CpuRealtimeRuntime":95000,"BlkioWeight":300,"MemorySwappiness":0,
           "Memory":8388608,"MemorySwap":-1,"MemoryReservation":6291456,"OomKillDisable":true,"PidsLimit":7"#,
    );
    let cpu = plan.resources.cpu.as_ref().unwrap();
    assert_eq!((cpu.realtime_period, cpu.realtime_runtime), (Some(1_000_000), Some(95_000)));
    let memory = plan.resources.memory.as_ref().unwrap();
    assert_eq!((memory.swap, memory.swappiness), (Some(-1), Some(0)));
    assert_eq!((memory.reservation, memory.disable_oom_killer), (Some(6 << 20), Some(true)));
    assert_eq!(plan.resources.pids.unwrap().limit, Some(7));
    assert_eq!(host_config(r#""PidsLimit":-1"#).host_config.pids_limit, None);
    let device = gantry_oci::runtime::ThrottleDevice { major: 8, minor: 0, rate: 5 };
    let devices = BlockIo { throttle_read_bps_device: vec![device], ..BlockIo::default() };
    let block_io = with_devices(&plan.resources, devices).block_io.unwrap();
    assert_eq!((block_io.weight, block_io.throttle_read_bps_device.len()), (Some(300), 1));
}

#[test]
fn what_the_kernel_cannot_limit_is_told_and_left_out() {
    let host = HostFacts { limits: LimitSupport::default(), ..host() };
    let json = r#""Memory":8388608,"MemoryReservation":6291456,"MemorySwappiness":5,"OomKillDisable":true,
        "PidsLimit":5,"CpuShares":5,"CpuQuota":5000,"CpusetCpus":"0","BlkioWeight":10,"CpuPercent":3,
        "BlkioWeightDevice":[{"Path":"/dev/x","Weight":10}],"BlkioDeviceWriteIOps":[{"Path":"/dev/x","Rate":1}]"#;
    let (plan, warnings) = with(json, &host, &ContainerDefaults::default());
    assert_eq!(
        plan.resources,
        LinuxResources { memory: plan.resources.memory.clone(), ..LinuxResources::default() }
    );
    for words in [
        "Your kernel does not support memory limit capabilities",
        "Your kernel does not support memory soft limit capabilities",
        "Your kernel does not support memory swappiness capabilities",
        "Your kernel does not support OomKillDisable. OomKillDisable discarded.",
        "Your kernel does not support PIDs limit capabilities",
        "Your kernel does not support CPU shares",
        "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.",
        "Your kernel does not support cpuset",
        "Your kernel does not support Block I/O weight or",
        "Your kernel does not support Block I/O weight_device",
        "Your kernel does not support IOPS Block write limit or the cgroup is not mounted. Block I/O IOPS write limit",
        "linux does not support CPU percent. Percent discarded.",
    ] {
        assert!(warnings.iter().any(|text| text.starts_with(words)), "{words}: {warnings:#?}");
    }
    assert_eq!((plan.host_config.memory, plan.host_config.cpu_shares), (0, 0));
    let no_limit = with(r#""OomKillDisable":true"#, &super::host(), &ContainerDefaults::default());
    assert!(no_limit.1[0].starts_with("OOM killer is disabled for the container, but no memory"));
}

#[test]
fn an_update_keeps_what_it_does_not_name() {
    let facts = host();
    let plan = host_config(
        r#""BlkioDeviceReadBps":[{"Path":"/dev/a","Rate":1},{"Path":"/dev/b","Rate":2}],"PidsLimit":5"#,
    );
    let change: HostConfig = serde_json::from_str(
        r#"{"BlkioDeviceReadBps":[{"Path":"/dev/a","Rate":9}],"PidsLimit":0}"#,
    )
    .unwrap();
    let (updated, warnings) = plan.with_update(&change, &facts).unwrap();
    let rates: Vec<_> = updated
        .host_config
        .blkio_device_read_bps
        .iter()
        .map(|device| (device.path.as_str(), device.rate))
        .collect();
    assert_eq!(rates, [("/dev/b", 2), ("/dev/a", 9)]);
    assert_eq!(updated.resources.pids.unwrap().limit, Some(-1), "a limit that was there goes");
    assert!(warnings.is_empty());
    let change: HostConfig = serde_json::from_str(r#"{"BlkioWeight":5}"#).unwrap();
    assert!(plan.with_update(&change, &facts).is_err());
}

#[test]
fn modes_of_other_containers() {
    let plan = host_config(r#""PidMode":"container:a","IpcMode":"container:b""#);
    assert_eq!((plan.pid, plan.ipc), (Sharing::Container, Ipc::Container));
    let facts = SpecFacts {
        joined: JoinedNamespaces {
            pid: Some("/p".into()),
            ipc: Some("/i".into()),
            shm: Some("/s".into()),
            ..JoinedNamespaces::default()
        },
        ..facts()
    };
    let spec = to_spec(&plan, &facts);
    let path = |kind| {
        let namespaces = &spec.linux.as_ref().unwrap().namespaces;
        namespaces.iter().find(|it| it.kind == kind).map(|it| it.path.clone()).unwrap()
    };
    assert_eq!((path(NamespaceKind::Pid), path(NamespaceKind::Ipc)), ("/p".into(), "/i".into()));
    let shm = spec.mounts.iter().find(|mount| mount.destination == "/dev/shm").unwrap();
    assert_eq!((shm.kind.as_str(), shm.source.as_str()), ("bind", "/s"));
    assert!(mount_points(&plan).contains(&"/dev/shm".to_owned()));
    refused_by_host_config(&[
        (r#""PidMode":"container:""#, "invalid PID mode: container:"),
        (r#""IpcMode":"container:""#, "invalid IPC mode: container:"),
        (r#""UTSMode":"container:a""#, "invalid UTS mode: container:a"),
        (
            r#""IpcMode":"container:a","Sysctls":{"kernel.msgmax":"1"}"#,
            "sysctl \"kernel.msgmax\" is not allowed in another container's ipc namespace",
        ),
    ]);
}

#[test]
fn security_options() {
    let of = |options: &str| host_config(&format!(r#""SecurityOpt":[{options}]"#)).security;
    assert!(of(r#""no-new-privileges""#).no_new_privileges);
    assert!(of(r#""no-new-privileges:true""#).no_new_privileges);
    assert!(!of(r#""no-new-privileges=0""#).no_new_privileges);
    assert_eq!(of(r#""seccomp=unconfined""#).seccomp, SeccompPlan::Unconfined);
    assert_eq!(of(r#""seccomp=builtin""#).seccomp, SeccompPlan::Default);
    let own = of(r#""seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}""#).seccomp;
    assert!(matches!(own, SeccompPlan::Own(_)), "{own:?}");
    assert_eq!(of(r#""apparmor=unconfined""#).apparmor, "unconfined");
    refused_by_host_config(&[
        (r#""SecurityOpt":["what"]"#, "invalid --security-opt 1: \"what\""),
        (r#""SecurityOpt":["what=ever"]"#, "invalid --security-opt 2: \"what=ever\""),
        (r#""SecurityOpt":["no-new-privileges=maybe"]"#, "invalid --security-opt 2"),
        (r#""SecurityOpt":["seccomp={"]"#, "Decoding seccomp profile failed"),
        (r#""SecurityOpt":["label=colour:red"]"#, "bad label option \"colour:red\""),
        (r#""SecurityOpt":["writable-cgroups=true"]"#, "writable-cgroups needs a cgroup namespace"),
    ]);
    let (_, warnings) = with(
        r#""SecurityOpt":["apparmor=mine","label=type:x"]"#,
        &host(),
        &ContainerDefaults::default(),
    );
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    let there = HostFacts { apparmor: true, ..host() };
    let (plan, warnings) =
        with(r#""SecurityOpt":["apparmor=mine"]"#, &there, &ContainerDefaults::default());
    assert_eq!((plan.security.apparmor.as_str(), warnings.len()), ("mine", 0));
    let labelled = HostFacts { selinux: true, ..host() };
    let asked = r#""SecurityOpt":["label=type:x","label:user:y","disable"]"#;
    let (plan, warnings) = with(asked, &labelled, &ContainerDefaults::default());
    assert_eq!(label_options(&plan.host_config), ["type:x", "user:y", "disable"]);
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn labels_are_in_the_document() {
    let (mut plan, _) = plan("{}").unwrap();
    plan.security.selinux.process = "u:r:t:s0:c1,c2".to_owned();
    let given = SpecFacts { mount_label: "u:o:f:s0:c1,c2".to_owned(), ..facts() };
    let spec = to_spec(&plan, &given);
    assert_eq!(spec.process.unwrap().selinux_label, "u:r:t:s0:c1,c2");
    assert_eq!(spec.linux.unwrap().mount_label, "u:o:f:s0:c1,c2");
    let exec = exec_process(&plan, &ExecCreateRequest::default(), &[]);
    assert_eq!(exec.selinux_label, "u:r:t:s0:c1,c2");
}

#[test]
fn cgroups_are_writable_when_asked_for() {
    let options_of = |json: &str| {
        let spec = to_spec(&host_config(json), &facts());
        let mount = spec.mounts.into_iter().find(|it| it.destination == "/sys/fs/cgroup").unwrap();
        mount.options.last().unwrap().clone()
    };
    let own = r#""CgroupnsMode":"private","SecurityOpt":["writable-cgroups=true"]"#;
    assert_eq!((options_of(own), options_of("")), ("rw".to_owned(), "ro".to_owned()));
    assert_eq!(options_of(r#""Privileged":true"#), "rw");
    let closed = r#""Privileged":true,"SecurityOpt":["writable-cgroups=false"]"#;
    assert_eq!(options_of(closed), "ro");
}

#[test]
fn the_daemon_s_defaults_hold_where_nothing_was_asked_for() {
    let limit = |soft| Ulimit { name: "nofile".into(), soft, hard: 20 };
    let defaults = ContainerDefaults {
        ulimits: [("nofile".to_owned(), limit(10))].into(),
        shm_size_bytes: 1 << 20,
        ipc_mode: "shareable".to_owned(),
        cgroupns_mode: Some("private".to_owned()),
        no_new_privileges: true,
        seccomp_profile: DefaultSeccomp::Unconfined,
        runtimes: [("other".to_owned(), RuntimeSettings::default())].into(),
        default_runtime: "other".to_owned(),
        ..ContainerDefaults::default()
    };
    let plan = under("", &defaults);
    assert_eq!((plan.rlimits[0].soft, plan.host_config.shm_size), (10, 1 << 20));
    assert_eq!((plan.ipc, plan.cgroup_namespace), (Ipc::Shareable, CgroupNamespace::Private));
    assert!(plan.security.no_new_privileges);
    assert_eq!(plan.security.seccomp, SeccompPlan::Unconfined);
    assert_eq!(plan.host_config.runtime, "other");
    let own = r#""Ulimits":[{"Name":"nofile","Soft":1,"Hard":2}],"ShmSize":4096,"IpcMode":"private","Runtime":"runc",
        "CgroupnsMode":"host","SecurityOpt":["no-new-privileges=false","seccomp=builtin"]"#;
    let plan = under(own, &defaults);
    assert_eq!((plan.rlimits.len(), plan.rlimits[0].soft), (1, 1));
    assert_eq!((plan.host_config.shm_size, plan.ipc), (4096, Ipc::Private));
    assert_eq!(plan.cgroup_namespace, CgroupNamespace::Host);
    assert!(!plan.security.no_new_privileges);
    assert_eq!(
        (plan.security.seccomp, plan.host_config.runtime),
        (SeccompPlan::Default, "gantry".into())
    );
}

#[test]
fn what_shares_with_the_host_has_no_label() {
    let options = |json: &str| host_config(json).host_config.security_opt;
    for json in [r#""Privileged":true"#, r#""PidMode":"host""#, r#""IpcMode":"host""#] {
        assert_eq!(options(json), ["label=disable"], "{json}");
    }
    assert!(options("").is_empty());
}

#[test]
fn annotations_and_device_rules_reach_the_specification() {
    let json = r#""Annotations":{"a":"b"},"DeviceCgroupRules":["c 42:* rm","b *:7 w"]"#;
    let spec = to_spec(&host_config(json), &facts());
    assert_eq!(spec.annotations["a"], "b");
    let rules = spec.linux.unwrap().resources.unwrap().devices;
    let last: Vec<_> = rules
        .iter()
        .rev()
        .take(2)
        .map(|rule| (rule.kind.as_str(), rule.major, rule.minor, rule.access.as_str()))
        .collect();
    assert_eq!(last, [("b", None, Some(7), "w"), ("c", Some(42), None, "rm")]);
}

#[test]
fn users_have_low_ports_and_pings_in_a_network_of_their_own() {
    let of = |json: &str| {
        let json = format!(r#"{{"Cmd":["a"],"HostConfig":{{{json}}}}}"#);
        spec(&json).linux.unwrap().sysctl
    };
    let ports = "net.ipv4.ip_unprivileged_port_start";
    for json in ["", r#""NetworkMode":"none""#] {
        let set = of(json);
        assert_eq!(set[ports], "0");
        assert_eq!(set["net.ipv4.ping_group_range"], "0 2147483647");
    }
    assert!(of(r#""NetworkMode":"host""#).is_empty());
    assert!(of(r#""NetworkMode":"container:x""#).is_empty());
    assert_eq!(of(&format!(r#""Sysctls":{{"{ports}":"80"}}"#))[ports], "80");
}
