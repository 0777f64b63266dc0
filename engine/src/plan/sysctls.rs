//! Kernel parameters (`--sysctl`): only those that a namespace of the container's own keeps apart from the host's. The
//! runtime has the same rule and the last word; here it is told at create, in Docker's words.

use std::collections::BTreeMap;

use gantry_oci::runtime::{NamespaceKind, sysctl_namespace, sysctl_path};

use super::modes::Modes;
use super::{Ipc, Network, Sharing};
use crate::error::Error;

/// Refuses the first parameter that a container with these namespaces cannot have to itself.
pub(super) fn check(sysctls: &BTreeMap<String, String>, modes: Modes) -> Result<(), Error> {
    for (name, value) in sysctls {
        let refuse = |why: &str| Err(Error::invalid(format!("sysctl {name:?} {why}")));
        let Some(path) = sysctl_path(name) else {
            return refuse("is not the name of a kernel parameter");
        };
        if name.contains('\0') || value.contains('\0') {
            return refuse("has a NUL byte in it");
        }
        match sysctl_namespace(&path) {
            Some(_) if path == "kernel/hostname" => {
                return refuse("is not allowed: use the container's hostname (--hostname) instead");
            }
            Some(NamespaceKind::Ipc) if modes.ipc == Ipc::Host => {
                return refuse("is not allowed in the hosts ipc namespace");
            }
            Some(NamespaceKind::Ipc) if modes.ipc == Ipc::Container => {
                return refuse("is not allowed in another container's ipc namespace");
            }
            Some(NamespaceKind::Network) if modes.network == Network::Host => {
                return refuse("not allowed in host network namespace");
            }
            Some(NamespaceKind::Network) if modes.network == Network::Container => {
                return refuse("not allowed in another container's network namespace");
            }
            Some(NamespaceKind::Uts) if modes.uts == Sharing::Host => {
                return refuse("is not allowed in the hosts uts namespace");
            }
            Some(_) => {}
            None => return refuse("is not in a separate kernel namespace"),
        }
    }
    Ok(())
}
