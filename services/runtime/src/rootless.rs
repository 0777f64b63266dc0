//! Who calls the runtime, and what follows from it: the machine's root may do everything, the root of a user namespace less, an ordinary
//! user only what a user namespace of the container gives.
//!
//! The container's ids are `id_map`'s business, and how a process is born into a user namespace is `birthplace`'s.

pub(crate) mod cgroup;
pub(crate) mod filesystem;
pub(crate) mod processes;

use std::fs;
use std::io;

use gantry_sys::clone::Namespaces;
use gantry_sys::process;
use rustix::fs::{CWD, stat};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::thread::{CapabilitySet, capabilities};

use crate::failure::{During, Failure};
use crate::id_map;
use crate::plan::Plan;

/// The inode of the user namespace that the machine began with (`PROC_USER_INIT_INO`; the same on every kernel since Linux 3.8).
const FIRST_USER_NAMESPACE: u64 = 0xEFFF_FFFD;
const OWN_SCORE: &str = "/proc/self/oom_score_adj";

/// Whose rights the calling process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The machine's own root.
    Root,
    /// Root in a user namespace that somebody made around the runtime, as rootless engines do.
    NamespaceRoot,
    /// Nobody in particular: containers need a user namespace of their own.
    User,
}

impl Caller {
    /// Looks at the calling process's capabilities and user namespace; the user id says nothing about either.
    pub fn detect() -> io::Result<Self> {
        if !capabilities(None)?.effective.contains(CapabilitySet::SYS_ADMIN) {
            return Ok(Self::User);
        }
        let namespace = stat("/proc/self/ns/user")?.st_ino;
        Ok(if namespace == FIRST_USER_NAMESPACE { Self::Root } else { Self::NamespaceRoot })
    }

    /// Whether this process may make mounts where it is. A user namespace may have come without a mount namespace of its own.
    pub(crate) fn may_mount(self) -> bool {
        let copy = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        match self {
            Self::Root => true,
            // The right is the first thing that the kernel looks at; what it says about the tree does not matter.
            Self::NamespaceRoot => !matches!(open_tree(CWD, "/", copy), Err(Errno::PERM)),
            Self::User => false,
        }
    }

    /// Refuses what this caller can never have.
    pub(crate) fn check(self, plan: &Plan) -> Result<(), Failure> {
        let namespaces = &plan.namespaces;
        let id_mapped = plan.mounts.iter().find(|mount| mount.id_mapping.is_some());
        if let Some(mount) = id_mapped.filter(|_| !self.may_mount()) {
            return Err(Failure::invalid(format!(
                "the mount at {} with ids of its own: only root may map the ids of files",
                mount.destination.display()
            )));
        }
        let joins_user = namespaces.has_user() && !namespaces.new.contains(Namespaces::USER);
        if joins_user && self != Self::Root && namespaces.time_offsets.is_some() {
            return Err(Failure::unsupported(
                "linux.timeOffsets in a user namespace given by path, without being root,",
            ));
        }
        if let (Self::User, Some(device)) = (self, plan.net_devices.first()) {
            return Err(Failure::invalid(format!(
                "linux.netDevices: only root may move the host's network device {}",
                device.host
            )));
        }
        if self == Self::User && !namespaces.has_user() {
            return Err(Failure::invalid(
                "rootless containers need a user namespace: add {\"type\": \"user\"} to linux.namespaces, \
                 or begin with `gantry-runc spec --rootless`",
            ));
        }
        Ok(())
    }

    /// What the calling process bears from now on cannot be traced from its first moment on, except with the right to trace in the user
    /// namespace that the calling program was started in: whoever owns a new user namespace has every right in it, a container's root
    /// too, when that has no user namespace of its own and sees the host's processes.
    ///
    /// An ordinary user's stay as they are: he could not write their mappings, and owns nothing that is worth more than his containers.
    pub(crate) fn hide_births(self) -> Result<(), Failure> {
        if self == Self::User {
            return Ok(());
        }
        process::set_dumpable(false).during("forbid tracing")
    }

    /// Gives the calling process, before it goes anywhere, the score that the container's shall have. Only the machine's root may
    /// lower it: for others the own score is the lowest.
    pub(crate) fn take_oom_score(self, asked: Option<i32>) -> Result<(), Failure> {
        let (Some(asked), true) = (asked, self != Self::Root) else { return Ok(()) };
        let what = || format!("set process.oomScoreAdj to {asked}");
        let own = fs::read_to_string(OWN_SCORE).during_with(what)?;
        let own: i32 = own.trim().parse().unwrap_or(0);
        if asked <= own {
            return Ok(());
        }
        fs::write(OWN_SCORE, asked.to_string()).during_with(what)
    }
}

/// Whether the process that sets the container up may make device nodes.
pub(crate) fn may_make_devices(plan: &Plan, caller: Caller) -> bool {
    caller == Caller::Root && !plan.namespaces.has_user()
}

/// Whether a group id has a meaning in the user namespace of the calling process.
pub(crate) fn is_group_mapped(gid: u32) -> bool {
    let Ok(map) = fs::read_to_string("/proc/self/gid_map") else { return true };
    holds(&map, gid)
}

/// Whether a table of `uid_map` or `gid_map` has an id on its inner side.
fn holds(map: &str, id: u32) -> bool {
    id_map::parse(map)
        .iter()
        .any(|range| id.checked_sub(range.container_id).is_some_and(|offset| offset < range.size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_ids_is_understood() {
        let map = "         0       1000          1\n         1     100000      65536\n";
        for (id, expected) in [(0, true), (1, true), (65536, true), (65537, false)] {
            assert_eq!(holds(map, id), expected, "{id}");
        }
        assert!(!holds("0 1000 1", 5) && holds("0 0 4294967295", 5) && !holds("x", 0));
    }
}
