//! Request and image in, plan and specification out.

use std::collections::BTreeSet;
use std::path::PathBuf;

use gantry_api::container::{CreateRequest, HostConfig};
use gantry_api::image::ImageConfig;
use gantry_oci::runtime::{NamespaceKind, Spec};
use gantry_types::{ContainerId, ErrorKind};

use super::*;

fn host() -> HostFacts {
    HostFacts {
        cpus: 2,
        memory_bytes: 1 << 30,
        capability_bounds: (1 << 41) - 1,
        cgroup_v2: false,
        hostname: "host".to_owned(),
    }
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
    ContainerPlan::resolve(&ContainerId::from_bytes([7; 32]), request(json), &image(), &host())
}

fn spec(json: &str) -> Spec {
    let facts = SpecFacts {
        container_dir: PathBuf::from("/data/c"),
        init: None,
        devices: Vec::new(),
        cgroup_path: "/gantry/c".to_owned(),
    };
    to_spec(&plan(json).unwrap().0, &facts)
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
            "invalid mount path: 'b' mount path must be absolute",
        ),
        (r#"{"HostConfig":{"Binds":["/a:/b","/c:/b/"]}}"#, "Duplicate mount point: /b"),
        (
            r#"{"HostConfig":{"Binds":["/a:/x/.."]}}"#,
            "invalid specification: destination can't be '/'",
        ),
        (r#"{"HostConfig":{"CapAdd":["FLY"]}}"#, "invalid capability: \"FLY\""),
        (r#"{"HostConfig":{"Ulimits":[{"Name":"x"}]}}"#, "invalid ulimit type: x"),
        (
            r#"{"HostConfig":{"AutoRemove":true,"RestartPolicy":{"Name":"always"}}}"#,
            "can't create 'AutoRemove' container with restart policy",
        ),
        (r#"{"Hostname":"a b"}"#, "invalid hostname \"a b\""),
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
    let cases = [
        (
            r#"{"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"80"}]}}}"#,
            "publishing ports (-p)",
        ),
        (r#"{"HostConfig":{"RestartPolicy":{"Name":"always"}}}"#, "a restart policy (--restart)"),
        (r#"{"HostConfig":{"Binds":["data:/d"]}}"#, "named volumes (-v data:/d)"),
        (r#"{"HostConfig":{"NetworkMode":"mine"}}"#, "network \"mine\""),
        (r#"{"HostConfig":{"LogConfig":{"Type":"syslog"}}}"#, "that log driver"),
        (r#"{"Healthcheck":{"Test":["CMD","true"]}}"#, "health checks (--health-cmd)"),
        (r#"{"HostConfig":{"UsernsMode":"keep-id"}}"#, "user namespaces (--userns)"),
    ];
    for (json, text) in cases {
        let error = plan(json).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotImplemented, "{json}: {error}");
        assert!(error.to_string().starts_with(text), "{json}: {error}");
    }
}

#[test]
fn the_missing_bridge_and_volumes_of_an_image_are_warnings() {
    let quiet = plan(r#"{"HostConfig":{"NetworkMode":"none"}}"#).unwrap().1;
    assert_eq!(quiet, [""; 0]);
    let image = ImageConfig { volumes: BTreeSet::from(["/data".to_owned()]), ..image() };
    let id = ContainerId::from_bytes([7; 32]);
    let warnings = ContainerPlan::resolve(&id, request("{}"), &image, &host()).unwrap().1;
    assert_eq!(warnings.len(), 2);
    assert!(warnings.iter().any(|text| text.contains("/data")), "{warnings:?}");
    assert!(warnings.iter().any(|text| text.contains("Bridge networking")), "{warnings:?}");
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
fn a_user_s_mount_replaces_the_engine_s() {
    let spec = spec(
        r#"{"HostConfig":{"Binds":["/my/hosts:/etc/hosts:ro"],"Tmpfs":{"/dev/shm":"size=1m,exec"}}}"#,
    );
    let at = |target: &str| -> Vec<_> {
        spec.mounts.iter().filter(|m| m.destination == target).collect()
    };
    assert_eq!(at("/etc/hosts").len(), 1);
    assert_eq!(at("/etc/hosts")[0].source, "/my/hosts");
    assert!(at("/etc/hosts")[0].options.contains(&"ro".to_owned()));
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
