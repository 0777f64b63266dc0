//! Golden shapes: what clients send is read, and what they read is written, byte for byte where it counts.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::container::{
    Config, ContainerInspect, ContainerSummary, CreateRequest, CreateResponse, HostConfig,
    WaitResponse,
};
use crate::exec::{ExecCreateRequest, ExecInspect, ExecProcessConfig};
use crate::image::{DeleteItem, ImageInspect, ImageSummary, ProgressMessage};
use crate::network::{EndpointSettings, Port, PortBinding};
use crate::system::{Info, Version};

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

/// The names of an object's fields, in the order they are written.
fn fields<T: Serialize>(value: &T) -> Vec<String> {
    let text = text(value);
    let mut depth = 0;
    let mut names = Vec::new();
    let mut parts = text.split('"').peekable();
    while let Some(outside) = parts.next() {
        depth += outside.matches(['{', '[']).count();
        depth -= outside.matches(['}', ']']).count();
        let Some(inside) = parts.next() else { break };
        if depth == 1 && parts.peek().is_some_and(|next| next.starts_with(':')) {
            names.push(inside.to_owned());
        }
    }
    names
}

#[test]
fn reads_what_the_docker_command_line_sends() {
    let request: CreateRequest =
        serde_json::from_str(include_str!("../testdata/create-28.2.json")).unwrap();
    assert_eq!(request.config.image, "hello-world");
    assert_eq!(request.config.entrypoint, Some(vec![String::new()]));
    assert_eq!(request.config.cmd, Some(vec!["a".to_owned(), "b".to_owned()]));
    assert!(request.config.exposed_ports.contains("80/tcp"));
    let host = &request.host_config;
    assert_eq!(host.memory, 64 << 20);
    assert_eq!(host.memory_swappiness, Some(-1));
    assert_eq!(host.init, Some(true));
    assert_eq!(host.masked_paths, None);
    assert_eq!(host.ulimits[0].soft, 5);
    let bound = PortBinding { host_ip: String::new(), host_port: "80".to_owned() };
    assert_eq!(host.port_bindings["80/tcp"], Some(vec![bound]));
    assert_eq!(
        request.networking_config.endpoints_config["default"],
        Some(EndpointSettings::default())
    );
}

#[test]
fn what_the_docker_command_line_sends_comes_out_as_it_went_in() {
    let sent: Value = serde_json::from_str(include_str!("../testdata/create-28.2.json")).unwrap();
    let request: CreateRequest = read(sent.clone());
    let mut written = serde_json::to_value(&request).unwrap();
    // Sent as an empty set; we tell it as dockerd's inspect does.
    assert_eq!(written["Volumes"], Value::Null);
    written["Volumes"] = json!({});
    // Sent as null; absent since 1.52, and told to older clients by the edge.
    assert_eq!(written.get("OnBuild"), None);
    written["OnBuild"] = Value::Null;
    assert_eq!(written, sent);
}

#[test]
fn null_and_absent_are_the_default_everywhere() {
    let all_null: serde_json::Map<String, Value> =
        fields(&HostConfig::default()).into_iter().map(|name| (name, Value::Null)).collect();
    assert!(all_null.len() > 60);
    assert_eq!(read::<HostConfig>(Value::Object(all_null)), HostConfig::default());
    assert_eq!(read::<HostConfig>(json!({})), HostConfig::default());
    assert_eq!(read::<CreateRequest>(json!({"HostConfig": null})), CreateRequest::default());
    let config =
        json!({"Env": null, "ExposedPorts": null, "Labels": null, "Cmd": null, "Tty": null});
    assert_eq!(read::<Config>(config), Config::default());
}

#[test]
fn words_come_as_a_string_or_a_list() {
    let config: Config = read(json!({"Cmd": "sh", "Entrypoint": [], "Shell": ["a", "b"]}));
    assert_eq!(config.cmd, Some(vec!["sh".to_owned()]));
    assert_eq!(config.entrypoint, Some(Vec::new()));
    assert_eq!(config.shell, ["a", "b"]);
    let error = serde_json::from_value::<Config>(json!({"Cmd": 7})).unwrap_err();
    assert!(error.to_string().contains("a string or a list of strings"), "{error}");
}

#[test]
fn sets_are_objects_with_empty_values() {
    let config: Config =
        read(json!({"Volumes": {"/a": {}, "/b": null}, "ExposedPorts": {"1/tcp": {}}}));
    let written = serde_json::to_value(&config).unwrap();
    assert_eq!(written["Volumes"], json!({"/a": {}, "/b": {}}));
    assert_eq!(written["ExposedPorts"], json!({"1/tcp": {}}));
    let empty = serde_json::to_value(Config::default()).unwrap();
    assert_eq!(empty["Volumes"], Value::Null);
    assert_eq!(empty.get("ExposedPorts"), None);
}

#[test]
fn unknown_fields_pass_and_wrong_kinds_do_not() {
    assert_eq!(read::<Config>(json!({"Flavour": 1})), Config::default());
    assert!(serde_json::from_value::<Config>(json!({"Tty": "yes"})).is_err());
    assert!(serde_json::from_value::<HostConfig>(json!({"Memory": "64m"})).is_err());
    assert!(serde_json::from_value::<HostConfig>(json!({"BlkioWeight": 70000})).is_err());
}

#[test]
fn a_default_config_shows_what_dockerd_shows() {
    let expected = concat!(
        r#"{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"#,
        r#""AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"#,
        r#""Cmd":null,"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"#,
        r#""Labels":{}}"#
    );
    assert_eq!(text(&Config::default()), expected);
}

#[test]
fn inspect_has_every_field_clients_look_for() {
    let expected = [
        "Id",
        "Created",
        "Path",
        "Args",
        "State",
        "Image",
        "ResolvConfPath",
        "HostnamePath",
        "HostsPath",
        "LogPath",
        "Name",
        "RestartCount",
        "Driver",
        "Platform",
        "MountLabel",
        "ProcessLabel",
        "AppArmorProfile",
        "ExecIDs",
        "HostConfig",
        "GraphDriver",
        "Mounts",
        "Config",
        "NetworkSettings",
    ];
    let inspect = ContainerInspect::default();
    assert_eq!(fields(&inspect), expected);
    let state = [
        "Status",
        "Running",
        "Paused",
        "Restarting",
        "OOMKilled",
        "Dead",
        "Pid",
        "ExitCode",
        "Error",
        "StartedAt",
        "FinishedAt",
    ];
    assert_eq!(fields(&inspect.state), state);
    let settings = ["SandboxID", "SandboxKey", "Ports", "Networks"];
    assert_eq!(fields(&inspect.network_settings), settings);
}

#[test]
fn inspect_says_null_where_dockerd_does() {
    let written = serde_json::to_value(ContainerInspect::default()).unwrap();
    for (path, value) in [
        ("/Args", json!([])),
        ("/ExecIDs", Value::Null),
        ("/Mounts", json!([])),
        ("/HostConfig/Binds", Value::Null),
        ("/HostConfig/Dns", json!([])),
        ("/HostConfig/MaskedPaths", Value::Null),
        ("/HostConfig/PidsLimit", Value::Null),
        ("/GraphDriver/Data", Value::Null),
        ("/NetworkSettings/Ports", json!({})),
    ] {
        assert_eq!(written.pointer(path), Some(&value), "{path}");
    }
}

#[test]
fn a_row_of_the_container_list() {
    let expected = concat!(
        r#"{"Id":"","Names":[],"Image":"","ImageID":"","Command":"","Created":0,"Ports":[],"#,
        r#""Labels":{},"State":"","Status":"","HostConfig":{},"NetworkSettings":{"Networks":{}},"#,
        r#""Mounts":[]}"#
    );
    assert_eq!(text(&ContainerSummary::default()), expected);
    let port = Port { private_port: 80, r#type: "tcp".to_owned(), ..Port::default() };
    assert_eq!(text(&port), r#"{"PrivatePort":80,"Type":"tcp"}"#);
}

#[test]
fn small_answers() {
    let created = CreateResponse { id: "ab".to_owned(), warnings: Vec::new() };
    assert_eq!(text(&created), r#"{"Id":"ab","Warnings":[]}"#);
    assert_eq!(read::<CreateResponse>(json!({"Id": "ab", "Warnings": null})), created);
    assert_eq!(text(&WaitResponse::default()), r#"{"StatusCode":0}"#);
    assert_eq!(text(&DeleteItem::untagged("a:b")), r#"{"Untagged":"a:b"}"#);
    assert_eq!(text(&DeleteItem::deleted("sha256:1")), r#"{"Deleted":"sha256:1"}"#);
}

#[test]
fn exec_documents() {
    let request: ExecCreateRequest = serde_json::from_str(
        r#"{"User":"","Privileged":false,"Tty":true,"AttachStdin":true,"AttachStderr":true,
            "AttachStdout":true,"Detach":false,"DetachKeys":"","Env":null,"WorkingDir":"","Cmd":["ls"]}"#,
    )
    .unwrap();
    assert!(request.tty && request.cmd == ["ls"] && request.console_size.is_none());
    let names = [
        "ID",
        "Running",
        "ExitCode",
        "ProcessConfig",
        "OpenStdin",
        "OpenStderr",
        "OpenStdout",
        "CanRemove",
        "ContainerID",
        "DetachKeys",
        "Pid",
    ];
    assert_eq!(fields(&ExecInspect::default()), names);
    let process = ExecProcessConfig { entrypoint: "ls".to_owned(), ..ExecProcessConfig::default() };
    assert_eq!(text(&process), r#"{"tty":false,"entrypoint":"ls","arguments":[]}"#);
}

#[test]
fn image_documents() {
    let row = concat!(
        r#"{"Containers":0,"Created":0,"Id":"","Labels":null,"ParentId":"","RepoDigests":[],"#,
        r#""RepoTags":[],"SharedSize":0,"Size":0}"#
    );
    assert_eq!(text(&ImageSummary::default()), row);
    let written = serde_json::to_value(ImageInspect::default()).unwrap();
    assert_eq!(written["Config"], json!({}));
    assert_eq!(written.get("Created"), None);
    assert_eq!(written["RootFS"], json!({"Type": ""}));
}

#[test]
fn progress_lines() {
    assert_eq!(
        text(&ProgressMessage::stream("Loaded image: a:b\n")),
        r#"{"stream":"Loaded image: a:b\n"}"#
    );
    assert_eq!(text(&ProgressMessage::status("", "sha256:1")), r#"{"status":"sha256:1"}"#);
    assert_eq!(
        text(&ProgressMessage::error("no")),
        r#"{"errorDetail":{"message":"no"},"error":"no"}"#
    );
    assert_eq!(
        text(&ProgressMessage::failed_with(9, "no")),
        r#"{"errorDetail":{"code":9,"message":"no"},"error":"no"}"#
    );
}

#[test]
fn system_documents() {
    let version = Version { api_version: "1.50".to_owned(), ..Version::default() };
    let expected = concat!(
        r#"{"Platform":{"Name":""},"Version":"","ApiVersion":"1.50","GitCommit":"","#,
        r#""GoVersion":"","Os":"","Arch":""}"#
    );
    assert_eq!(text(&version), expected);
    let names = fields(&Info::default());
    for name in [
        "ID",
        "NCPU",
        "NFd",
        "OSType",
        "CPUShares",
        "CPUSet",
        "CpuCfsPeriod",
        "IPv4Forwarding",
        "MemTotal",
        "HttpProxy",
        "RegistryConfig",
        "CDISpecDirs",
        "RuncCommit",
        "Warnings",
        "DriverStatus",
    ] {
        assert!(names.iter().any(|known| known == name), "{name} is missing in {names:?}");
    }
    let info = Info { driver_status: vec![("a".to_owned(), "b".to_owned())], ..Info::default() };
    assert_eq!(serde_json::to_value(&info).unwrap()["DriverStatus"], json!([["a", "b"]]));
}
