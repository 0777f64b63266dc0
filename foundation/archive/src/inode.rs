//! Reading what is on disk back into headers: the inverse of `metadata.rs`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use gantry_types::Timestamp;
use rustix::fs::{
    FileType, Mode, OFlags, Stat, fgetxattr, flistxattr, fstat, major, minor, openat, readlinkat,
};
use rustix::io::Errno;

use crate::{EntryKind, Error, Header, Result, Xattr, metadata};

/// Attributes of an open file or directory that an archive carries, ordered by name.
pub(crate) fn xattrs(fd: BorrowedFd<'_>, path: &[u8]) -> Result<Vec<Xattr>> {
    let failed = |source: Errno| Error::place("read the extended attributes of", path, source);
    let names = match sized(|buffer| flistxattr(fd, buffer)) {
        Ok(names) => names,
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut xattrs = Vec::new();
    for name in names.split(|&byte| byte == 0).filter(|name| metadata::carries(name)) {
        match sized(|buffer| fgetxattr(fd, name, buffer)) {
            Ok(value) => xattrs.push(Xattr { name: name.to_vec(), value }),
            Err(Errno::NODATA) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    xattrs.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(xattrs)
}

/// One attribute; `None` when it is not there.
pub(crate) fn xattr(fd: BorrowedFd<'_>, name: &str, path: &[u8]) -> Result<Option<Vec<u8>>> {
    match sized(|buffer| fgetxattr(fd, name, buffer)) {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
        Err(source) => Err(Error::place("read an extended attribute of", path, source)),
    }
}

/// Calls with a buffer that is large enough; the kernel's own limit is 64 KiB.
fn sized(read: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 512];
    loop {
        match read(&mut buffer) {
            Ok(count) => {
                buffer.truncate(count);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() <= 64 << 10 => buffer.resize(buffer.len() * 4, 0),
            Err(error) => return Err(error),
        }
    }
}

/// The header of what is at `name` in `dir`, without attributes; `None` for sockets, which tar
/// cannot say. Files come with their size.
pub(crate) fn header(
    dir: BorrowedFd<'_>,
    name: &[u8],
    path: &[u8],
    stat: &Stat,
) -> Result<Option<Header>> {
    let device = || (major(stat.st_rdev), minor(stat.st_rdev));
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Directory,
        FileType::Symlink => {
            let target = readlinkat(dir, name, Vec::new())
                .map_err(|source| Error::place("read the link", path, source))?;
            EntryKind::Symlink { target: target.into_bytes() }
        }
        FileType::CharacterDevice => {
            let (major, minor) = device();
            EntryKind::CharDevice { major, minor }
        }
        FileType::BlockDevice => {
            let (major, minor) = device();
            EntryKind::BlockDevice { major, minor }
        }
        FileType::Fifo => EntryKind::Fifo,
        _ => return Ok(None),
    };
    let size = if kind == EntryKind::File { stat.st_size.unsigned_abs() } else { 0 };
    Ok(Some(Header {
        path: path.to_vec(),
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size,
        modified: Timestamp {
            seconds: stat.st_mtime,
            nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        },
        xattrs: Vec::new(),
    }))
}

/// Opens a file or directory that is really one, for reading; never a device or a pipe, whose
/// opening has effects.
pub(crate) fn open(dir: BorrowedFd<'_>, name: &[u8], expected: &Stat) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = openat(dir, name, flags, Mode::empty())?;
    let found = fstat(fd.as_fd())?;
    let is_same = (found.st_dev, found.st_ino) == (expected.st_dev, expected.st_ino);
    if is_same { Ok(fd) } else { Err(Errno::NOENT) }
}
