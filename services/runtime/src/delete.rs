//! `delete`: takes away what `create` made.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use gantry_cgroup::{Cgroup, Hierarchies};
use gantry_oci::runtime::Status;
use gantry_sys::pidfd;
use rustix::fs::{Mode, OFlags, Stat, fstat, rmdir, unlink};
use rustix::io::Errno;

use crate::error::Error;
use crate::filter::FILTER_NAME;
use crate::record::{RECORD_NAME, Record};
use crate::{gate, hooks, systemd};

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

/// What lies in the directory of most containers.
const USUAL_NAMES: [&str; 4] = [RECORD_NAME, FILTER_NAME, gate::GO_NAME, gate::STATUS_NAME];

fn remove_directory(state_dir: &Path) -> Result<(), Error> {
    for name in USUAL_NAMES {
        // What goes wrong is told below.
        unlink(state_dir.join(name)).ok();
    }
    let removed = match rmdir(state_dir) {
        Err(Errno::NOENT) | Ok(()) => return Ok(()),
        Err(_) => fs::remove_dir_all(state_dir),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(|source| Error::Write { path: state_dir.to_owned(), source }),
    }
}

/// What will be left of a container, as the process that made it knows without looking.
#[derive(Debug)]
pub struct Remains {
    record: Record,
    /// The state directory, open since it was made: another container may come to have its name.
    directory: OwnedFd,
    hierarchies: Option<Hierarchies>,
}

impl Remains {
    pub(crate) fn new(directory: OwnedFd, record: Record, cgroup: Option<&Cgroup>) -> Self {
        Self { record, directory, hierarchies: cgroup.map(Cgroup::hierarchies) }
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// Removes it, as [`delete`] with [`DeleteMode::Force`] does: for a container whose process has been waited for.
    ///
    /// Does nothing when somebody else has removed it by now.
    pub fn remove(self, state_dir: &Path) -> Result<Vec<String>, Error> {
        if !is_at(&self.directory, state_dir) {
            return Ok(Vec::new());
        }
        if !self.remove_plain_cgroup()? {
            return delete(state_dir, DeleteMode::Force);
        }
        remove_directory(state_dir)?;
        let state = self.record.state(Status::Stopped);
        Ok(hooks::run_each("poststop", &self.record.hooks.poststop, &state))
    }

    /// False when there is more to be done.
    fn remove_plain_cgroup(&self) -> Result<bool, Error> {
        let Self { record, hierarchies: Some(hierarchies), .. } = self else { return Ok(false) };
        if record.systemd.is_some() || record.resctrl.is_some() {
            return Ok(false);
        }
        Cgroup::remove_empty(hierarchies, &record.cgroup_path()?).map_err(Error::Cgroup)
    }
}

/// A state directory, to be known again by [`is_at`].
pub(crate) fn open_directory(state_dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(state_dir, flags, Mode::empty())?)
}

/// Whether the path still leads to the directory that is open. While it is, no other can have its number.
pub(crate) fn is_at(directory: &OwnedFd, path: &Path) -> bool {
    let numbers = |found: Stat| (found.st_dev, found.st_ino);
    match (rustix::fs::lstat(path), fstat(directory)) {
        (Ok(found), Ok(own)) => numbers(found) == numbers(own),
        (Err(error), _) => error != Errno::NOENT,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_come_to_the_same_place_meanwhile_stays() {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path().join("x");
        fs::create_dir(&state_dir).unwrap();
        let record: Record = serde_json::from_str(
            r#"{"id": "x", "bundle": "/b", "pid": 0, "startTime": 0, "bootId": "", "created": "",
                "cgroup": "", "userNamespace": false}"#,
        )
        .unwrap();
        let remains = || Remains::new(open_directory(&state_dir).unwrap(), record.clone(), None);
        let early = remains();
        fs::remove_dir(&state_dir).unwrap();
        assert!(!is_at(&early.directory, &state_dir), "somebody else has removed it");
        fs::create_dir(&state_dir).unwrap();
        record.write(&state_dir).unwrap();
        assert!(early.remove(&state_dir).unwrap().is_empty());
        assert!(state_dir.join(RECORD_NAME).exists());
        assert!(remains().remove(&state_dir).unwrap().is_empty());
        assert!(!state_dir.exists());
    }
}
