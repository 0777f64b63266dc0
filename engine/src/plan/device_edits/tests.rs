//! A device specification in, an edited container specification out.

use gantry_oci::runtime::{Linux, Process};
use serde_json::{Value, json};

use super::*;

fn read(document: Value) -> Result<Specification, String> {
    let read: Specification =
        serde_json::from_value(document).map_err(|error| error.to_string())?;
    read.check().map(|()| read)
}

fn with_edits(edits: &Value) -> Result<ContainerEdits, String> {
    let device = json!({"name": "0", "containerEdits": edits});
    let document = json!({"cdiVersion": "1.1.0", "kind": "vendor.com/thing", "devices": [device]});
    read(document).map(|read| read.devices[0].container_edits.clone())
}

#[test]
fn edits_reach_every_part() {
    let edits = with_edits(&json!({
        "env": ["A=new", "B=2"],
        "deviceNodes": [
            {"path": "/dev/x", "hostPath": "/dev/null", "type": "c", "major": 1, "minor": 3, "permissions": "r"},
            {"path": "/dev/y", "type": "p", "fileMode": 438},
            {"path": "/dev/z", "type": "b", "major": 7, "minor": 0, "permissions": "none"}
        ],
        "netDevices": [{"hostInterfaceName": "eth9", "name": "fast0"}],
        "hooks": [{"hookName": "createContainer", "path": "/bin/hook", "args": ["hook", "x"], "timeout": 5}],
        "mounts": [{"hostPath": "/usr/lib/v", "containerPath": "/usr/lib/v", "options": ["ro", "bind"]}],
        "intelRdt": {"closID": "gold", "enableCMT": true},
        "additionalGids": [0, 44, 44]
    }))
    .unwrap();
    let mount =
        |destination: &str| Mount { destination: destination.to_owned(), ..Mount::default() };
    let mut spec = Spec {
        process: Some(Process { env: vec!["A=old".to_owned()], ..Process::default() }),
        mounts: vec![mount("/usr/lib/v"), mount("/usr/lib/v/deeper/down"), mount("/proc")],
        linux: Some(Linux::default()),
        ..Spec::default()
    };
    edits.apply(&mut spec);
    let process = spec.process.unwrap();
    assert_eq!(process.env, ["A=new", "B=2"]);
    assert_eq!(process.user.additional_gids, [44]);
    let targets: Vec<_> = spec.mounts.iter().map(|mount| mount.destination.as_str()).collect();
    assert_eq!(targets, ["/proc", "/usr/lib/v", "/usr/lib/v/deeper/down"]);
    assert_eq!(spec.mounts[1].options, ["ro", "bind"]);
    assert_eq!(spec.hooks.unwrap().create_container[0].args, ["hook", "x"]);
    let linux = spec.linux.unwrap();
    assert_eq!(linux.devices.len(), 3);
    let rules = linux.resources.unwrap().devices;
    assert_eq!(rules.len(), 1, "a fifo has no number, and none means none");
    assert_eq!((rules[0].major, rules[0].access.as_str()), (Some(1), "r"));
    assert_eq!(linux.net_devices["eth9"].name, "fast0");
    assert!(linux.intel_rdt.unwrap().enable_monitoring);
}

#[test]
fn what_is_wrong_is_named() {
    for (edits, words) in [
        (json!({"env": ["=x"]}), "environment variable \"=x\""),
        (json!({"env": ["x"]}), "environment variable \"x\""),
        (json!({"deviceNodes": [{"path": "x"}]}), "device path \"x\""),
        (json!({"deviceNodes": [{"path": "/x", "type": "q"}]}), "invalid type \"q\""),
        (json!({"deviceNodes": [{"path": "/x", "major": -1}]}), "invalid number -1:0"),
        (json!({"deviceNodes": [{"path": "/x", "permissions": "x"}]}), "permissions \"x\""),
        (json!({"hooks": [{"hookName": "later", "path": "/x"}]}), "hook name \"later\""),
        (json!({"hooks": [{"hookName": "poststop", "path": "x"}]}), "no absolute path"),
        (json!({"mounts": [{"containerPath": "/x"}]}), "invalid mount"),
        (json!({"intelRdt": {"closID": ".."}}), "closID"),
        (json!({"netDevices": [{"hostInterfaceName": "", "name": "x"}]}), "no name"),
        (json!({"surprise": 1}), "unknown field `surprise`"),
    ] {
        let error = with_edits(&edits).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    let document = |version: &str, kind: &str, name: &str| {
        read(json!({"cdiVersion": version, "kind": kind, "devices": [{"name": name}]}))
    };
    for version in ["0.3.0", "0.8.0", "1.0.0", "1.1.0", "v1.2.0"] {
        document(version, "vendor.com/thing", "gpu0").unwrap();
    }
    for (version, kind, name) in [
        ("2.0.0", "vendor.com/thing", "0"),
        ("0.9.0", "vendor.com/thing", "0"),
        ("1", "vendor.com/thing", "0"),
        ("1.0.0", "thing", "0"),
        ("1.0.0", "vendor.com/", "0"),
        ("1.0.0", "vendor.com/thing", "a b"),
        ("1.0.0", "vendor.com/thing", ""),
    ] {
        document(version, kind, name).unwrap_err();
    }
    assert!(read(json!({"cdiVersion": "1.0.0", "kind": "a/b", "devices": []})).is_err());
}

#[test]
fn full_names() {
    assert!(is_qualified("vendor.com/class=gpu0") && is_qualified("nvidia.com/gpu=GPU-1:0"));
    for word in ["/dev/null", "vendor/class", "class=x", "vendor/class=", "a b/c=d", "v/c=/x"] {
        assert!(!is_qualified(word), "{word}");
    }
}
