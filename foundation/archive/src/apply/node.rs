//! What entries become: files, directories, links, devices and pipes.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{
    AtFlags, Dev, FileType, Mode, OFlags, Stat, ftruncate, linkat, makedev, mkdirat, mknodat,
    openat, statat, symlinkat,
};
use rustix::io::{Errno, pwrite};

use super::Applier;
use super::born::Unset;
use super::filler::Blank;
use crate::reader::Entry;
use crate::{EntryKind, EntryPath, Error, Header, Result, Whiteouts, metadata};

impl Applier<'_> {
    pub(super) fn file<R: Read>(
        &mut self,
        path: &EntryPath,
        header: Header,
        entry: &mut Entry<'_, R>,
    ) -> Result<()> {
        let dir = self.parent(path)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (mode, unset) = match self.place.born_in(&dir) {
            Some(born) => born.of(&header),
            None => (Mode::RUSR | Mode::WUSR, Unset { owner: true, mode: true }),
        };
        let open = |dir: BorrowedFd<'_>| openat(dir, path.name(), flags, mode);
        let (file, _) = self.fresh(dir.as_fd(), path, open)?;
        self.size_bytes += header.size;
        let blank = Blank { file, header, unset };
        // What waits for the filler is counted by its content alone.
        let is_plain = !entry.is_sparse() && blank.header.xattrs.is_empty();
        if is_plain && self.filler.takes(blank.header.size) {
            let content = self.filler.content();
            entry.extents(|_, bytes| {
                content.extend_from_slice(bytes);
                Ok(())
            })?;
            return self.filler.hand_over(blank);
        }
        copy(blank.file.as_fd(), &blank.header, entry)?;
        blank.describe()
    }

    /// Makes something that must not be there yet; what an earlier entry left is removed. Whether
    /// that was a whiteout.
    fn fresh<T>(
        &mut self,
        dir: BorrowedFd<'_>,
        path: &EntryPath,
        make: impl Fn(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<(T, bool)> {
        let failed = |source: Errno| Error::place("make", path.as_bytes(), source);
        match make(dir) {
            Ok(made) => {
                // A link that waits for its target at this path has lost it to us.
                if self.memory.is_link(path) {
                    self.memory.forget(path);
                }
                Ok((made, false))
            }
            Err(Errno::EXIST) => {
                let was_whiteout = self.clear(dir, path)?;
                Ok((make(dir).map_err(failed)?, was_whiteout))
            }
            Err(error) => Err(failed(error)),
        }
    }

    pub(super) fn directory(&mut self, path: &EntryPath, header: &Header) -> Result<()> {
        let parent = self.parent(path)?;
        let name = path.name();
        let failed = |source: Errno| Error::place("make the directory", path.as_bytes(), source);
        // Directories of the same path are merged; anything else makes way.
        let make = |dir: BorrowedFd<'_>| match mkdirat(dir, name, Mode::RWXU) {
            Err(Errno::EXIST) if is_directory(dir, name) => Ok(()),
            result => result,
        };
        let ((), hides_lower) = self.fresh(parent.as_fd(), path, make)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = openat(&*parent, name, flags, Mode::empty()).map_err(failed)?;
        metadata::on_fd(dir.as_fd(), header)?;
        self.place.changed(&header.xattrs);
        self.memory.directory(path.clone(), header.modified)?;
        if hides_lower {
            metadata::make_opaque(dir.as_fd(), path.as_bytes())?;
            self.memory.opaque(path.clone())?;
        }
        self.place.enter(path.clone(), dir);
        Ok(())
    }

    pub(super) fn symlink(
        &mut self,
        path: &EntryPath,
        header: &Header,
        target: &[u8],
    ) -> Result<()> {
        if target.is_empty() {
            return Err(Error::entry(&header.path, "is a symbolic link to nothing"));
        }
        let dir = self.parent(path)?;
        self.fresh(dir.as_fd(), path, |dir| symlinkat(target, dir, path.name()))?;
        metadata::owner_on_name(dir.as_fd(), path.name(), header)?;
        metadata::time_on_name(dir.as_fd(), path.name(), header)
    }

    pub(super) fn node(&mut self, path: &EntryPath, header: &Header) -> Result<()> {
        let (kind, device): (_, Dev) = match header.kind {
            EntryKind::CharDevice { major, minor } => {
                (FileType::CharacterDevice, makedev(major, minor))
            }
            EntryKind::BlockDevice { major, minor } => {
                (FileType::BlockDevice, makedev(major, minor))
            }
            _ => (FileType::Fifo, 0),
        };
        let dir = self.parent(path)?;
        self.fresh(dir.as_fd(), path, |dir| {
            mknodat(dir, path.name(), kind, Mode::RUSR | Mode::WUSR, device)
        })?;
        metadata::owner_on_name(dir.as_fd(), path.name(), header)?;
        metadata::mode_on_name(dir.as_fd(), path.name(), header)?;
        metadata::time_on_name(dir.as_fd(), path.name(), header)
    }

    pub(super) fn hard_link(
        &mut self,
        path: &EntryPath,
        header: &Header,
        target: &[u8],
    ) -> Result<()> {
        let target = EntryPath::checked(target, &self.options.limits)
            .map_err(|_| Error::entry(&header.path, "is a hard link out of the archive"))?;
        if target.is_root() {
            return Err(Error::entry(&header.path, "is a hard link to the root"));
        }
        // What it says of the file that it names comes after what that file's own header said.
        self.filler.settle()?;
        let from = match self.place.existing_parent(&target)? {
            Some(from) if !self.memory.is_whiteout(&target) && !self.memory.is_link(&target) => {
                from
            }
            _ => return self.link_later(path, target),
        };
        let Ok(found) = statat(&*from, target.name(), AtFlags::SYMLINK_NOFOLLOW) else {
            return self.link_later(path, target);
        };
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            return Err(Error::entry(&header.path, "is a hard link to a directory"));
        }
        if self.options.whiteouts == Whiteouts::Plain && path.below().contains(&target) {
            return Err(Error::entry(&header.path, "is a hard link to a file below itself"));
        }
        let dir = self.parent(path)?;
        let is_itself = statat(&*dir, path.name(), AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|at| (at.st_dev, at.st_ino) == (found.st_dev, found.st_ino));
        if is_itself {
            if self.memory.is_link(path) {
                self.memory.forget(path);
            }
            return Ok(());
        }
        let link =
            |dir: BorrowedFd<'_>| linkat(&*from, target.name(), dir, path.name(), AtFlags::empty());
        match self.fresh(dir.as_fd(), path, link) {
            // The target lay below what the link has replaced.
            Err(Error::Place { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return self.link_later(path, target);
            }
            result => result?,
        };
        adopt(dir.as_fd(), path.name(), header, &found)
    }

    /// The target may be a lower layer's, or come later: that is known in the end.
    fn link_later(&mut self, path: &EntryPath, target: EntryPath) -> Result<()> {
        if *path == target {
            return Err(Error::entry(path.as_bytes(), "is a hard link to itself"));
        }
        let dir = self.parent(path)?;
        // Below a plain archive lies nothing; there, what is at the path is somebody's until the target is known.
        if self.options.whiteouts == Whiteouts::Overlay {
            self.clear(dir.as_fd(), path)?;
        }
        self.memory.link(path.clone(), target)
    }

    /// Makes the links of a plain archive whose targets came after them.
    pub(super) fn late_links(&mut self) -> Result<()> {
        for (path, target) in self.memory.links() {
            // One that was made before may have replaced a directory that this one lay in.
            if !self.memory.is_link(&path) {
                continue;
            }
            let missing =
                || Error::entry(path.as_bytes(), "is a hard link to a file that is not there");
            if self.memory.is_link(&target) {
                return Err(missing());
            }
            let from = self.place.existing_parent(&target)?.ok_or_else(missing)?;
            let found =
                statat(&*from, target.name(), AtFlags::SYMLINK_NOFOLLOW).map_err(|_| missing())?;
            if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
                return Err(Error::entry(path.as_bytes(), "is a hard link to a directory"));
            }
            if path.below().contains(&target) {
                return Err(Error::entry(path.as_bytes(), "is a hard link to a file below itself"));
            }
            let dir = self.parent(&path)?;
            let is_itself = statat(&*dir, path.name(), AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|at| (at.st_dev, at.st_ino) == (found.st_dev, found.st_ino));
            if is_itself {
                self.memory.forget(&path);
                continue;
            }
            self.clear(dir.as_fd(), &path)?;
            linkat(&*from, target.name(), &*dir, path.name(), AtFlags::empty())
                .map_err(|source| Error::place("make", path.as_bytes(), source))?;
        }
        Ok(())
    }
}

/// The data of a file, from the reader's buffer straight to its place.
fn copy<R: Read>(file: BorrowedFd<'_>, header: &Header, entry: &mut Entry<'_, R>) -> Result<()> {
    let failed = |source: Errno| Error::place("write", &header.path, source);
    if entry.is_sparse() {
        ftruncate(file, header.size).map_err(failed)?;
    }
    entry.extents(|offset, bytes| write(file, &header.path, offset, bytes))
}

/// Writes all of it at its place.
pub(super) fn write(
    file: BorrowedFd<'_>,
    path: &[u8],
    mut offset: u64,
    mut bytes: &[u8],
) -> Result<()> {
    while !bytes.is_empty() {
        match pwrite(file, bytes, offset) {
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(Error::place("write", path, error)),
        }
    }
    Ok(())
}

/// A link's header speaks about the file it names, as Docker reads it. Owner and mode are left
/// alone when they are right, because setting them would clear capabilities.
fn adopt(dir: BorrowedFd<'_>, name: &[u8], header: &Header, found: &Stat) -> Result<()> {
    let changes_owner = (found.st_uid, found.st_gid) != (header.uid, header.gid);
    if changes_owner {
        metadata::owner_on_name(dir, name, header)?;
    }
    let is_link = FileType::from_raw_mode(found.st_mode) == FileType::Symlink;
    // A change of owner has cleared the set-user-id bit.
    if !is_link && (changes_owner || found.st_mode & 0o7777 != header.mode) {
        metadata::mode_on_name(dir, name, header)?;
    }
    metadata::time_on_name(dir, name, header)
}

fn is_directory(dir: BorrowedFd<'_>, name: &[u8]) -> bool {
    statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}
