//! A procfs for the runtime's own writes: kernel parameters and security labels.
//!
//! No mount of the container can redirect what is written there: it is mounted nowhere, or a mount on the way is an error.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, fstatfs, openat2};
use rustix::io::Errno;

use crate::failure::{During, Failure};
use crate::filesystem;
use crate::plan::MountOptions;
use crate::root::Root;

pub(crate) const PROC_MAGIC: u64 = 0x9fa0;
/// The inode number of every procfs's root.
const ROOT_INODE: u64 = 1;

/// An open procfs of the calling thread's pid namespace.
#[derive(Debug)]
pub(crate) struct Procfs {
    root: OwnedFd,
}

impl Procfs {
    /// A new one. A user namespace that sees only parts of its own procfs may not make another: then the container's, when it is one.
    pub(crate) fn open(container: &Root) -> Result<Self, Failure> {
        match filesystem::new("proc", "proc", &MountOptions::default()) {
            Ok(root) => Ok(Self { root }),
            Err(refused) => Self::of(container).ok_or(refused),
        }
    }

    /// The container's, when it has one. The kernel needs a quarter of a millisecond to let go of a new one.
    pub(crate) fn of(container: &Root) -> Option<Self> {
        let root = container.find_without_links(Path::new("/proc")).ok()?;
        let is_proc = fstatfs(&root).is_ok_and(|found| found.f_type.cast_unsigned() == PROC_MAGIC);
        (is_proc && fstat(&root).is_ok_and(|found| found.st_ino == ROOT_INODE))
            .then_some(Self { root })
    }

    /// Writes a file below the root in one call. Links and mounts on the way are errors.
    pub(crate) fn write(&self, path: &str, value: &[u8]) -> Result<(), Errno> {
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_XDEV
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat2(&self.root, path, flags, Mode::empty(), resolve)?;
        if fstatfs(file.as_fd())?.f_type.cast_unsigned() != PROC_MAGIC {
            return Err(Errno::XDEV);
        }
        rustix::io::retry_on_intr(|| rustix::io::write(&file, value)).map(drop)
    }

    /// Writes each value to its path below `/proc/sys`.
    pub(crate) fn set_parameters(&self, sysctls: &[(String, String)]) -> Result<(), Failure> {
        for (path, value) in sysctls {
            self.write(&format!("sys/{path}"), value.as_bytes())
                .during_with(|| format!("write sysctl {path}"))?;
        }
        Ok(())
    }

    /// Writes a file of the calling process's own directory.
    pub(crate) fn write_own(&self, file: &str, value: &[u8]) -> Result<(), Errno> {
        self.write(&format!("{}/{file}", gantry_sys::process::pid()), value)
    }
}
