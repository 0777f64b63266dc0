//! Kernel parameters (`--sysctl`): only those that a namespace of the container's own keeps apart from the host's. The
//! runtime has the same rule and the last word; here it is told at create, in Docker's words.

use std::collections::BTreeMap;

use super::{Ipc, Network, Sharing};
use crate::error::Error;

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

/// Refuses the first parameter that a container with these namespaces cannot have to itself.
pub(super) fn check(
    sysctls: &BTreeMap<String, String>,
    network: Network,
    ipc: Ipc,
    uts: Sharing,
) -> Result<(), Error> {
    for (name, value) in sysctls {
        let refuse = |why: &str| Err(Error::invalid(format!("sysctl {name:?} {why}")));
        let path = path(name);
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return refuse("is not the name of a kernel parameter");
        }
        if name.contains('\0') || value.contains('\0') {
            return refuse("has a NUL byte in it");
        }
        if IPC.contains(&&*path) || path.starts_with("fs/mqueue/") {
            if ipc == Ipc::Host {
                return refuse("is not allowed in the hosts ipc namespace");
            }
        } else if path.starts_with("net/") {
            if network == Network::Host {
                return refuse("not allowed in host network namespace");
            }
        } else if path == "kernel/domainname" {
            if uts == Sharing::Host {
                return refuse("is not allowed in the hosts uts namespace");
            }
        } else if path == "kernel/hostname" {
            return refuse("is not allowed: use the container's hostname (--hostname) instead");
        } else {
            return refuse("is not in a separate kernel namespace");
        }
    }
    Ok(())
}

/// Below `/proc/sys`, by the rule of sysctl(8): the first separator decides, and in a dotted name a slash stands for a dot.
fn path(name: &str) -> String {
    let is_path = name.find(['.', '/']).is_some_and(|first| name[first..].starts_with('/'));
    if is_path {
        return name.to_owned();
    }
    let swap = |letter| match letter {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    name.chars().map(swap).collect()
}
