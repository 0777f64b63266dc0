//! Another container's `/dev/shm`: taken out of its mount namespace, and mounted in the bundle of the one that joins it
//! while that is made.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use gantry_sys::clone::{Namespaces, setns, unshare_root};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstatfs, openat2};
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use super::leftovers;
use crate::Result;
use crate::error::Error;

/// The name of the directory in a bundle.
pub(super) const SHM: &str = "shm";
/// Where containers have it.
const PLACE: &str = "/dev/shm";
/// `TMPFS_MAGIC` of `linux/magic.h`.
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// The `/dev/shm` of the process `pid`, as a mount without a place. `id` is its container.
pub(super) fn of_process(pid: u32, id: &str) -> Result<OwnedFd> {
    let failed = |source| Error::file("share the /dev/shm of container", id)(source);
    let number = i32::try_from(pid).map_err(|_| failed(io::ErrorKind::InvalidInput.into()))?;
    let process = gantry_sys::pidfd::open(number).map_err(failed)?;
    // Of this thread nothing is used afterwards; nothing but this look happens in the container's namespace.
    let looked = std::thread::spawn(move || -> io::Result<(OwnedFd, OwnedFd)> {
        unshare_root()?;
        setns(process.as_fd(), Namespaces::MOUNT)?;
        // Without links: one that leads through a container's /proc could lead to the host.
        let path = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let place = openat2(CWD, PLACE, path, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        Ok((open_tree(&place, "", flags)?, process))
    });
    let (tree, process) = match looked.join() {
        Ok(looked) => looked.map_err(failed)?,
        Err(_) => return Err(failed(io::Error::other("the thread panicked"))),
    };
    // By now another process could have the number; and a container may have put anything there.
    if gantry_sys::pidfd::has_ended(process.as_fd()).map_err(failed)? {
        return Err(failed(io::ErrorKind::NotFound.into()));
    }
    let found = fstatfs(&tree).map_err(|error| failed(error.into()))?;
    if found.f_type.cast_unsigned() != TMPFS_MAGIC {
        return Err(failed(io::Error::other("it is no file system in memory")));
    }
    Ok(tree)
}

/// The mount in a bundle; dropped, it goes, and with it only the way there.
pub(super) struct Staged(PathBuf);

impl Drop for Staged {
    fn drop(&mut self) {
        leftovers::unmount_all(&self.0);
        // Empty, unless it is mounted still.
        drop(fs::remove_dir(&self.0));
    }
}

/// Mounts `tree` in the bundle, for the runtime to bind.
pub(super) fn stage(tree: &OwnedFd, bundle: &Path) -> Result<Staged> {
    let path = bundle.join(SHM);
    fs::create_dir(&path).map_err(Error::file("create directory", &path))?;
    let staged = Staged(path);
    let place = File::open(&staged.0).map_err(Error::file("open", &staged.0))?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, "", &place, "", flags)
        .map_err(|error| Error::file("mount shared memory at", &staged.0)(error.into()))?;
    Ok(staged)
}
