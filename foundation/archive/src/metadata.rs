//! Owner, mode, extended attributes and time of what was just made, in the order that keeps them:
//! a change of owner clears the set-user-id bit and the capabilities, so it comes first.

use std::os::fd::{AsRawFd, BorrowedFd};

use gantry_types::Timestamp;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags,
    chmodat, chownat, fchmod, fchown, fsetxattr, fstat, futimens, openat, utimensat,
};
use rustix::io::Errno;

use crate::{Error, Header, Result, Xattr};

/// Overlay's own attributes; an archive that carried them could make a file appear anywhere.
const OVERLAY: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];

/// The mark of a directory that hides what is below it in lower layers.
pub const OPAQUE: &str = "trusted.overlay.opaque";

/// On an open file or directory: everything but the time.
pub(crate) fn on_fd(fd: BorrowedFd<'_>, header: &Header) -> Result<()> {
    owner_on_fd(fd, header)?;
    mode_on_fd(fd, header)?;
    xattrs_on_fd(fd, header)
}

/// The owner of an open file or directory.
pub(crate) fn owner_on_fd(fd: BorrowedFd<'_>, header: &Header) -> Result<()> {
    fchown(fd, Some(Uid::from_raw(header.uid)), Some(Gid::from_raw(header.gid)))
        .map_err(|source| Error::place("set the owner of", &header.path, source))
}

/// The mode of an open file or directory.
pub(crate) fn mode_on_fd(fd: BorrowedFd<'_>, header: &Header) -> Result<()> {
    fchmod(fd, Mode::from_raw_mode(header.mode))
        .map_err(|source| Error::place("set the mode of", &header.path, source))
}

/// The extended attributes of an open file or directory.
pub(crate) fn xattrs_on_fd(fd: BorrowedFd<'_>, header: &Header) -> Result<()> {
    header.xattrs.iter().try_for_each(|xattr| set_xattr(fd, &header.path, xattr))
}

/// The time of an open file or directory.
pub(crate) fn time_on_fd(fd: BorrowedFd<'_>, path: &[u8], modified: Timestamp) -> Result<()> {
    futimens(fd, &times(modified)).map_err(|source| Error::place("set the time of", path, source))
}

/// The owner of a name in a directory, never through a symbolic link.
pub(crate) fn owner_on_name(dir: BorrowedFd<'_>, name: &[u8], header: &Header) -> Result<()> {
    let (uid, gid) = (Uid::from_raw(header.uid), Gid::from_raw(header.gid));
    chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|source| Error::place("set the owner of", &header.path, source))
}

/// The mode of a name in a directory, never through a symbolic link: one that has come there meanwhile is refused.
pub(crate) fn mode_on_name(dir: BorrowedFd<'_>, name: &[u8], header: &Header) -> Result<()> {
    change_mode(dir, name, Mode::from_raw_mode(header.mode))
        .map_err(|source| Error::place("set the mode of", &header.path, source))
}

fn change_mode(dir: BorrowedFd<'_>, name: &[u8], mode: Mode) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = openat(dir, name, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&found)?.st_mode) == FileType::Symlink {
        return Err(Errno::LOOP);
    }
    // chmod(2) follows links, and takes no descriptor of this sort before Linux 6.6.
    let itself = format!("/proc/self/fd/{}", found.as_raw_fd());
    match chmodat(CWD, itself, mode, AtFlags::empty()) {
        // Only a thread that an image's root confines has no `/proc`; links lead nowhere else from there.
        Err(Errno::NOENT | Errno::NOTDIR) => chmodat(dir, name, mode, AtFlags::empty()),
        result => result,
    }
}

/// The time of a name in a directory, never through a symbolic link.
pub(crate) fn time_on_name(dir: BorrowedFd<'_>, name: &[u8], header: &Header) -> Result<()> {
    utimensat(dir, name, &times(header.modified), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|source| Error::place("set the time of", &header.path, source))
}

/// Whether an archive may set this attribute, and a made archive carries it.
pub fn carries(name: &[u8]) -> bool {
    let allowed = [&b"user."[..], b"trusted.", b"system.posix_acl_"]
        .iter()
        .any(|prefix| name.starts_with(prefix));
    (allowed || name == b"security.capability")
        && !OVERLAY.iter().any(|prefix| name.starts_with(prefix))
}

pub(crate) fn set_xattr(fd: BorrowedFd<'_>, path: &[u8], xattr: &Xattr) -> Result<()> {
    if !carries(&xattr.name) {
        return Ok(());
    }
    match fsetxattr(fd, &xattr.name[..], &xattr.value, XattrFlags::empty()) {
        // The file system has none of that sort: Docker goes on without it, too.
        Ok(()) | Err(Errno::NOTSUP) => Ok(()),
        Err(Errno::INVAL | Errno::RANGE | Errno::TOOBIG | Errno::NOSPC) => {
            Err(Error::entry(path, "has an extended attribute that the file system cannot hold"))
        }
        Err(source) => Err(Error::place("set an extended attribute of", path, source)),
    }
}

/// Marks a directory opaque.
pub(crate) fn make_opaque(dir: BorrowedFd<'_>, path: &[u8]) -> Result<()> {
    fsetxattr(dir, OPAQUE, b"y", XattrFlags::empty())
        .map_err(|source| Error::place("make opaque", path, source))
}

fn times(modified: Timestamp) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: modified.seconds, tv_nsec: modified.nanos.into() },
    }
}
