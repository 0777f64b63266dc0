//! Request and image in, plan and specification out.

use std::collections::BTreeSet;
use std::path::PathBuf;

use gantry_api::container::{CreateRequest, HostConfig};
use gantry_api::image::ImageConfig;
use gantry_oci::runtime::{BlockIo, LinuxResources, NamespaceKind, Spec};
use gantry_types::{ContainerId, ErrorKind};

use super::*;

mod options;

fn host() -> HostFacts {
    HostFacts {
        cpus: 2,
        memory_bytes: 1 << 30,
        capability_bounds: (1 << 41) - 1,
        cgroup_v2: false,
        // What the kernel calls a host that nobody has named; nobody may ask for such a name.
        hostname: "(none)".to_owned(),
        default_bridge: true,
        recursive_read_only: true,
        network_sysctls: true,
        kernel: (6, 18),
        apparmor: false,
        apparmor_parser: None,
        selinux: false,
        limits: LimitSupport::everything(2),
    }
}

/// The plan with the engine's own defaults.
fn resolve(
    id: &ContainerId,
    request: CreateRequest,
    image: &ImageConfig,
) -> Result<(ContainerPlan, Vec<String>), Error> {
    let around = Surroundings {
        host: &host(),
        defaults: &ContainerDefaults::default(),
        logs: &LogDefaults::default(),
        cgroup_driver: CgroupDriver::Cgroupfs,
    };
    ContainerPlan::resolve(id, request, image, around)
}

fn image() -> ImageConfig {
    ImageConfig {
        env: vec!["PATH=/bin".to_owned(), "A=image".to_owned()],
        cmd: Some(vec!["sh".to_owned()]),
        ..ImageConfig::default()
    }
}

fn request(json: &str) -> CreateRequest {
    serde_json::from_str(json).unwrap()
}

fn plan(json: &str) -> Result<(ContainerPlan, Vec<String>), Error> {
    resolve(&ContainerId::from_bytes([7; 32]), request(json), &image())
}

/// What a start finds out where there is nothing to find.
fn facts() -> SpecFacts {
    SpecFacts {
        container_dir: PathBuf::from("/data/c"),
        joined: JoinedNamespaces::default(),
        init: None,
        devices: Vec::new(),
        host_queues: true,
        block_io: BlockIo::default(),
        edits: Vec::new(),
        cgroup_path: "/gantry/c".to_owned(),
        mount_label: String::new(),
        recursive_read_only: true,
        network_sysctls: true,
        environment: Vec::new(),
        sources: std::collections::BTreeMap::new(),
    }
}

fn spec(json: &str) -> Spec {
    to_spec(&plan(json).unwrap().0, &facts())
}

#[test]
fn words_come_from_the_request_and_the_image_as_in_docker() {
    let cases = [
        (r"{}", vec!["sh"]),
        (r#"{"Cmd":["ls","-l"]}"#, vec!["ls", "-l"]),
        (r#"{"Entrypoint":["/e"]}"#, vec!["/e"]),
        (r#"{"Entrypoint":["/e"],"Cmd":["x"]}"#, vec!["/e", "x"]),
        (r#"{"Entrypoint":[""],"Cmd":["x"]}"#, vec!["x"]),
    ];
    for (json, args) in cases {
        assert_eq!(plan(json).unwrap().0.args, args, "{json}");
    }
}

#[test]
fn variables_are_overridden_by_name() {
    let plan = plan(r#"{"Env":["A=own","B=","PATH"]}"#).unwrap().0;
    assert_eq!(plan.config.env, ["A=own", "B="]);
    let process = spec(r#"{"Env":["A=own"],"Hostname":"h"}"#).process.unwrap();
    assert_eq!(process.env, ["HOSTNAME=h", "PATH=/bin", "A=own"]);
}

#[test]
fn a_health_check_is_completed_setting_by_setting() {
    let image = ImageConfig {
        healthcheck: serde_json::from_str(
            r#"{"Test":["CMD","probe"],"Interval":1000000000,"Timeout":2000000000,"Retries":7}"#,
        )
        .unwrap(),
        ..image()
    };
    let check = |json: &str| {
        let config = process::complete(request(json).config, &image).unwrap();
        let check = config.healthcheck.unwrap();
        (check.test.join(" "), check.interval, check.timeout, check.start_period, check.retries)
    };
    let second = 1_000_000_000;
    assert_eq!(check("{}"), ("CMD probe".to_owned(), second, 2 * second, 0, 7));
    let own = r#"{"Healthcheck":{"Interval":5000000000,"StartPeriod":3000000000}}"#;
    assert_eq!(check(own), ("CMD probe".to_owned(), 5 * second, 2 * second, 3 * second, 7));
    assert_eq!(check(r#"{"Healthcheck":{"Test":["NONE"]}}"#).0, "NONE");
}

#[test]
fn an_image_cannot_ask_for_restarts() {
    let label = crate::container::RESTART_WHEN_UNHEALTHY;
    let labels =
        [(label, "true"), ("other", "x")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let image = ImageConfig { labels: labels.into_iter().collect(), ..image() };
    let labels = |json: &str| process::complete(request(json).config, &image).unwrap().labels;
    assert_eq!(labels("{}").into_keys().collect::<Vec<_>>(), ["other"]);
    let own = format!(r#"{{"Labels":{{"{label}":"yes"}}}}"#);
    assert_eq!(labels(&own)[label], "yes");
}

#[test]
fn bad_requests_are_told_in_docker_s_words() {
    let cases = [
        (r#"{"Cmd":[],"Entrypoint":[""]}"#, "no command specified"),
        (
            r#"{"WorkingDir":"x"}"#,
            "the working directory 'x' is invalid, it needs to be an absolute path",
        ),
        (r#"{"StopSignal":"NOPE"}"#, "Invalid signal: NOPE"),
        (r#"{"HostConfig":{"Memory":1048576}}"#, "Minimum memory limit allowed is 6MB"),
        (
            r#"{"HostConfig":{"NanoCpus":3000000000}}"#,
            "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
        ),
        (r#"{"HostConfig":{"Binds":["/a:/b:weird"]}}"#, "invalid mode: weird"),
        (
            r#"{"HostConfig":{"Binds":["/a:b"]}}"#,
            "invalid volume specification: '/a:b': invalid mount config for type \"bind\": invalid mount path: 'b' mount path must be absolute",
        ),
        (r#"{"HostConfig":{"Binds":["/a:/b","/c:/b/"]}}"#, "Duplicate mount point: /b"),
        (
            r#"{"HostConfig":{"Binds":["/a:/x/.."]}}"#,
            "invalid volume specification: '/a:/x/..': invalid mount config for type \"bind\": invalid specification: destination can't be '/'",
        ),
        (r#"{"HostConfig":{"CapAdd":["FLY"]}}"#, "invalid CapAdd: unknown capability: \"CAP_FLY\""),
        (r#"{"HostConfig":{"Ulimits":[{"Name":"x"}]}}"#, "invalid ulimit type: x"),
        (
            r#"{"HostConfig":{"AutoRemove":true,"RestartPolicy":{"Name":"always"}}}"#,
            "can't create 'AutoRemove' container with restart policy",
        ),
        (r#"{"Hostname":"a b"}"#, "invalid hostname \"a b\""),
        (
            r#"{"HostConfig":{"NetworkMode":"container:"}}"#,
            "Invalid network mode: invalid container",
        ),
        (
            r#"{"HostConfig":{"NetworkMode":"container:mine","Dns":["192.0.2.1"]}}"#,
            "conflicting options: dns and the network mode",
        ),
        (
            r#"{"HostConfig":{"NetworkMode":"container:mine","PublishAllPorts":true}}"#,
            "conflicting options: port publishing and the container type network mode",
        ),
        (
            r#"{"HostConfig":{"LogConfig":{"Config":{"max-size":"x"}}}}"#,
            "invalid value \"x\" for log option max-size",
        ),
    ];
    for (json, text) in cases {
        let error = plan(json).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{json}");
        assert!(error.to_string().starts_with(text), "{json}: {error}");
    }
}

#[test]
fn what_is_not_there_yet_is_refused_by_name() {
    let cases = [(r#"{"HostConfig":{"Cgroup":"container:x"}}"#, "a shared cgroup")];
    for (json, text) in cases {
        let error = plan(json).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotImplemented, "{json}: {error}");
        assert!(error.to_string().starts_with(text), "{json}: {error}");
    }
}

#[test]
fn volumes_are_named_nameless_or_of_the_image() {
    let binds = host_config(r#""Binds":["data:/d:ro,nocopy","/only","/host:/h"]"#);
    let sources: Vec<_> = binds.mounts.iter().map(|one| (&*one.target, one.volume())).collect();
    let (named, nameless) = (sources[0].1.unwrap(), sources[2].1.unwrap());
    assert_eq!(
        (sources[0].0, named.name_text(), named.copy, named.anonymous),
        ("/d", "data", false, false)
    );
    assert!(binds.mounts[0].read_only && sources[1].1.is_none());
    assert_eq!((sources[2].0, nameless.name_text(), nameless.anonymous), ("/only", "", true));
    let image = ImageConfig { volumes: BTreeSet::from(["/data".to_owned()]), ..image() };
    let id = ContainerId::from_bytes([7; 32]);
    let (mut plan, _) = resolve(&id, request("{}"), &image).unwrap();
    complete_mounts(&mut plan.mounts, Vec::new(), (&plan.config.volumes, "")).unwrap();
    assert!(plan.mounts[0].volume().is_some_and(|volume| volume.anonymous));
    let json =
        r#""VolumeDriver":"other","Binds":["data:/d"],"Mounts":[{"Type":"volume","Target":"/m"}]"#;
    let drivers = host_config(json).mounts;
    let drivers: Vec<_> = drivers.iter().map(|one| &*one.volume().unwrap().driver).collect();
    assert_eq!(drivers, ["other", ""], "a mount has a driver of its own or none");
    let volume = |options: &str| {
        format!(
            r#""Mounts":[{{"Type":"volume","Source":"data","Target":"/d","VolumeOptions":{{{options}}}}}]"#
        )
    };
    let invalid = "invalid mount config for type \"volume\": ";
    refused_by_host_config(&[
        (&volume(r#""Subpath":"/a""#), invalid),
        (&volume(r#""Subpath":"a/../../b""#), invalid),
        (r#""Mounts":[{"Type":"volume","Target":"/d","VolumeOptions":{"Subpath":"a"}}]"#, invalid),
        (r#""Mounts":[{"Type":"image","Target":"/d"}]"#, "invalid mount config for type \"image\""),
        (r#""Binds":["a b:/d"]"#, "create a b: \"a b\" includes invalid characters"),
        (r#""Binds":["data:/d:rslave"]"#, invalid),
        (r#""Binds":["data:/d","/h:/d"]"#, "Duplicate mount point: /d"),
        (r#""StorageOpt":{"size":"much"}"#, "--storage-opt size: invalid size: 'much'"),
        (r#""StorageOpt":{"size":"1k"}"#, "the size of a writable layer cannot be below 64 KiB"),
        (r#""StorageOpt":{"color":"red"}"#, "unknown storage option color=red"),
    ]);
}

#[test]
fn namespaces_follow_the_modes() {
    use NamespaceKind::{Cgroup, Ipc, Mount, Network, Pid, Uts};
    let kinds = |json: &str| -> Vec<NamespaceKind> {
        spec(json).linux.unwrap().namespaces.into_iter().map(|namespace| namespace.kind).collect()
    };
    assert_eq!(kinds("{}"), [Mount, Network, Uts, Pid, Ipc]);
    let host = r#"{"HostConfig":{"NetworkMode":"host","PidMode":"host","IpcMode":"host","UTSMode":"host","CgroupnsMode":"private"}}"#;
    assert_eq!(kinds(host), [Mount, Cgroup]);
    assert_eq!(plan(host).unwrap().0.config.hostname, "(none)");
}

#[test]
fn defaults_are_docker_s() {
    let plan = plan("{}").unwrap().0;
    assert_eq!(plan.capabilities.len(), 14);
    assert_eq!(plan.config.hostname, "070707070707");
    assert_eq!((plan.stop_signal, plan.stop_timeout_s), (Signal::TERM, 10));
    let HostConfig { shm_size, network_mode, ipc_mode, cgroupns_mode, .. } = plan.host_config;
    assert_eq!(shm_size, 64 << 20);
    assert_eq!((&*network_mode, &*ipc_mode, &*cgroupns_mode), ("bridge", "private", "host"));
    let linux = spec("{}").linux.unwrap();
    assert!(linux.masked_paths.contains(&"/proc/kcore".to_owned()));
    assert!(linux.seccomp.is_some());
    assert!(linux.resources.unwrap().devices.first().is_some_and(|rule| !rule.allow));
}

#[test]
fn privileged_takes_the_walls_down() {
    let json = r#"{"HostConfig":{"Privileged":true}}"#;
    assert_eq!(plan(json).unwrap().0.capabilities.len(), 41);
    let linux = spec(json).linux.unwrap();
    assert!(
        linux.seccomp.is_none() && linux.masked_paths.is_empty() && linux.readonly_paths.is_empty()
    );
}

#[test]
fn what_all_containers_have_mounted_has_its_place() {
    let has_place = |destination: &str| {
        let path = destination.trim_start_matches('/');
        // What lies in another mount has its place there.
        let inside = ["proc/", "dev/", "sys/"].iter().any(|mount| path.starts_with(mount));
        inside || POINTS.directories.contains(&path) || POINTS.files.contains(&path)
    };
    let mounts = spec("{}").mounts;
    assert!(mounts.len() > 8, "{mounts:?}");
    let without: Vec<_> = mounts.iter().filter(|m| !has_place(&m.destination)).collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn a_user_s_mount_replaces_the_engine_s() {
    let spec = spec(
        r#"{"HostConfig":{"Binds":["/my/hosts:/etc/hosts:ro"],"Tmpfs":{"/dev/shm":"size=1m,exec"}}}"#,
    );
    let at = |target: &str| -> Vec<_> {
        spec.mounts.iter().filter(|m| m.destination == target).collect()
    };
    assert_eq!(at("/etc/hosts").len(), 1);
    assert_eq!(at("/etc/hosts")[0].source, "/my/hosts");
    assert!(at("/etc/hosts")[0].options.contains(&"rro".to_owned()));
    assert_eq!(at("/dev/shm").len(), 1);
    assert_eq!(at("/dev/shm")[0].options, ["nosuid", "nodev", "size=1m", "rw"]);
}

#[test]
fn limits_become_resources() {
    let json = r#"{"HostConfig":{"Memory":67108864,"NanoCpus":1500000000,"PidsLimit":50,"CpusetCpus":"0"}}"#;
    let resources = plan(json).unwrap().0.resources;
    let memory = resources.memory.unwrap();
    assert_eq!((memory.limit, memory.swap), (Some(64 << 20), Some(128 << 20)));
    let cpu = resources.cpu.unwrap();
    assert_eq!((cpu.quota, cpu.period, &*cpu.cpus), (Some(150_000), Some(100_000), "0"));
    assert_eq!(resources.pids.unwrap().limit, Some(50));
}

/// Each request is refused as malformed, and the reason begins with these words.
fn refused(cases: &[(&str, &str)]) {
    for (json, text) in cases {
        let Err(error) = plan(json) else { panic!("accepted: {json}") };
        assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{json}: {error}");
        assert!(error.to_string().starts_with(text), "{json}: {error}");
    }
}

/// As [`refused`], for settings of the host's half.
fn refused_by_host_config(cases: &[(&str, &str)]) {
    for (json, text) in cases {
        refused(&[(&format!(r#"{{"HostConfig":{{{json}}}}}"#), text)]);
    }
}

fn host_config(json: &str) -> ContainerPlan {
    let result = plan(&format!(r#"{{"HostConfig":{{{json}}}}}"#));
    result.unwrap_or_else(|error| panic!("{json}: {error}")).0
}

#[test]
fn numbers_out_of_range_are_refused_at_create() {
    let cpus = "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available";
    refused_by_host_config(&[
        (r#""OomScoreAdj":1001"#, "Invalid value 1001, range for oom score adj is [-1000, 1000]"),
        (r#""OomScoreAdj":-1001"#, "Invalid value -1001, range for oom score adj is"),
        (r#""OomScoreAdj":99999999999"#, "Invalid value 99999999999, range for oom score adj"),
        (r#""ShmSize":-1"#, "SHM size can not be less than 0"),
        (r#""NanoCpus":9999999"#, cpus),
        (r#""NanoCpus":-1"#, cpus),
        (r#""CpusetCpus":"42-3,1--""#, "Invalid value 42-3,1-- for cpuset cpus"),
        (r#""CpusetMems":"0,""#, "Invalid value 0, for cpuset mems"),
        (
            r#""Ulimits":[{"Name":"core"},{"Name":"CORE"}]"#,
            "ulimit CORE is given twice: give it once",
        ),
    ]);
    let score = |json: &str| spec(json).process.unwrap().oom_score_adj;
    assert_eq!(score(r#"{"HostConfig":{"OomScoreAdj":-1000}}"#), Some(-1000));
    assert_eq!(score(r#"{"HostConfig":{"OomScoreAdj":1000}}"#), Some(1000));
    assert_eq!(score("{}"), None);
    let cpu = host_config(r#""NanoCpus":10000000,"CpusetCpus":"0-1""#).resources.cpu.unwrap();
    assert_eq!((cpu.quota, &*cpu.cpus), (Some(1_000), "0-1"));
}

#[test]
fn no_nul_byte_gets_through() {
    refused(&[
        (r#"{"User":"a\u0000b"}"#, r#"invalid user "a\0b": it has a NUL byte in it"#),
        (r#"{"WorkingDir":"/a\u0000b"}"#, r#"invalid working directory "/a\0b""#),
        (r#"{"Env":["A=\u0000"]}"#, r"invalid environment variable: A=\0"),
        (r#"{"Env":["A\u0000"]}"#, r"invalid environment variable: A\0"),
        (r#"{"Cmd":["a\u0000"]}"#, "invalid command: an argument has a NUL byte in it"),
    ]);
    let path = r#"invalid mount path "/a\0": it has a NUL byte in it"#;
    refused_by_host_config(&[
        (r#""Binds":["/a\u0000:/b"]"#, path),
        (r#""Binds":["/b:/a\u0000"]"#, path),
        (
            r#""Mounts":[{"Type":"bind","Source":"/a\u0000","Target":"/b"}]"#,
            &format!("invalid mount config for type \"bind\": {path}"),
        ),
        (
            r#""Mounts":[{"Type":"bind","Source":"/b","Target":"/a\u0000"}]"#,
            &format!("invalid mount config for type \"bind\": {path}"),
        ),
        (r#""Devices":[{"PathOnHost":"/dev/\u0000"}]"#, r#"invalid device path "/dev/\0""#),
        (r#""MaskedPaths":["/\u0000"]"#, r#"invalid masked path "/\0""#),
        (r#""ReadonlyPaths":["/\u0000"]"#, r#"invalid read-only path "/\0""#),
        (r#""Sysctls":{"net.a":"\u0000"}"#, r#"sysctl "net.a" has a NUL byte in it"#),
        (r#""Tmpfs":{"/t":"mpol=\u0000"}"#, r#"invalid tmpfs option ["mpol=\0"]"#),
    ]);
    let image = ImageConfig { env: vec!["A=\0".to_owned()], ..image() };
    let id = ContainerId::from_bytes([7; 32]);
    let error = resolve(&id, request("{}"), &image).unwrap_err();
    assert!(error.to_string().starts_with(r#"invalid environment variable "A=\0""#), "{error}");
}

#[test]
fn a_cgroup_parent_stays_below_the_hierarchy() {
    let long = "n/".repeat(2020);
    refused_by_host_config(&[
        (r#""CgroupParent":"/a/../..""#, "invalid cgroup parent: "),
        (r#""CgroupParent":"..""#, "invalid cgroup parent: "),
        (r#""CgroupParent":"/""#, "invalid cgroup parent: "),
        (r#""CgroupParent":"a\nb""#, "invalid cgroup parent: "),
        // By itself it is short enough, with the container's own name in it it is not.
        (&format!(r#""CgroupParent":"{long}""#), "invalid cgroup parent: "),
    ]);
    for parent in ["", "mine", "/mine/below/"] {
        host_config(&format!(r#""CgroupParent":"{parent}""#));
    }
}

#[test]
fn sysctls_need_a_namespace_of_the_container_s_own() {
    let outside = |name: &str| format!("sysctl {name:?} is not in a separate kernel namespace");
    let ipc = "sysctl \"kernel.shmmax\" is not allowed in the hosts ipc namespace";
    refused_by_host_config(&[
        (r#""Sysctls":{"kernel.panic":"1"}"#, &outside("kernel.panic")),
        (r#""Sysctls":{"vm/swappiness":"1"}"#, &outside("vm/swappiness")),
        (r#""Sysctls":{"":"1"}"#, "sysctl \"\" is not the name of a kernel parameter"),
        (r#""Sysctls":{"net/../kernel/panic":"1"}"#, "sysctl \"net/../kernel/panic\" is not"),
        (r#""Sysctls":{"kernel.hostname":"h"}"#, "sysctl \"kernel.hostname\" is not allowed"),
        (
            r#""Sysctls":{"net.core.somaxconn":"1"},"NetworkMode":"host""#,
            "sysctl \"net.core.somaxconn\" not allowed in host network namespace",
        ),
        (r#""Sysctls":{"kernel.shmmax":"1"},"IpcMode":"host""#, ipc),
        (
            r#""Sysctls":{"fs.mqueue.msg_max":"1"},"IpcMode":"host""#,
            "sysctl \"fs.mqueue.msg_max\" is not allowed in the hosts ipc namespace",
        ),
        (
            r#""Sysctls":{"kernel.domainname":"d"},"UTSMode":"host""#,
            "sysctl \"kernel.domainname\" is not allowed in the hosts uts namespace",
        ),
    ]);
    let json = r#""Sysctls":{"net.ipv4.conf.eth0/1.arp_ignore":"1","net/core/somaxconn":"1",
        "kernel.sem":"1 2 3 4","fs.mqueue.msg_max":"1","kernel.domainname":"d"}"#;
    assert_eq!(host_config(json).host_config.sysctls.len(), 5);
    host_config(r#""Sysctls":{"kernel.shmmax":"1"},"NetworkMode":"host","IpcMode":"none""#);
}

#[test]
fn groups_are_numbers_or_names_for_the_runtime() {
    let range = "uids and gids must be in range 0-2147483647: --group-add ";
    refused_by_host_config(&[
        (r#""GroupAdd":["4294967295"]"#, range),
        (r#""GroupAdd":["99999999999999999999"]"#, range),
        (r#""GroupAdd":["-1"]"#, range),
        (r#""GroupAdd":["+5"]"#, range),
        (r#""GroupAdd":[""]"#, "unable to find group \"\": it is not a group's name"),
        (r#""GroupAdd":["a:b"]"#, "unable to find group \"a:b\""),
        (r#""GroupAdd":["a\u0000"]"#, "unable to find group \"a\\0\""),
    ]);
    let json = r#"{"HostConfig":{"GroupAdd":["audio","7","2147483647","1a"]}}"#;
    let user = spec(json).process.unwrap().user;
    assert_eq!(user.additional_gids, [7, 2_147_483_647]);
    assert_eq!(user.additional_group_names, ["audio", "1a"]);
    let exec = exec_process(&plan(json).unwrap().0, &serde_json::from_str("{}").unwrap(), &[]);
    assert_eq!(exec.user, user);
}

/// The options of the one mount at `/t`, as the runtime gets them.
fn options_at_t(json: &str) -> (String, Vec<String>) {
    let spec = spec(&format!(r#"{{"HostConfig":{{{json}}}}}"#));
    let mount = spec.mounts.into_iter().find(|mount| mount.destination == "/t").unwrap();
    (mount.kind, mount.options)
}

#[test]
fn a_tmpfs_takes_only_a_tmpfs_s_options() {
    let mount = |options: &str| {
        format!(r#""Mounts":[{{"Type":"tmpfs","Target":"/t","TmpfsOptions":{options}}}]"#)
    };
    let invalid = "invalid mount config for type \"tmpfs\": ";
    for option in [
        "bind",
        "rbind",
        "rro",
        "shared",
        "tmpcopyup",
        "defaults",
        "",
        "exec=1",
        "size",
        "size=-1",
        "size=1q",
        "mode=9",
        "uid=-1",
        "gid=4294967295",
        "nr_inodes=5%",
        "mpol=",
        "ro\\u0000",
    ] {
        refused_by_host_config(&[(
            &mount(&format!(r#"{{"Options":[["{option}"]]}}"#)),
            &format!("{invalid}invalid option"),
        )]);
        if !option.is_empty() {
            let tmpfs = format!(r#""Tmpfs":{{"/t":"{option}"}}"#);
            refused_by_host_config(&[(&tmpfs, "invalid tmpfs option [")]);
        }
    }
    refused_by_host_config(&[
        (
            &mount(r#"{"Options":[["size","1m","2m"]]}"#),
            "invalid mount config for type \"tmpfs\": invalid option array length",
        ),
        (
            &mount(r#"{"Options":[[]]}"#),
            "invalid mount config for type \"tmpfs\": invalid option array length",
        ),
        (
            &mount(r#"{"Options":[["size","1m,bind"]]}"#),
            "invalid mount config for type \"tmpfs\": invalid option: size=1m,bind",
        ),
        (&mount(r#"{"SizeBytes":-1}"#), "invalid mount config for type \"tmpfs\": invalid size"),
    ]);
    let cases = [
        (mount(r#"{"SizeBytes":4096,"Mode":1016,"Options":[["exec"],["uid","5"],["noatime"]]}"#),
            "nosuid nodev size=4096 mode=1770 uid=5 noatime rw"),
        (mount(r#"{"Options":[["ro"]]}"#), "nosuid nodev noexec ro"),
        (r#""Tmpfs":{"/t":"exec,noexec,ro,rw,size=50%,nr_inodes=0x10k"}"#.to_owned(),
            "nosuid nodev noexec size=50% nr_inodes=0x10k rw"),
        (r#""Mounts":[{"Type":"tmpfs","Target":"/t","ReadOnly":true,"TmpfsOptions":{"Options":[["rw"]]}}]"#.to_owned(),
            "nosuid nodev noexec ro"),
    ];
    for (json, words) in cases {
        let (kind, options) = options_at_t(&json);
        assert_eq!((&*kind, &*options.join(" ")), ("tmpfs", words), "{json}");
    }
}

#[test]
fn a_mount_has_only_its_own_type_s_options() {
    let cases = [
        ("bind", "VolumeOptions"),
        ("bind", "TmpfsOptions"),
        ("bind", "ImageOptions"),
        ("bind", "ClusterOptions"),
        ("tmpfs", "BindOptions"),
        ("tmpfs", "VolumeOptions"),
    ];
    for (kind, field) in cases {
        let source = if kind == "bind" { r#""Source":"/s","# } else { "" };
        let json =
            format!(r#""Mounts":[{{"Type":"{kind}",{source}"Target":"/t","{field}":{{}}}}]"#);
        let text = format!(
            "invalid mount config for type \"{kind}\": field {field} must not be specified"
        );
        refused_by_host_config(&[(&json, &text)]);
    }
    let bind = |more: &str| {
        let mount = r#"{"Type":"bind","Source":"/s","Target":"/t""#;
        options_at_t(&format!(r#""Mounts":[{mount}{more}}}]"#)).1
    };
    assert_eq!(bind(""), ["rbind", "rw", "rprivate"]);
    // As far as the kernel can, and no further than asked.
    assert_eq!(bind(r#","ReadOnly":true"#), ["rbind", "rro", "rprivate"]);
    let options = r#","ReadOnly":true,"BindOptions":{"ReadOnlyNonRecursive":true}"#;
    assert_eq!(bind(options), ["rbind", "ro", "rprivate"]);
    let options = r#","ReadOnly":true,"BindOptions":{"NonRecursive":true,"Propagation":"rslave"}"#;
    assert_eq!(bind(options), ["bind", "ro", "rslave"]);
    let options = r#","ReadOnly":true,"BindOptions":{"ReadOnlyForceRecursive":true}"#;
    assert_eq!(bind(options), ["rbind", "rro", "rprivate"]);
}

#[test]
fn a_plan_of_an_earlier_version_can_be_read() {
    let json = r#"{"HostConfig":{"Binds":["/a:/b"]}}"#;
    let plan = plan(json).unwrap().0;
    let mut record = serde_json::to_value(&plan).unwrap();
    let fields = record.as_object_mut().unwrap();
    assert!(fields.remove("additional_group_names").is_some());
    assert!(fields.remove("oom_score_adj").is_some());
    let bind = record.pointer_mut("/mounts/0/source/Bind").unwrap().as_object_mut().unwrap();
    assert!(bind.remove("read_only_below").is_some());
    assert_eq!(serde_json::from_value::<ContainerPlan>(record).unwrap(), plan);
}
