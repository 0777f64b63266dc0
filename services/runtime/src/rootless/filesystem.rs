//! File systems as a user namespace can have them: what it may not make is bound from the host, and options that name ids which it does
//! not have are left out.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use gantry_sys::clone::Namespaces;

use super::{Caller, is_group_mapped};
use crate::failure::{During, Failure};
use crate::filesystem;
use crate::plan::{MountOptions, Plan, Recursion};

/// Makes a container's file systems.
#[derive(Debug)]
pub(crate) struct FilesystemMaker<'a> {
    plan: &'a Plan,
    /// The process is not the machine's root, or not any more.
    is_in_user_namespace: bool,
}

impl<'a> FilesystemMaker<'a> {
    pub(crate) fn new(plan: &'a Plan, caller: Caller) -> Self {
        let is_in_user_namespace = caller != Caller::Root || plan.namespaces.has_user();
        Self { plan, is_in_user_namespace }
    }

    /// The security label of new files; may be empty.
    pub(crate) fn label(&self) -> &str {
        &self.plan.linux.mount_label
    }

    /// A new file system, mounted nowhere.
    pub(crate) fn make(
        &self,
        kind: &str,
        source: &str,
        mut options: MountOptions,
    ) -> Result<OwnedFd, Failure> {
        if !self.is_in_user_namespace {
            return filesystem::new(kind, source, &options);
        }
        if kind == "devpts" {
            options.data.retain(|(key, value)| key != "gid" || is_usable_gid(value.as_deref()));
        }
        filesystem::new(kind, source, &options).or_else(|failure| {
            let more = match self.host_place(kind) {
                Some(place) => match bind(place, &options) {
                    Err(second) => format!("; {}", second.message),
                    bound => return bound,
                },
                None => hint(kind).to_owned(),
            };
            Err(Failure::new(failure.class, failure.message + &more))
        })
    }

    /// Where the host has what this user namespace may not make: a view of something that the container shares with the host, and that
    /// belongs to a user namespace further out.
    fn host_place(&self, kind: &str) -> Option<&'static str> {
        let namespaces = &self.plan.namespaces;
        let is_new = |kind| namespaces.new.contains(kind);
        match kind {
            "sysfs" if !is_new(Namespaces::NETWORK) => Some("/sys"),
            "mqueue" if !is_new(Namespaces::IPC) => Some("/dev/mqueue"),
            // Of a joined pid namespace the host's proc would show the wrong processes.
            "proc" if !is_new(Namespaces::PID) && namespaces.join_pid.is_none() => Some("/proc"),
            _ => None,
        }
    }
}

/// A number that is no group's here would make the whole mount fail; anything else is for the kernel to judge.
fn is_usable_gid(value: Option<&str>) -> bool {
    value.and_then(|value| value.parse().ok()).is_none_or(is_group_mapped)
}

/// The host's tree, whose attributes the options change all the way down: read-only shall mean the cgroups below `/sys` as well.
fn bind(place: &str, options: &MountOptions) -> Result<OwnedFd, Failure> {
    let what = || format!("bind the host's {place} instead");
    let tree = filesystem::copy_of_path(Path::new(place), Recursion::All).during_with(what)?;
    let mut options = options.clone();
    options.change.recursive = true;
    filesystem::change_bind(tree.as_fd(), &options).during_with(what)?;
    Ok(tree)
}

fn hint(kind: &str) -> &'static str {
    if kind == "proc" || kind == "sysfs" {
        " (in a user namespace this needs a pid and a network namespace of the container's own, and a host where nothing covers /proc \
         or /sys)"
    } else {
        ""
    }
}
