//! Mounting a root file system on the host, where another runtime looks for it. Our own never does: it
//! builds the root as a detached mount.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};

use crate::error::Error;
use crate::failure::During;
use crate::filesystem::attach;
use crate::options::RootfsMount;
use crate::prepare::root_of_recipe;

/// Mounts a recipe at `target`, an existing directory that is no symbolic link. The caller unmounts it.
pub fn mount_root(mounts: &[RootfsMount], target: &Path) -> Result<(), Error> {
    let what = || format!("mount the root file system at {}", target.display());
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = open(target, flags, Mode::empty()).during_with(what)?;
    let tree = root_of_recipe(mounts)?;
    attach(tree.as_fd(), place.as_fd()).during_with(what)?;
    Ok(())
}
