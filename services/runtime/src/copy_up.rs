//! `tmpcopyup`: a new tmpfs begins with a copy of the directory that it covers.
//!
//! The source belongs to an image: nothing is followed, and depth and number are limited.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, chownat, fchmod,
    fstat, futimens, mkdirat, mknodat, openat, readlinkat, sendfile, statat, symlinkat,
};
use rustix::io::Errno;

use crate::failure::{During, Failure};

const DEPTH_LIMIT: usize = 64;
const ENTRIES_LIMIT: usize = 1 << 20;

/// Copies everything below `from` into `to`, with owners, modes and times. Sockets are left out: nobody listens at a copy.
pub(crate) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Failure> {
    let mut copy = Copy { entries_left: ENTRIES_LIMIT };
    copy.directory(from, to, DEPTH_LIMIT).during("copy a directory into its tmpfs (tmpcopyup)")
}

struct Copy {
    entries_left: usize,
}

impl Copy {
    fn directory(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        depth_left: usize,
    ) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let readable = openat(from, ".", flags, Mode::empty())?;
        for entry in Dir::read_from(&readable)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if self.entries_left == 0 || depth_left == 0 {
                return Err(io::Error::other(format!(
                    "more than {ENTRIES_LIMIT} files or {DEPTH_LIMIT} levels"
                )));
            }
            self.entries_left -= 1;
            let found = statat(&readable, name, AtFlags::SYMLINK_NOFOLLOW)?;
            match FileType::from_raw_mode(found.st_mode) {
                FileType::Directory => {
                    mkdirat(to, name, Mode::RWXU)?;
                    let source = open_directory(readable.as_fd(), name)?;
                    let target = open_directory(to, name)?;
                    self.directory(source.as_fd(), target.as_fd(), depth_left - 1)?;
                    finish(&target, &found)?;
                }
                FileType::RegularFile => file(readable.as_fd(), to, name)?,
                FileType::Symlink => {
                    symlinkat(readlinkat(&readable, name, Vec::new())?.as_c_str(), to, name)?;
                    own(to, name, &found)?;
                }
                FileType::Socket => {}
                kind => {
                    let mode = Mode::from_raw_mode(found.st_mode & 0o7777);
                    match mknodat(to, name, kind, mode, found.st_rdev) {
                        // A user namespace may not make devices; a tmpfs of its would not open them either.
                        Err(Errno::PERM) if kind != FileType::Fifo => continue,
                        made => made?,
                    }
                    own(to, name, &found)?;
                }
            }
        }
        Ok(())
    }
}

fn open_directory(at: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(at, name, flags, Mode::empty())?)
}

fn file(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let source = openat(from, name, flags | OFlags::NONBLOCK, Mode::empty())?;
    let found = fstat(&source)?;
    let create = flags | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let target = openat(to, name, create, Mode::RUSR | Mode::WUSR)?;
    while sendfile(&target, &source, None, 1 << 30)? > 0 {}
    finish(&target, &found)
}

/// The owner first: a change of it takes the set-id bits away.
fn finish(file: &OwnedFd, found: &Stat) -> io::Result<()> {
    let bits = give(found, |uid, gid| rustix::fs::fchown(file, uid, gid))?;
    fchmod(file, Mode::from_raw_mode(found.st_mode & bits))?;
    let time = |seconds, nanos: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanos).unwrap_or(0),
    };
    let times = Timestamps {
        last_access: time(found.st_atime, found.st_atime_nsec),
        last_modification: time(found.st_mtime, found.st_mtime_nsec),
    };
    Ok(futimens(file, &times)?)
}

fn own(at: BorrowedFd<'_>, name: &CStr, found: &Stat) -> io::Result<()> {
    let chown = |uid, gid| chownat(at, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW);
    give(found, chown).map(drop)
}

/// Gives a copy the owner and the group of what was found, and tells which mode bits it may have: an id that this user namespace lacks
/// cannot own it, and then nobody shall run it with that id's rights.
fn give(
    found: &Stat,
    chown: impl Fn(Option<Uid>, Option<Gid>) -> Result<(), Errno>,
) -> io::Result<u32> {
    let (uid, gid) = (Some(Uid::from_raw(found.st_uid)), Some(Gid::from_raw(found.st_gid)));
    match chown(uid, gid) {
        Err(Errno::INVAL) => {}
        given => return Ok(given.map(|()| 0o7777)?),
    }
    let mut bits = 0o1777;
    for (uid, gid, bit) in [(uid, None, 0o4000), (None, gid, 0o2000)] {
        match chown(uid, gid) {
            Err(Errno::INVAL) => {}
            given => bits |= given.map(|()| bit)?,
        }
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};

    use super::*;

    #[test]
    fn a_tree_is_copied_with_all_that_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("deep/er")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("deep/er/file"), "text").unwrap();
        chown(from.join("deep/er/file"), Some(5), Some(6)).unwrap();
        let mode = fs::Permissions::from_mode(0o4711);
        fs::set_permissions(from.join("deep/er/file"), mode).unwrap();
        symlink("/etc/shadow", from.join("link")).unwrap();
        mknodat(rustix::fs::CWD, from.join("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(from.join("socket")).unwrap();
        let (source, target) = (fs::File::open(&from).unwrap(), fs::File::open(&to).unwrap());
        copy(source.as_fd(), target.as_fd()).unwrap();
        let file = fs::metadata(to.join("deep/er/file")).unwrap();
        assert_eq!((file.uid(), file.gid(), file.mode() & 0o7777), (5, 6, 0o4711));
        assert_eq!(fs::read(to.join("deep/er/file")).unwrap(), b"text");
        assert_eq!(fs::read_link(to.join("link")).unwrap().to_str(), Some("/etc/shadow"));
        assert!(fs::symlink_metadata(to.join("pipe")).unwrap().file_type().is_fifo());
        assert!(!to.join("socket").exists());
        let times = |path: &str| fs::metadata(dir.path().join(path)).unwrap().modified().unwrap();
        assert_eq!(times("to/deep/er"), times("from/deep/er"));
    }

    #[test]
    fn a_tree_that_is_too_deep_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let deep: std::path::PathBuf = std::iter::repeat_n("d", DEPTH_LIMIT + 2).collect();
        fs::create_dir_all(dir.path().join("from").join(deep)).unwrap();
        fs::create_dir(dir.path().join("to")).unwrap();
        let open = |name| fs::File::open(dir.path().join(name)).unwrap();
        let failure = copy(open("from").as_fd(), open("to").as_fd()).unwrap_err();
        assert!(failure.message.contains("levels"), "{}", failure.message);
    }
}
