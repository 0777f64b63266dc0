//! Looking at a container, and changing its limits.

use std::path::{Path, PathBuf};

use gantry_cgroup::Cgroup;
use gantry_oci::runtime::{IntelRdt, LinuxResources, State};

use crate::error::Error;
use crate::failure::During;
use crate::record::Record;
use crate::rootless::Caller;
use crate::{resctrl, systemd};

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

/// The processes in a container, as the caller's pid namespace numbers them; none while the first is being made.
pub fn processes(state_dir: &Path) -> Result<Vec<i32>, Error> {
    let record = Record::read(state_dir)?;
    if record.is_being_made(state_dir)? {
        return Ok(Vec::new());
    }
    record.processes()
}

/// The path of the container's cgroup; `None` when nobody let its user make one.
pub fn cgroup_path(state_dir: &Path) -> Result<Option<String>, Error> {
    let record = Record::read(state_dir)?;
    Ok(record.has_cgroup().then_some(record.cgroup))
}

/// The container's cgroup, for statistics.
pub fn cgroup(state_dir: &Path) -> Result<Cgroup, Error> {
    Record::read(state_dir)?.open_cgroup()
}

/// Changes the limits of a container; what the resources leave out stays as it is. Which devices it may use is the business of the
/// machine's root alone; from others their rules are passed over, as at its creation.
pub fn update(state_dir: &Path, resources: &LinuxResources) -> Result<(), Error> {
    let record = Record::read(state_dir)?;
    let cgroup = record.open_cgroup()?;
    if let Some(unit) = &record.systemd {
        // First, since it writes to the same files.
        systemd::update(&unit.unit, &unit.bus, resources)?;
    }
    let caller = Caller::detect().during("look at the own rights")?;
    if caller == Caller::Root || resources.devices.is_empty() {
        return cgroup.apply(resources).map_err(Error::Cgroup);
    }
    let resources = LinuxResources { devices: Vec::new(), ..resources.clone() };
    cgroup.apply(&resources).map_err(Error::Cgroup)
}

/// Changes the share of the processor's caches and of its memory's bandwidth (`linux.intelRdt`) of a container that has one.
pub fn update_resctrl(state_dir: &Path, schemata: &IntelRdt) -> Result<(), Error> {
    let record = Record::read(state_dir)?;
    resctrl::check(schemata).map_err(Error::refused)?;
    let group = record.resctrl.ok_or(Error::NoResctrl { id: record.id })?;
    Ok(group.update(schemata)?)
}
