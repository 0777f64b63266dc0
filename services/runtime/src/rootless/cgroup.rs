//! Cgroups for callers who may not be allowed any: where they may have one, and when they do without.

use std::io;

use gantry_cgroup::{Cgroup, CgroupPath, Error as Cause, Hierarchies};
use gantry_oci::runtime::{BlockIo, LinuxResources, Network};
use gantry_sys::clone::Namespaces;

use super::Caller;
use crate::error::Error;
use crate::options::CgroupRefusals;
use crate::placeholder::Placeholder;

/// Whether a container of this caller may do without a cgroup when it is refused one.
pub(crate) fn may_lack(refusals: CgroupRefusals, caller: Caller) -> bool {
    match refusals {
        CgroupRefusals::ByCaller => caller != Caller::Root,
        CgroupRefusals::Tolerated => true,
        CgroupRefusals::Reported => false,
    }
}

/// Makes a container's cgroup with what its caller may put in it.
#[derive(Debug)]
pub(crate) struct CgroupMaker<'a> {
    pub caller: Caller,
    pub resources: &'a LinuxResources,
}

/// Hears of every place before anything is made there, and of it when there is none.
type Announce<'a> = dyn FnMut(Option<(&Hierarchies, &CgroupPath)>) -> Result<(), Error> + 'a;

impl CgroupMaker<'_> {
    /// Makes the cgroup at `path`, else beside the caller's own one on a machine with cgroup v2 alone: there a user has a part of the
    /// tree when somebody delegated it to him.
    ///
    /// Where none may be made, and no limit needs one, the container has none. Device rules need none: a user namespace cannot make
    /// device nodes.
    ///
    /// # Errors
    /// The refusal, when a limit depends on it, and whatever else goes wrong.
    pub(crate) fn make(
        &self,
        path: &CgroupPath,
        announce: &mut Announce<'_>,
    ) -> Result<Option<Cgroup>, Error> {
        let refusal = match self.attempt(path, announce)? {
            Ok(cgroup) => return Ok(Some(cgroup)),
            Err(refusal) => refusal,
        };
        announce(None)?;
        match limit(self.resources) {
            Some(limit) => Err(Error::NoCgroupFor { limit, source: refusal }),
            None => Ok(None),
        }
    }

    /// The outer error ends everything; the inner one is the first refusal.
    fn attempt(
        &self,
        path: &CgroupPath,
        announce: &mut Announce<'_>,
    ) -> Result<Result<Cgroup, Cause>, Error> {
        let hierarchies = match Hierarchies::detect() {
            Err(error) if is_refusal(&error) => return Ok(Err(error)),
            detected => detected.map_err(Error::Cgroup)?,
        };
        let beside = hierarchies.beside_own(path.names()).map_err(Error::Cgroup)?;
        let mut first = None;
        for place in [Some(path.clone()), beside].into_iter().flatten() {
            announce(Some((&hierarchies, &place)))?;
            match self.try_at(&hierarchies, &place) {
                Ok(cgroup) => return Ok(Ok(cgroup)),
                Err(error) if is_refusal(&error) => first = first.or(Some(error)),
                Err(error) => return Err(Error::Cgroup(error)),
            }
        }
        Ok(Err(first.unwrap_or(Cause::NoHierarchies)))
    }

    fn try_at(&self, hierarchies: &Hierarchies, place: &CgroupPath) -> Result<Cgroup, Cause> {
        let cgroup = self.make_at(hierarchies, place)?;
        match try_birth(&cgroup) {
            Ok(()) => Ok(cgroup),
            Err(error) => {
                Cgroup::open_directories(hierarchies, &cgroup.new_directories())?.remove()?;
                Err(error)
            }
        }
    }

    /// Makes the cgroup there or nowhere. Only the machine's root may restrict devices.
    pub(crate) fn make_at(
        &self,
        hierarchies: &Hierarchies,
        place: &CgroupPath,
    ) -> Result<Cgroup, Cause> {
        match self.caller {
            Caller::Root => Cgroup::create(hierarchies, place, self.resources),
            Caller::NamespaceRoot | Caller::User => {
                Cgroup::create_without_devices(hierarchies, place, self.resources)
            }
        }
    }
}

/// A process of the caller's needs rights on what its own cgroup and the new one have in common; only the kernel knows.
fn try_birth(cgroup: &Cgroup) -> Result<(), Cause> {
    let join = cgroup.join_handle()?;
    match Placeholder::born_in(Namespaces::NONE, join.unified()) {
        Ok(_) => Ok(()),
        Err(source) => {
            let directory = cgroup.directories().last().unwrap_or("/sys/fs/cgroup".as_ref());
            Err(Cause::Join { directory: directory.to_owned(), source })
        }
    }
}

/// Whether an error says that the caller may not, or that there is nothing to have.
fn is_refusal(error: &Cause) -> bool {
    let source = match error {
        Cause::NoHierarchies => return true,
        Cause::Create { source, .. }
        | Cause::Open { source, .. }
        | Cause::Write { source, .. }
        | Cause::Set { source, .. }
        | Cause::Join { source, .. } => source,
        _ => return false,
    };
    matches!(
        source.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotFound
    )
}

/// The first limit that only a cgroup can keep. Values that mean "no limit" are none.
fn limit(resources: &LinuxResources) -> Option<&'static str> {
    let some = |value: Option<i64>| value.is_some_and(|value| value > 0);
    let memory = resources
        .memory
        .as_ref()
        .is_some_and(|memory| some(memory.limit) || some(memory.reservation) || some(memory.swap));
    let cpu = resources.cpu.as_ref().is_some_and(|cpu| {
        some(cpu.quota)
            || cpu.shares.is_some_and(|shares| shares > 0)
            || !cpu.cpus.is_empty()
            || !cpu.mems.is_empty()
            || cpu.idle.is_some_and(|idle| idle != 0)
    });
    let asked = [
        (memory, "memory"),
        (cpu, "cpu"),
        (resources.pids.is_some_and(|pids| pids.limit.is_some_and(|limit| limit >= 0)), "pids"),
        (resources.block_io.as_ref().is_some_and(|it| *it != BlockIo::default()), "blockIO"),
        (!resources.hugepage_limits.is_empty(), "hugepageLimits"),
        (resources.network.as_ref().is_some_and(|it| *it != Network::default()), "network"),
        (!resources.rdma.is_empty(), "rdma"),
        (!resources.unified.is_empty(), "unified"),
    ];
    asked.into_iter().find_map(|(asked, name)| asked.then_some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_from_what_needs_no_cgroup() {
        for (json, expected) in [
            ("{}", None),
            (r#"{"devices": [{"allow": false, "access": "rwm"}]}"#, None),
            (r#"{"memory": {"limit": -1, "disableOOMKiller": false}, "cpu": {}}"#, None),
            (r#"{"pids": {"limit": -1}, "blockIO": {}, "network": {}}"#, None),
            (r#"{"pids": {"limit": 0}}"#, Some("pids")),
            (r#"{"memory": {"limit": 4096}}"#, Some("memory")),
            (r#"{"cpu": {"cpus": "0"}}"#, Some("cpu")),
            (r#"{"unified": {"memory.high": "1"}}"#, Some("unified")),
        ] {
            let resources = serde_json::from_str(json).unwrap();
            assert_eq!(limit(&resources), expected, "{json}");
        }
    }

    #[test]
    fn only_the_machines_root_insists_on_a_cgroup_by_itself() {
        use CgroupRefusals as R;
        for (refusals, caller, expected) in [
            (R::ByCaller, Caller::Root, false),
            (R::ByCaller, Caller::NamespaceRoot, true),
            (R::ByCaller, Caller::User, true),
            (R::Tolerated, Caller::Root, true),
            (R::Reported, Caller::User, false),
        ] {
            assert_eq!(may_lack(refusals, caller), expected, "{refusals:?} {caller:?}");
        }
    }
}
