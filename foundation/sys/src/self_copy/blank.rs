//! A file in memory, to be filled with a copy of the program.
//!
//! Best in a file system of its own that is mounted nowhere: there the kernel (Linux 6.14) makes pages as large as the pieces that are
//! written, which takes it a quarter of the time that some hundred small pages take. Whoever must not mount makes a memory file.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, StatVfsMountFlags, fstatvfs, openat, unlinkat};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen,
};

use crate::mount::{Attributes, Change, set_attributes};

const NAME: &CStr = c"gantry";

/// The right to write the file, once.
#[derive(Debug)]
pub(super) enum Blank {
    /// The only way into a file system that holds nothing else.
    Alone(OwnedFd),
    MemoryFile(File),
}

impl Blank {
    /// Makes the file; the second can only read it.
    pub(super) fn make() -> io::Result<(Self, File)> {
        Self::alone().or_else(|_| Self::in_memory_file())
    }

    pub(super) fn in_memory_file() -> io::Result<(Self, File)> {
        let file = super::empty_copy()?;
        // To write it, whoever gets hold of this would have to open it anew: the kernel (Linux 5.15) lets nobody run from it then.
        let reader = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        Ok((Self::MemoryFile(file), reader))
    }

    fn alone() -> io::Result<(Self, File)> {
        let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        // "always" would be one page of two megabytes: faster still, but where it was never touched before a virtual machine's host takes
        // milliseconds to provide it.
        fsconfig_set_string(context.as_fd(), "huge", "within_size")?;
        fsconfig_create(context.as_fd())?;
        let cloexec = FsMountFlags::FSMOUNT_CLOEXEC;
        let mount = fsmount(context.as_fd(), cloexec, MountAttrFlags::empty())?;
        // By the call that `seal` needs (Linux 5.12).
        let harmless = Attributes::NOSUID.with(Attributes::NODEV);
        set_attributes(mount.as_fd(), Change { set: harmless, ..Change::default() })?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDONLY | OFlags::CLOEXEC;
        let reader = openat(&mount, NAME, flags, Mode::RUSR | Mode::XUSR)?;
        Ok((Self::Alone(mount), reader.into()))
    }

    /// Without the heap, as is the next.
    pub(super) fn writer(&self) -> io::Result<OwnedFd> {
        Ok(match self {
            Self::Alone(mount) => {
                openat(mount, NAME, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?
            }
            Self::MemoryFile(file) => fcntl_dupfd_cloexec(file, 0)?,
        })
    }

    /// When all is written: from now on nobody can write it. A mount that is nowhere, and to which no descriptor is left, cannot be made
    /// writable again either.
    pub(super) fn seal(&self, writer: OwnedFd) -> io::Result<()> {
        match self {
            Self::Alone(mount) => {
                drop(writer);
                unlinkat(mount, NAME, AtFlags::empty())?;
                let unwritable = Change { set: Attributes::RDONLY, ..Change::default() };
                set_attributes(mount.as_fd(), unwritable)
            }
            Self::MemoryFile(_) => super::seal_unmapped(&writer),
        }
    }
}

/// Whether this file, which was made to be filled, is sealed.
pub(super) fn is_filled(copy: &File) -> bool {
    let is_read_only =
        || fstatvfs(copy).is_ok_and(|it| it.f_flag.contains(StatVfsMountFlags::RDONLY));
    super::is_sealed(copy) || is_read_only()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rustix::io::Errno;
    use rustix::mount::{FsPickFlags, OpenTreeFlags, fspick, open_tree};

    use super::*;

    #[test]
    fn whoever_has_a_sealed_file_cannot_make_it_writable_again() {
        let (blank, copy) = Blank::alone().unwrap();
        let mut writer = File::from(blank.writer().unwrap());
        writer.write_all(b"program").unwrap();
        blank.seal(writer.into()).unwrap();
        drop(blank);
        let writable = Change { clear: Attributes::RDONLY, ..Change::default() };
        assert!(set_attributes(copy.as_fd(), writable).is_err());
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::AT_EMPTY_PATH;
        assert!(open_tree(&copy, "", flags).is_err());
        assert!(fspick(&copy, "", FsPickFlags::FSPICK_EMPTY_PATH).is_err());
        let again = format!("/proc/self/fd/{}", copy.as_raw_fd());
        let refusal = File::options().write(true).open(again).unwrap_err();
        assert_eq!(refusal.raw_os_error(), Some(Errno::ROFS.raw_os_error()));
    }

    #[test]
    fn nobody_seals_what_is_still_written() {
        let (blank, copy) = Blank::alone().unwrap();
        let (one, other) = (blank.writer().unwrap(), blank.writer().unwrap());
        assert!(blank.seal(one).is_err() && !is_filled(&copy));
        drop(other);
    }
}
