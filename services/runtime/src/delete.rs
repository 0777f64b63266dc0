//! `delete`: takes away what `create` made.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use gantry_cgroup::{Cgroup, Hierarchies};
use gantry_oci::runtime::Status;
use gantry_sys::pidfd;

use crate::error::Error;
use crate::hooks;
use crate::record::Record;
use crate::systemd;

/// What to do with a container that still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteMode {
    /// Refuse.
    IfStopped,
    /// Kill it first.
    Force,
}

/// How long a killed process may take to end; longer means that it hangs in the kernel.
pub(crate) const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// Removes a container: what is left of its processes, its cgroup and its record. Its mounts went with its last process.
///
/// Gives what went wrong in poststop hooks, a sentence each: by the specification that is worth a warning, and stops nothing.
///
/// A container that waits for its start may be deleted with [`DeleteMode::Force`] only, like a running one, and so may what a `create`
/// left that was killed midway.
pub fn delete(state_dir: &Path, mode: DeleteMode) -> Result<Vec<String>, Error> {
    let record = match Record::read(state_dir) {
        // The `create` was killed before it made anything else.
        Err(Error::NotFound { .. }) if mode == DeleteMode::Force && state_dir.is_dir() => {
            return remove_directory(state_dir).map(|()| Vec::new());
        }
        read => read?,
    };
    let status = record.status(state_dir)?;
    if status != Status::Stopped && mode == DeleteMode::IfStopped {
        return Err(Error::DeleteRunning { id: record.id, status });
    }
    let process = record.process()?;
    remove_cgroup(&record)?;
    if let Some(process) = process {
        // With a cgroup that was removed under it somebody else may have kept it alive.
        drop(pidfd::send_signal(process.as_fd(), gantry_types::Signal::KILL));
        let ended = pidfd::wait_ended(process.as_fd(), Some(KILL_PATIENCE))
            .map_err(|source| Error::System { what: "wait for the container's process", source })?;
        if !ended {
            return Err(Error::Unkillable { id: record.id, seconds: KILL_PATIENCE.as_secs() });
        }
    }
    if let Some(scope) = &record.systemd {
        systemd::stop(&scope.unit, &scope.bus)?;
    }
    if let Some(group) = &record.resctrl {
        let what = "remove the container's group of the resource director";
        group.remove().map_err(|source| Error::System { what, source })?;
    }
    remove_directory(state_dir)?;
    Ok(hooks::run_each("poststop", &record.hooks.poststop, &record.state(Status::Stopped)))
}

/// Kills whoever is left in the cgroup, and removes it. One that is gone already is fine.
fn remove_cgroup(record: &Record) -> Result<(), Error> {
    if !record.has_cgroup() {
        return kill_processes(record);
    }
    let hierarchies = Hierarchies::detect().map_err(Error::Cgroup)?;
    // Most containers have ended with their first process, and nobody is left to be killed.
    if Cgroup::remove_empty(&hierarchies, &record.cgroup_path()?).map_err(Error::Cgroup)? {
        return Ok(());
    }
    match record.open_cgroup() {
        Ok(cgroup) => {
            cgroup.kill_except(&record.other_cgroups).map_err(Error::Cgroup)?;
            cgroup.remove_except(&record.other_cgroups).map_err(Error::Cgroup)
        }
        Err(Error::Cgroup(error)) if error.kind() == gantry_types::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// What stands for the cgroup's kill when there is none. The first process goes first: with it a whole pid namespace ends.
fn kill_processes(record: &Record) -> Result<(), Error> {
    let others = record.processes()?;
    let first = record.process()?;
    let handles = others.into_iter().filter_map(|pid| pidfd::open(pid).ok());
    for handle in first.into_iter().chain(handles) {
        // Whoever ended meanwhile needs no signal.
        drop(pidfd::send_signal(handle.as_fd(), gantry_types::Signal::KILL));
    }
    Ok(())
}

fn remove_directory(state_dir: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(state_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(|source| Error::Write { path: state_dir.to_owned(), source }),
    }
}
