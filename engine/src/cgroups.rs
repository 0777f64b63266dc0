//! The cgroups of containers, from outside: what a shim could not clean up, and the parent that all share.

use gantry_cgroup::{Cgroup, CgroupPath, Error, Stats};
use gantry_types::{ErrorKind, error_chain};

use crate::Result;
use crate::engine::Engine;
use crate::plan::CgroupPlace;
use crate::record::ContainerRecord;
use crate::settings::CgroupDriver;

/// Where a run that begins now has its cgroup.
pub(crate) fn place_now(engine: &Engine, record: &ContainerRecord) -> Result<CgroupPlace> {
    let driver = engine.settings.cgroup_driver;
    let chosen = &record.plan.host_config.cgroup_parent;
    match CgroupPlace::asked_for(chosen, driver, &record.id)? {
        Some(place) => Ok(place),
        None => by_settings(engine, record.id.as_str()),
    }
}

/// Where what is called so has its cgroup, as far as the settings say it.
pub(crate) fn by_settings(engine: &Engine, id: &str) -> Result<CgroupPlace> {
    let settings = &engine.settings;
    CgroupPlace::below(&settings.cgroup_parent, settings.cgroup_driver, id)
}

/// The cgroup of a container's run.
pub(crate) fn place_of(engine: &Engine, record: &ContainerRecord) -> Result<CgroupPlace> {
    record.cgroup.clone().map_or_else(|| place_now(engine, record), Ok)
}

/// [`place_of`] as a path; empty, which is nobody's, where there can be none.
pub(crate) fn path_of(engine: &Engine, record: &ContainerRecord) -> String {
    place_of(engine, record).map(|place| place.path).unwrap_or_default()
}

/// Kills what is left in a container's cgroup and removes it. A shim that ended in order has done so already, and one
/// that died could not.
pub(crate) fn reap(engine: &Engine, path: &str) {
    let reaped = open(engine, path).and_then(|cgroup| match cgroup {
        Some(cgroup) => cgroup.kill().and_then(|()| cgroup.remove()),
        None => Ok(()),
    });
    if let Err(error) = reaped {
        tracing::warn!(error = error_chain(&error), path, "cannot remove a container's cgroup");
    }
}

/// What a container uses; `None` when it has no cgroup any more.
pub(crate) fn stats(engine: &Engine, record: &ContainerRecord) -> Result<Option<Stats>, Error> {
    let cgroup = open(engine, &path_of(engine, record))?;
    cgroup.map(|cgroup| cgroup.stats()).transpose()
}

fn open(engine: &Engine, path: &str) -> Result<Option<Cgroup>, Error> {
    let path: CgroupPath = path.parse()?;
    match Cgroup::open(&engine.cgroups, &path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// Removes the parent of our containers' cgroups where nobody uses it any more, neither we nor another daemon.
pub(crate) fn remove_unused_parent(engine: &Engine) {
    if engine.settings.cgroup_driver == CgroupDriver::Systemd {
        return;
    }
    let parent = engine.settings.cgroup_parent.trim_matches('/');
    for hierarchy in engine.cgroups.iter() {
        // The kernel refuses while there are children, and that is the answer we want then.
        drop(std::fs::remove_dir(hierarchy.root().join(parent)));
    }
}
