//! The root of a container as the container sees it: that of its mount namespace while it runs.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use gantry_sys::clone::{Namespaces, setns, unshare_root};
use gantry_sys::pidfd;
use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::Result;
use crate::error::Error;
use crate::record::ContainerRecord;

/// The root of the mount namespace of a running container's first process. Not the process's own root, which it may have
/// changed.
///
/// A thread goes there, opens the root and ends; nothing else ever is in the container's namespaces.
pub(super) fn of_process(record: &ContainerRecord, pid: u32, id: &str) -> Result<OwnedFd> {
    let gone = || Error::NotRunning(id.to_owned());
    let process = i32::try_from(pid).map_err(|_| gone())?;
    let handle = pidfd::open(process).map_err(|_| gone())?;
    let namespace = File::open(format!("/proc/{pid}/ns/mnt")).map_err(|_| gone())?;
    // The number may have become another process's before the handle was there: that one is in no cgroup of the container's.
    let is_its = is_in_cgroup_of(pid, record).map_err(|_| gone())?;
    let is_ours = is_same(&namespace, &File::open("/proc/thread-self/ns/mnt").map_err(|_| gone())?);
    // Only now it is certain whose namespace that is: an id is not given again as long as its process is there.
    if !is_its || is_ours || pidfd::has_ended(handle.as_fd()).unwrap_or(true) {
        return Err(gone());
    }
    let entered = std::thread::spawn(move || -> io::Result<OwnedFd> {
        unshare_root()?;
        setns(namespace.as_fd(), Namespaces::MOUNT)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(openat(CWD, "/", flags, Mode::empty())?)
    })
    .join();
    let failed = Error::file("look into the container", id);
    match entered {
        Ok(Ok(root)) => Ok(root),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(failed(io::Error::other("the thread panicked"))),
    }
}

/// Whether a process is in a cgroup of the container's or below it. Nothing else has the container's whole id in its path.
fn is_in_cgroup_of(pid: u32, record: &ContainerRecord) -> io::Result<bool> {
    let cgroups = std::fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let mut parts = cgroups.lines().flat_map(|line| line.split('/'));
    Ok(parts.any(|part| part == record.id.as_str()))
}

fn is_same(one: &File, other: &File) -> bool {
    let identity = |file: &File| file.metadata().map(|meta| (meta.dev(), meta.ino()));
    // What cannot be told apart is not entered.
    match (identity(one), identity(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => true,
    }
}
