//! Reading what is on disk back into headers: the inverse of `metadata.rs`.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

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

/// Opens the file or directory that `expected` is of, for reading; never a device or a pipe, whose
/// opening has effects. The name may be another's by now, and file systems give the numbers of inodes
/// again: what is there is held without being opened, examined, and only then opened itself.
pub(crate) fn open(dir: BorrowedFd<'_>, name: &[u8], expected: &Stat) -> Result<OwnedFd, Errno> {
    let held = openat(dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let found = fstat(&held)?;
    let kind = FileType::from_raw_mode(found.st_mode);
    if identity(&found) != identity(expected) {
        return Err(Errno::NOENT);
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match kind {
        FileType::Directory => openat(&held, ".", flags | OFlags::DIRECTORY, Mode::empty()),
        FileType::RegularFile => {
            let itself = format!("/proc/self/fd/{}", held.as_raw_fd());
            match rustix::fs::open(itself, flags, Mode::empty()) {
                // There is no /proc here: by its name, and examined once more. Its number is not given again while it is held.
                Err(Errno::NOENT) => {
                    let opened = openat(dir, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
                    let is_same = identity(&fstat(&opened)?) == identity(expected);
                    if is_same { Ok(opened) } else { Err(Errno::NOENT) }
                }
                result => result,
            }
        }
        _ => Err(Errno::NOENT),
    }
}

fn identity(stat: &Stat) -> (u64, u64, FileType) {
    (stat.st_dev, stat.st_ino, FileType::from_raw_mode(stat.st_mode))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use rustix::fs::{AtFlags, statat};

    #[test]
    fn opens_nothing_but_files_and_directories() {
        let temp = tempfile::tempdir().unwrap();
        let dir = std::fs::File::open(temp.path()).unwrap();
        std::fs::write(temp.path().join("file"), "text").unwrap();
        std::fs::create_dir(temp.path().join("dir")).unwrap();
        // The null device: opening it would succeed.
        rustix::fs::mknodat(&dir, "node", FileType::CharacterDevice, Mode::RUSR, 0x103).unwrap();
        let stat = |name: &str| statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        let open = |name: &str, expected: &Stat| open(dir.as_fd(), name.as_bytes(), expected);
        let mut file = stat("file");
        let text = std::io::read_to_string(std::fs::File::from(open("file", &file).unwrap()));
        assert_eq!(text.unwrap(), "text");
        open("dir", &stat("dir")).unwrap();
        assert_eq!(open("node", &stat("node")).unwrap_err(), Errno::NOENT);
        // Swapped for a device that got the file's number again.
        let node = stat("node");
        file.st_ino = node.st_ino;
        assert_eq!(open("node", &file).unwrap_err(), Errno::NOENT);
        assert_eq!(open("dir", &file).unwrap_err(), Errno::NOENT);
    }
}
