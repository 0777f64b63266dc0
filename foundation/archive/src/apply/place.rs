//! Where entries go: directories below the root, opened by the kernel's own rules for a root
//! (openat2 with `RESOLVE_IN_ROOT`), so that no symbolic link in the archive leads out of it.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, ResolveFlags, Uid, chmodat, chownat, fstat, mkdirat, openat,
    openat2, unlinkat,
};
use rustix::io::Errno;

use super::born::Born;
use super::memory::Memory;
use crate::{EntryPath, Error, Result, Xattr, metadata};

pub(super) struct Place {
    root: Rc<Folder>,
    /// The directory of the last entry: archives go through directories one after the other.
    current: Option<(EntryPath, Rc<Folder>)>,
    /// What new files are by themselves, as far as that is known.
    born: Option<Born>,
}

/// A directory that entries go into.
pub(super) struct Folder {
    fd: OwnedFd,
    /// What new files in it are by themselves.
    born: Cell<Asked>,
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    NotYet,
    Known(Born),
    Unknown,
}

impl Folder {
    fn new(fd: OwnedFd) -> Rc<Self> {
        Rc::new(Self { fd, born: Cell::new(Asked::NotYet) })
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What a directory without an entry gets; Docker's choice.
const IMPLIED_MODE: u32 = 0o755;

impl Place {
    pub(super) fn new(root: BorrowedFd<'_>) -> Result<Self> {
        let root =
            root.try_clone_to_owned().map_err(|source| Error::place("keep open", b".", source))?;
        let born = Born::probe(root.as_fd());
        Ok(Self { root: Folder::new(root), current: None, born })
    }

    /// Forgets the directory at hand: it may be gone.
    pub(super) fn forget(&mut self) {
        self.current = None;
    }

    /// Remembers a directory that the next entries probably lie in.
    pub(super) fn enter(&mut self, path: EntryPath, dir: OwnedFd) {
        self.current = Some((path, Folder::new(dir)));
    }

    /// What a new file in a directory is by itself, where that is known.
    pub(super) fn born_in(&self, dir: &Folder) -> Option<Born> {
        let born = self.born?;
        if let Asked::NotYet = dir.born.get() {
            let holds = fstat(&dir.fd).is_ok_and(|stat| born.holds_in(&stat));
            dir.born.set(if holds { Asked::Known(born) } else { Asked::Unknown });
        }
        match dir.born.get() {
            Asked::Known(born) => Some(born),
            Asked::NotYet | Asked::Unknown => None,
        }
    }

    /// The attributes of a directory have changed: they may rule what is made in it.
    pub(super) fn changed(&mut self, xattrs: &[Xattr]) {
        if !Born::survives(xattrs) {
            self.born = None;
        }
        self.root.born.set(Asked::NotYet);
    }

    /// The directory at a path, made when it is missing.
    pub(super) fn directory(
        &mut self,
        path: &EntryPath,
        memory: &mut Memory,
    ) -> Result<Rc<Folder>> {
        if path.is_root() {
            return Ok(Rc::clone(&self.root));
        }
        if let Some((current, dir)) = &self.current
            && current == path
        {
            return Ok(Rc::clone(dir));
        }
        let dir = match self.open(path.as_bytes(), OFlags::PATH) {
            Ok(dir) => dir,
            Err(Errno::NOENT | Errno::NOTDIR) => self.make(path, memory)?,
            Err(error) => return Err(blocked(path.as_bytes(), error)),
        };
        let dir = Folder::new(dir);
        self.current = Some((path.clone(), Rc::clone(&dir)));
        Ok(dir)
    }

    /// The directory that a path lies in, if it is there.
    pub(super) fn existing_parent(&self, path: &EntryPath) -> Result<Option<Rc<Folder>>> {
        if path.parent().is_empty() {
            return Ok(Some(Rc::clone(&self.root)));
        }
        if let Some((current, dir)) = &self.current
            && current.as_bytes() == path.parent()
        {
            return Ok(Some(Rc::clone(dir)));
        }
        match self.open(path.parent(), OFlags::PATH) {
            Ok(dir) => Ok(Some(Folder::new(dir))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(blocked(path.parent(), error)),
        }
    }

    /// A directory that is there, open for reading: attributes and times need that. No symbolic
    /// link at its own name. `None` when it is gone or something else by now.
    pub(super) fn existing(&self, path: &EntryPath) -> Result<Option<OwnedFd>> {
        if path.is_root() {
            return self.open_for_change(path).map(Some);
        }
        match self.open(path.as_bytes(), OFlags::RDONLY | OFlags::NOFOLLOW) {
            Ok(dir) => Ok(Some(dir)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(source) => Err(Error::place("open", path.as_bytes(), source)),
        }
    }

    /// A directory that is there, symbolic links followed, open for reading.
    pub(super) fn open_for_change(&self, path: &EntryPath) -> Result<OwnedFd> {
        let name = if path.is_root() { b"." } else { path.as_bytes() };
        self.open(name, OFlags::RDONLY).map_err(|error| blocked(path.as_bytes(), error))
    }

    fn open(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        open_in_root(self.root.as_fd(), path, flags | OFlags::DIRECTORY)
    }

    /// Makes what is missing on the way to a directory.
    fn make(&self, path: &EntryPath, memory: &mut Memory) -> Result<OwnedFd> {
        let mut above: Option<OwnedFd> = None;
        for prefix in path.ancestry() {
            let next = match self.open(prefix.as_bytes(), OFlags::PATH) {
                Ok(dir) => dir,
                Err(error @ (Errno::NOENT | Errno::NOTDIR)) => {
                    let above = above.as_ref().map_or_else(|| self.root.as_fd(), AsFd::as_fd);
                    let was_whiteout = memory.is_whiteout(&prefix);
                    if was_whiteout {
                        unlinkat(above, prefix.name(), AtFlags::empty())
                            .map_err(|source| Error::place("remove", prefix.as_bytes(), source))?;
                        memory.forget(&prefix);
                    } else if error == Errno::NOTDIR {
                        return Err(blocked(prefix.as_bytes(), error));
                    }
                    make_one(above, &prefix, was_whiteout, memory)?
                }
                Err(error) => return Err(blocked(prefix.as_bytes(), error)),
            };
            above = Some(next);
        }
        above.ok_or_else(|| Error::entry(path.as_bytes(), "has no directory"))
    }
}

/// Makes one directory that no entry declares.
fn make_one(
    above: BorrowedFd<'_>,
    path: &EntryPath,
    opaque: bool,
    memory: &mut Memory,
) -> Result<OwnedFd> {
    let name = path.name();
    let failed = |source: Errno| blocked(path.as_bytes(), source);
    let mode = Mode::from_raw_mode(IMPLIED_MODE);
    mkdirat(above, name, mode).map_err(failed)?;
    // Not what the umask and a set-group-id bit above make of it.
    chownat(above, name, Some(Uid::ROOT), Some(Gid::ROOT), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(failed)?;
    chmodat(above, name, mode, AtFlags::empty()).map_err(failed)?;
    memory.implied(path.clone())?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = openat(above, name, flags, Mode::empty()).map_err(failed)?;
    if opaque {
        metadata::make_opaque(dir.as_fd(), path.as_bytes())?;
        memory.hides(path.clone())?;
    }
    Ok(dir)
}

/// Opens a path as if `root` were the root directory of the process.
pub(crate) fn open_in_root(
    root: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    /// The kernel gives up with EAGAIN when something anywhere is renamed while it goes up a `..`
    /// of a link.
    const ATTEMPTS: usize = 64;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    for _ in 1..ATTEMPTS {
        match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
    openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// Why a directory cannot be used.
fn blocked(path: &[u8], error: Errno) -> Error {
    match error {
        Errno::NOTDIR | Errno::EXIST | Errno::LOOP => {
            Error::entry(path, "is not a directory, but others lie in it")
        }
        error => Error::place("open or make the directory", path, error),
    }
}
