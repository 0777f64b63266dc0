//! Documents in, values out, and back.

use super::*;

#[test]
fn a_document_of_a_go_program_is_read_with_its_nulls_and_unknown_fields() {
    let text = r#"{
        "ociVersion": "1.2.1",
        "futureField": {"a": [1]},
        "process": {
            "user": {"uid": 1000, "gid": 1000, "additionalGids": null, "umask": 18},
            "args": ["sh"], "env": null, "cwd": "/",
            "capabilities": {"bounding": ["CAP_CHOWN"], "ambient": null},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 18446744073709551615, "soft": 1024}],
            "execCPUAffinity": {"initial": "0", "final": "1-2"}
        },
        "root": {"path": "rootfs"},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc", "options": null}],
        "linux": {
            "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 65536}],
            "resources": {
                "devices": null,
                "blockIO": {"throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 7}]},
                "memory": {"disableOOMKiller": true, "kernelTCP": -1},
                "pids": {"limit": 0}
            },
            "namespaces": [{"type": "pid"}, {"type": "network", "path": "/proc/1/ns/net"}],
            "seccomp": {
                "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
                "syscalls": [{"names": ["personality"], "action": "SCMP_ACT_ALLOW",
                    "args": [{"index": 0, "value": 8, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}]}]
            }
        }
    }"#;
    let spec: Spec = serde_json::from_str(text).unwrap();
    let process = spec.process.as_ref().unwrap();
    assert_eq!(process.user.umask, Some(0o22));
    assert_eq!(process.rlimits[0].hard, u64::MAX);
    assert_eq!(process.exec_cpu_affinity.as_ref().unwrap().last, "1-2");
    let linux = spec.linux.as_ref().unwrap();
    let resources = linux.resources.as_ref().unwrap();
    assert_eq!(resources.block_io.as_ref().unwrap().throttle_read_iops_device[0].rate, 7);
    assert_eq!(resources.memory.as_ref().unwrap().disable_oom_killer, Some(true));
    assert_eq!(resources.pids.unwrap().limit, Some(0));
    assert_eq!(linux.namespaces[1].kind, NamespaceKind::Network);
    assert_eq!(linux.seccomp.as_ref().unwrap().syscalls[0].args[0].value_two, 1);

    let again: Spec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
    assert_eq!(again, spec);
}

#[test]
fn ids_outside_32_bits_are_refused() {
    for uid in ["-1", "4294967296", "1.5", "\"0\""] {
        let text = format!(r#"{{"uid": {uid}, "gid": 0}}"#);
        assert!(serde_json::from_str::<User>(&text).is_err(), "uid {uid} was accepted");
    }
}

#[test]
fn an_unknown_namespace_is_refused() {
    assert!(serde_json::from_str::<Namespace>(r#"{"type": "wormhole"}"#).is_err());
}
