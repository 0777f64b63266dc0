//! Kernel parameters, written through a procfs of our own that no mount of the container can redirect.

use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags, ResolveFlags, fstatfs, openat2};

use crate::failure::{During, Failure};
use crate::filesystem;
use crate::plan::MountOptions;

const PROC_MAGIC: u64 = 0x9fa0;

/// Writes each value to its path below `/proc/sys`.
pub(super) fn apply(sysctls: &[(String, String)]) -> Result<(), Failure> {
    if sysctls.is_empty() {
        return Ok(());
    }
    let proc = filesystem::new("proc", "proc", &MountOptions::default())?;
    for (path, value) in sysctls {
        let what = || format!("write sysctl {path}");
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_XDEV
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat2(&proc, format!("sys/{path}"), flags, Mode::empty(), resolve)
            .during_with(what)?;
        if fstatfs(file.as_fd()).during_with(what)?.f_type.cast_unsigned() != PROC_MAGIC {
            return Err(Failure::invalid(format!("{}: not on a procfs", what())));
        }
        rustix::io::write(&file, value.as_bytes()).during_with(what)?;
    }
    Ok(())
}
