//! `kill`, `pause` and `resume`.

use std::os::fd::AsFd;
use std::path::Path;

use gantry_oci::runtime::Status;
use gantry_sys::pidfd;
use gantry_types::Signal;

use crate::error::Error;
use crate::record::Record;

/// Whom a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillScope {
    /// The container's first process.
    Init,
    /// Every process in the container's cgroup, or, when it has none, in the namespaces that were made for it.
    All,
}

/// Sends a signal into a container. [`KillScope::All`] also works when the first process has ended.
pub fn kill(state_dir: &Path, signal: Signal, scope: KillScope) -> Result<(), Error> {
    let record = Record::read(state_dir)?;
    if scope == KillScope::All {
        return kill_all(&record, signal);
    }
    let process = record.process()?.ok_or(Error::NotRunning)?;
    match pidfd::send_signal(process.as_fd(), signal) {
        Err(error) if error.raw_os_error() == Some(3) => return Err(Error::NotRunning),
        sent => {
            sent.map_err(|source| Error::System {
                what: "signal the container's process",
                source,
            })?;
        }
    }
    if signal == Signal::KILL && record.has_cgroup() {
        // It may be gone with its cgroup already.
        drop(record.open_cgroup().and_then(|it| it.let_killed_end().map_err(Error::Cgroup)));
    }
    Ok(())
}

fn kill_all(record: &Record, signal: Signal) -> Result<(), Error> {
    if signal == Signal::KILL && record.has_cgroup() {
        let cgroup = record.open_cgroup()?;
        return cgroup.kill_except(&record.other_cgroups).map_err(Error::Cgroup);
    }
    for pid in record.processes()? {
        // Processes come and go; the descriptor makes sure that no stranger is hit.
        let Ok(process) = pidfd::open(pid) else { continue };
        if record.processes()?.contains(&pid) {
            match pidfd::send_signal(process.as_fd(), signal) {
                Err(error) if error.raw_os_error() != Some(3) => {
                    return Err(Error::System {
                        what: "signal a process of the container",
                        source: error,
                    });
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Freezes all processes of a running container.
pub fn pause(state_dir: &Path) -> Result<(), Error> {
    let record = Record::read(state_dir)?;
    match record.status(state_dir)? {
        Status::Running | Status::Created => record.open_cgroup()?.freeze().map_err(Error::Cgroup),
        status => Err(Error::PauseStatus { id: record.id, status }),
    }
}

/// Lets a paused container go on.
pub fn resume(state_dir: &Path) -> Result<(), Error> {
    let record = Record::read(state_dir)?;
    match record.status(state_dir)? {
        Status::Paused => record.open_cgroup()?.thaw().map_err(Error::Cgroup),
        status => Err(Error::ResumeStatus { id: record.id, status }),
    }
}
