//! Kernel parameters that a container may set: only those that a namespace of its own keeps apart from the host's.

use std::collections::BTreeMap;

use gantry_oci::runtime::{NamespaceKind, sysctl_namespace, sysctl_path};
use gantry_sys::clone::Namespaces;

use super::NamespacePlan;
use crate::failure::Failure;

/// Checked paths below `/proc/sys`, with their values.
pub(super) fn plan(
    asked: &BTreeMap<String, String>,
    namespaces: &NamespacePlan,
) -> Result<Vec<(String, String)>, Failure> {
    asked
        .iter()
        .map(|(name, value)| {
            let path = sysctl_path(name).ok_or_else(|| {
                Failure::invalid(format!("sysctl {name:?} is not a parameter's name"))
            })?;
            check(name, &path, namespaces)?;
            Ok((path, value.clone()))
        })
        .collect()
}

fn check(name: &str, path: &str, namespaces: &NamespacePlan) -> Result<(), Failure> {
    if path == "kernel/hostname" {
        return Err(Failure::invalid(format!("sysctl {name:?}: use the field hostname instead")));
    }
    let namespace = match sysctl_namespace(path) {
        Some(NamespaceKind::Ipc) => Namespaces::IPC,
        Some(NamespaceKind::Network) => Namespaces::NETWORK,
        Some(NamespaceKind::Uts) => Namespaces::UTS,
        Some(_) | None => {
            return Err(Failure::invalid(format!(
                "sysctl {name:?} is not in a separate kernel namespace"
            )));
        }
    };
    if namespaces.is_private(namespace) {
        Ok(())
    } else {
        Err(Failure::invalid(format!(
            "sysctl {name:?} is not allowed in the host's namespace: give the container its own"
        )))
    }
}
