//! How a process gets into a cgroup.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use crate::cgroup::Cgroup;
use crate::directory::{Directory, write_once};
use crate::error::Error;
use crate::hierarchy::{Hierarchies, Version};
use crate::own_place;

const HANDED_DOWN: &str = "cgroup.subtree_control";

/// Open doors of a cgroup, to be used by a child that was just cloned.
///
/// A process with one thread that writes `0` to a v1 `tasks` file moves itself without the lock that a write to
/// `cgroup.procs` takes; after an idle moment that lock waits for an RCU grace period, some 5 ms. On v2 being born in the
/// cgroup avoids it.
///
/// The default one opens nothing: its user stays where it is.
#[derive(Debug, Default)]
pub struct JoinHandle {
    tasks: Vec<(PathBuf, OwnedFd)>,
    unified: Option<(PathBuf, OwnedFd)>,
}

impl Cgroup {
    /// Opens what a process needs to join.
    pub fn join_handle(&self) -> Result<JoinHandle, Error> {
        let mut tasks = Vec::with_capacity(self.members.len());
        let mut unified = None;
        for member in &self.members {
            let path = member.directory.path();
            let failed = |source| Error::Open { directory: path.to_owned(), source };
            match member.hierarchy.version() {
                Version::V1 => {
                    let file = member.directory.open_for_writing("tasks").map_err(failed)?;
                    tasks.push((path.to_owned(), file));
                }
                Version::V2 => {
                    let fd = member.directory.as_fd().try_clone_to_owned().map_err(failed)?;
                    unified = Some((path.to_owned(), fd));
                }
            }
        }
        Ok(JoinHandle { tasks, unified })
    }

    /// The same for one more process beside `pid`. A cgroup of v2 that hands controllers down can have no processes of its own: where the
    /// container has put its first one, below, the new one goes, too.
    pub fn join_handle_beside(&self, pid: u32) -> Result<JoinHandle, Error> {
        let mut handle = self.join_handle()?;
        let Some(member) = self.unified() else { return Ok(handle) };
        if member.directory.read(HANDED_DOWN)?.trim().is_empty() {
            return Ok(handle);
        }
        let unified = Hierarchies::of(vec![member.hierarchy.clone()]);
        let mut places = own_place::places(&unified, pid)?.into_iter();
        if let Some(place) = places.find(|place| place.starts_with(member.directory.path())) {
            let directory = Directory::open(&place)
                .map_err(|source| Error::Open { directory: place.clone(), source })?;
            handle.unified = Some((place, directory.into()));
        }
        Ok(handle)
    }

    /// Moves another process, with all its threads, into the cgroup. A child that moves itself is faster, see [`JoinHandle`].
    pub fn add(&self, pid: i32) -> Result<(), Error> {
        for member in &self.members {
            let directory = member.directory.path().to_owned();
            let procs = member.directory.open_for_writing("cgroup.procs");
            procs
                .and_then(|procs| write_once(&procs, &pid.to_string()))
                .map_err(|source| Error::Join { directory, source })?;
        }
        Ok(())
    }
}

impl JoinHandle {
    /// The v2 directory for `CLONE_INTO_CGROUP`, where the machine has v2.
    #[must_use]
    pub fn unified(&self) -> Option<BorrowedFd<'_>> {
        self.unified.as_ref().map(|(_, fd)| fd.as_fd())
    }

    /// Moves the calling process, which must have one thread, into the cgroup of every v1 hierarchy.
    pub fn enter(&self) -> Result<(), Error> {
        for (directory, tasks) in &self.tasks {
            write_once(tasks, "0")
                .map_err(|source| Error::Join { directory: directory.clone(), source })?;
        }
        Ok(())
    }

    /// Moves the calling process into the v2 cgroup: for kernels whose clone cannot (before Linux 5.7).
    pub fn enter_unified(&self) -> Result<(), Error> {
        let Some((directory, fd)) = &self.unified else { return Ok(()) };
        let failed = |source| Error::Join { directory: directory.clone(), source };
        let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CLOEXEC;
        let procs = rustix::fs::openat(fd, "cgroup.procs", flags, rustix::fs::Mode::empty());
        let procs = procs.map_err(|error| failed(error.into()))?;
        write_once(&procs, "0").map_err(failed)
    }
}
