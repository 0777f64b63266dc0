//! config-linux.md, "Seccomp" and "The Container Process State": who receives the notify descriptor.

use std::fs;
use std::os::fd::AsRawFd;

use serde_json::{Value, json};

use crate::case::{Case, Section, must};
use crate::stage::{Console, Stage};

pub(super) fn section() -> Section {
    let cases: Vec<Case> = vec![
        must("descriptor", "The listener receives the notify descriptor.", |stage| {
            let (_, descriptors) = notified(stage, None);
            assert_eq!(descriptors.len(), 1, "descriptors");
            assert!(descriptors[0].contains("seccomp"), "{descriptors:?}");
        }),
        must(
            "state",
            "The listener receives the process state: version, names, pid, and the container's state.",
            |stage| {
                let (state, _) = notified(stage, None);
                assert_eq!(state["fds"], json!(["seccompFd"]), "{state}");
                assert!(state["ociVersion"].is_string(), "{state}");
                assert!(state["pid"].as_i64().is_some_and(|pid| pid > 0), "{state}");
                assert_eq!(state["state"]["id"], stage.id.as_str(), "{state}");
                assert_eq!(state["state"]["bundle"], json!(stage.bundle()), "{state}");
            },
        ),
        must("metadata", "listenerMetadata arrives as it is.", |stage| {
            let (state, _) = notified(stage, Some("MKNOD=/dev/null;ß"));
            assert_eq!(state["metadata"], "MKNOD=/dev/null;ß");
        }),
        must("nobody-listens", "When nobody listens there, it is an error.", |stage| {
            let path = stage.dir().join("nobody");
            stage.set("/linux/seccomp", profile(json!(path), None)).refused();
        }),
        must("path-required", "NOTIFY without a listenerPath makes an error.", |stage| {
            stage.set("/linux/seccomp", profile(Value::Null, None)).refused();
        }),
        must("path-ignored", "Without NOTIFY, the path is ignored.", |stage| {
            let path = stage.dir().join("nobody");
            let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "listenerPath": path,
                "syscalls": [{"names": ["chmod"], "action": "SCMP_ACT_ERRNO"}]});
            stage.set("/linux/seccomp", profile);
            assert_eq!(stage.sh("echo ran"), "ran");
        }),
        must("metadata-alone", "Metadata without a path is refused.", |stage| {
            let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "listenerMetadata": "x",
                "syscalls": [{"names": ["chmod"], "action": "SCMP_ACT_ERRNO"}]});
            stage.set("/linux/seccomp", profile).refused();
        }),
    ];
    Section::new(
        "config-linux.md",
        "Seccomp listener",
        cases.into_iter().map(|case| case.since(1)).collect(),
    )
}

fn profile(path: Value, metadata: Option<&str>) -> Value {
    let mut profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["chmod"], "action": "SCMP_ACT_NOTIFY"}]});
    if !path.is_null() {
        profile["listenerPath"] = path;
    }
    if let Some(metadata) = metadata {
        profile["listenerMetadata"] = json!(metadata);
    }
    profile
}

/// What the listener receives: the state, and what the descriptors are.
fn notified(stage: &mut Stage, metadata: Option<&str>) -> (Value, Vec<String>) {
    let listener = Console::listen(&stage.dir().join("listener"));
    stage.set("/linux/seccomp", profile(json!(listener.path()), metadata));
    stage.background();
    let (payload, descriptors) = listener.received();
    let text = String::from_utf8_lossy(&payload).into_owned();
    let state = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let kind = |fd: i32| fs::read_link(format!("/proc/self/fd/{fd}")).expect("it is open");
    let kinds = descriptors.iter().map(|fd| kind(fd.as_raw_fd()).to_string_lossy().into_owned());
    (state, kinds.collect())
}
