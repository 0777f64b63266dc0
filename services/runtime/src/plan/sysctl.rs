//! Kernel parameters that a container may set: only those that a namespace of its own keeps apart from the host's.

use std::collections::BTreeMap;

use gantry_sys::clone::Namespaces;

use super::NamespacePlan;
use crate::failure::Failure;

/// Parameters of the IPC namespace, besides everything below `fs/mqueue/`.
const IPC: [&str; 8] = [
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
];

/// Checked paths below `/proc/sys`, with their values.
pub(super) fn plan(
    asked: &BTreeMap<String, String>,
    namespaces: &NamespacePlan,
) -> Result<Vec<(String, String)>, Failure> {
    asked
        .iter()
        .map(|(name, value)| {
            let path = path(name);
            if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
                return Err(Failure::invalid(format!("sysctl {name:?} is not a parameter's name")));
            }
            check(name, &path, namespaces)?;
            Ok((path, value.clone()))
        })
        .collect()
}

/// As sysctl(8) reads names: the first separator decides; in a dotted name a slash stands for a dot (`net.ipv4.conf.eth0/1.x`).
fn path(name: &str) -> String {
    match name.find(['.', '/']) {
        Some(first) if name.as_bytes()[first] == b'.' => name
            .chars()
            .map(|letter| match letter {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
        _ => name.to_owned(),
    }
}

fn check(name: &str, path: &str, namespaces: &NamespacePlan) -> Result<(), Failure> {
    let namespace = if IPC.contains(&path) || path.starts_with("fs/mqueue/") {
        Namespaces::IPC
    } else if path.starts_with("net/") {
        Namespaces::NETWORK
    } else if path == "kernel/domainname" {
        Namespaces::UTS
    } else if path == "kernel/hostname" {
        return Err(Failure::invalid(format!("sysctl {name:?}: use the field hostname instead")));
    } else {
        return Err(Failure::invalid(format!(
            "sysctl {name:?} is not in a separate kernel namespace"
        )));
    };
    if namespaces.is_private(namespace) {
        Ok(())
    } else {
        Err(Failure::invalid(format!(
            "sysctl {name:?} is not allowed in the host's namespace: give the container its own"
        )))
    }
}
