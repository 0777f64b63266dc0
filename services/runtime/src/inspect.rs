//! Looking at a container, and changing its limits.

use std::path::{Path, PathBuf};

use gantry_cgroup::Cgroup;
use gantry_oci::runtime::{LinuxResources, State};

use crate::error::Error;
use crate::record::Record;

/// A container's state, as the specification words it.
pub fn state(state_dir: &Path) -> Result<State, Error> {
    let record = Record::read(state_dir)?;
    let status = record.status(state_dir)?;
    Ok(record.state(status))
}

/// When the container was made, as RFC 3339.
pub fn created_at(state_dir: &Path) -> Result<String, Error> {
    Ok(Record::read(state_dir)?.created)
}

/// The bundle that the container was made from.
pub fn bundle(state_dir: &Path) -> Result<PathBuf, Error> {
    Ok(Record::read(state_dir)?.bundle)
}

/// The processes in a container, as the caller's pid namespace numbers them.
pub fn processes(state_dir: &Path) -> Result<Vec<i32>, Error> {
    cgroup(state_dir)?.pids().map_err(Error::Cgroup)
}

/// The container's cgroup, for statistics.
pub fn cgroup(state_dir: &Path) -> Result<Cgroup, Error> {
    Record::read(state_dir)?.open_cgroup()
}

/// Changes the limits of a container; what the resources leave out stays as it is.
pub fn update(state_dir: &Path, resources: &LinuxResources) -> Result<(), Error> {
    cgroup(state_dir)?.apply(resources).map_err(Error::Cgroup)
}
