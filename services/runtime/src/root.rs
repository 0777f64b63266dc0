//! The container's root directory as a descriptor, and paths inside it.
//!
//! Every path of a bundle goes through here. The kernel resolves it below the descriptor (`openat2(2)` with `RESOLVE_IN_ROOT`):
//! symbolic links of an image cannot lead out, and what is missing is made one component at a time.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, fstatfs, mkdirat, openat2, readlinkat};
use rustix::io::Errno;

use crate::procfs::PROC_MAGIC;
use crate::terminal;

/// An open directory that serves as the root of lookups.
#[derive(Debug)]
pub(crate) struct Root {
    directory: OwnedFd,
}

/// What to make when a path is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Directory,
    File,
}

/// How many symbolic links are followed by hand while something missing is made.
const LINK_LIMIT: u32 = 40;
/// The kernel answers EAGAIN when a rename somewhere on the system made its check undecided; it asks to try again.
const RETRY_LIMIT: u32 = 128;

const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

impl Root {
    pub(crate) fn new(directory: OwnedFd) -> Self {
        Self { directory }
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// A handle (`O_PATH`) on what lies at `path`, symbolic links followed inside the root.
    pub(crate) fn find(&self, path: &Path) -> io::Result<OwnedFd> {
        self.open_with(path, OFlags::PATH, INSIDE)
    }

    /// Like [`find`](Self::find), but an error when a symbolic link is on the way.
    pub(crate) fn find_without_links(&self, path: &Path) -> io::Result<OwnedFd> {
        self.open_with(path, OFlags::PATH, INSIDE | ResolveFlags::NO_SYMLINKS)
    }

    /// Like [`find_or_make`](Self::find_or_make), but an error when there is a symbolic link on the way to what is there already.
    pub(crate) fn find_or_make_without_links(
        &self,
        path: &Path,
        missing: Missing,
    ) -> io::Result<OwnedFd> {
        match self.find_without_links(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make(path, missing, 0),
            found => found,
        }
    }

    /// Opens what lies at `path`, symbolic links followed inside the root.
    pub(crate) fn open(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        self.open_with(path, flags | OFlags::NOCTTY, INSIDE)
    }

    fn open_with(&self, path: &Path, flags: OFlags, resolve: ResolveFlags) -> io::Result<OwnedFd> {
        openat2_again(self.as_fd(), path, flags, resolve)
    }

    /// A handle on what lies at `path`; directories and the last component are made when missing.
    pub(crate) fn find_or_make(&self, path: &Path, missing: Missing) -> io::Result<OwnedFd> {
        self.make(path, missing, LINK_LIMIT)
    }

    fn make(&self, path: &Path, missing: Missing, links_left: u32) -> io::Result<OwnedFd> {
        match self.find(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        let names = names(path);
        let (mut at, mut depth) = self.deepest_existing(&names)?;
        while let Some(name) = names.get(depth) {
            if *name == OsStr::new("..") {
                // Below something that was missing a moment ago there is nothing to go up from.
                return Err(io::ErrorKind::NotFound.into());
            }
            let last = depth + 1 == names.len();
            let made = if last && missing == Missing::File {
                make_file(at.as_fd(), name)
            } else {
                make_directory(at.as_fd(), name)
            };
            match made {
                Ok(fd) => at = fd,
                // A symbolic link to something missing: make what it points to.
                Err(error) if is_link(&error) && links_left > 0 => {
                    // Links of a procfs are the kernel's, and their texts are no paths.
                    if fstatfs(&at)?.f_type.cast_unsigned() == PROC_MAGIC {
                        return Err(Errno::LOOP.into());
                    }
                    let Ok(link) = readlinkat(&at, *name, Vec::new()) else { return Err(error) };
                    let target = Path::new(OsStr::from_bytes(link.as_bytes()));
                    let mut onward: PathBuf = names[..depth].iter().collect();
                    // An absolute target starts again at the root.
                    onward.push(target);
                    onward.extend(&names[depth + 1..]);
                    return self.make(&onward, missing, links_left - 1);
                }
                Err(error) => return Err(error),
            }
            depth += 1;
        }
        Ok(at)
    }

    /// The longest prefix that is there, and how many names it has.
    fn deepest_existing(&self, names: &[&OsStr]) -> io::Result<(OwnedFd, usize)> {
        for depth in (1..names.len()).rev() {
            let prefix: PathBuf = names[..depth].iter().collect();
            match self.open_with(&prefix, OFlags::PATH | OFlags::DIRECTORY, INSIDE) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                found => return Ok((found?, depth)),
            }
        }
        Ok((self.directory.try_clone()?, 0))
    }

    /// The contents of a regular file of at most `limit_bytes`; `None` when it does not exist.
    pub(crate) fn read(&self, path: &Path, limit_bytes: u64) -> io::Result<Option<Vec<u8>>> {
        // NONBLOCK: a fifo in the file's place must not make us wait.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let file = match self.open(path, flags) {
            Ok(fd) => File::from(fd),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // A masked path: there is nothing to be read, and nobody is deceived.
        if terminal::is_null(&rustix::fs::fstat(&file)?) {
            return Ok(None);
        }
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(limit_bytes + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit_bytes {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("larger than {limit_bytes} bytes"),
            ));
        }
        Ok(Some(bytes))
    }
}

/// The last component of a path is a link when opening it with `O_NOFOLLOW` says one of these.
fn is_link(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::LOOP | Errno::NOTDIR | Errno::EXIST))
}

fn names(path: &Path) -> Vec<&OsStr> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name),
            Component::ParentDir => Some(OsStr::new("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

fn make_directory(at: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    match mkdirat(at, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    openat2_again(at, Path::new(name), flags, ResolveFlags::BENEATH)
}

fn make_file(at: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::from_raw_mode(0o644))?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW;
    openat2_again(at, Path::new(name), flags, ResolveFlags::BENEATH)
}

fn openat2_again(
    at: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    resolve: ResolveFlags,
) -> io::Result<OwnedFd> {
    let mut tries = 0;
    loop {
        match openat2(at, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if tries < RETRY_LIMIT => tries += 1,
            result => return Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests;
