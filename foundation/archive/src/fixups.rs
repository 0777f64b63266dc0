//! What a layer alone does not say: directories that it uses but does not declare, and hard links to
//! files of lower layers. Both are settled here, with the lower layers at hand.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, fstat, linkat, mknodat, openat, statat, symlinkat,
};
use rustix::io::Errno;

use crate::apply::open_in_root;
use crate::{EntryKind, EntryPath, Error, Header, Result, inode, metadata};

/// Something that depends on the layers below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fixup {
    /// A directory that only lies on the way to entries: it hides the lower layers' directory of
    /// that path, so it must look like it.
    ImpliedDirectory {
        /// Where.
        path: EntryPath,
    },
    /// A hard link whose target this layer does not have.
    Link {
        /// Where.
        path: EntryPath,
        /// To what.
        target: EntryPath,
    },
}

/// Settles fixups in a layer's `root`, in their order. `lower` is the merged view of the layers
/// below, if there are any: implied directories get the owner, mode, attributes and time of the
/// lower directory, if there is one; linked files are copied up, as overlayfs would.
///
/// # Errors
/// A link's target is nowhere ([`gantry_types::ErrorKind::InvalidParameter`]), or a step failed.
pub fn resolve_fixups(
    root: BorrowedFd<'_>,
    lower: Option<BorrowedFd<'_>>,
    fixups: &[Fixup],
) -> Result<()> {
    // Inner directories first, so that nothing is made in a directory after it got its time.
    for fixup in fixups {
        if let Fixup::Link { path, target } = fixup {
            link(root, lower, path, target)?;
        }
    }
    let Some(lower) = lower else { return Ok(()) };
    for fixup in fixups {
        if let Fixup::ImpliedDirectory { path } = fixup {
            copy_directory_metadata(lower, root, path)?;
        }
    }
    Ok(())
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW);

fn copy_directory_metadata(
    lower: BorrowedFd<'_>,
    root: BorrowedFd<'_>,
    path: &EntryPath,
) -> Result<()> {
    let bytes = path.as_bytes();
    let failed = |source: Errno| Error::place("open the directory", bytes, source);
    let from = match open_in_root(lower, bytes, DIRECTORY) {
        Ok(from) => from,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let to = open_in_root(root, bytes, DIRECTORY).map_err(failed)?;
    let stat = fstat(&from).map_err(failed)?;
    let Some(mut header) = inode::header(from.as_fd(), b"", bytes, &stat)? else { return Ok(()) };
    header.xattrs = inode::xattrs(from.as_fd(), bytes)?;
    metadata::on_fd(to.as_fd(), &header)?;
    metadata::time_on_fd(to.as_fd(), bytes, header.modified)
}

fn link(
    root: BorrowedFd<'_>,
    lower: Option<BorrowedFd<'_>>,
    path: &EntryPath,
    target: &EntryPath,
) -> Result<()> {
    let missing = || Error::entry(path.as_bytes(), "is a hard link to a file that is not there");
    let to = parent(root, path)?.ok_or_else(missing)?;
    let before = fstat(&to).map_err(|source| Error::place("read", path.as_bytes(), source))?;
    if !link_inside(root, to.as_fd(), path, target)? {
        let from = match lower {
            Some(lower) => parent(lower, target)?,
            None => None,
        };
        let from = from.ok_or_else(missing)?;
        if !copy_up(from.as_fd(), target, to.as_fd(), path)? {
            return Err(missing());
        }
    }
    // The directory keeps the time that its own entry gave it.
    let Some(header) = inode::header(to.as_fd(), b"", path.parent(), &before)? else {
        return Ok(());
    };
    metadata::time_on_fd(to.as_fd(), path.parent(), header.modified)
}

fn parent(root: BorrowedFd<'_>, path: &EntryPath) -> Result<Option<OwnedFd>> {
    let parent: &[u8] = if path.parent().is_empty() { b"." } else { path.parent() };
    match open_in_root(root, parent, OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(dir) => Ok(Some(dir)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(source) => Err(Error::place("open the directory", parent, source)),
    }
}

/// The target may have come later in the archive, or by an earlier fixup.
fn link_inside(
    root: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    path: &EntryPath,
    target: &EntryPath,
) -> Result<bool> {
    let Some(from) = parent(root, target)? else { return Ok(false) };
    let Ok(stat) = statat(&from, target.name(), AtFlags::SYMLINK_NOFOLLOW) else {
        return Ok(false);
    };
    if crate::apply::is_overlay_whiteout(&stat) {
        return Ok(false);
    }
    match linkat(&from, target.name(), to, path.name(), AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::PERM) => Err(Error::entry(path.as_bytes(), "is a hard link to a directory")),
        Err(source) => Err(Error::place("link", path.as_bytes(), source)),
    }
}

/// Copies what is not a directory from a lower layer, with everything that belongs to it.
fn copy_up(
    from: BorrowedFd<'_>,
    target: &EntryPath,
    to: BorrowedFd<'_>,
    path: &EntryPath,
) -> Result<bool> {
    let (name, bytes) = (path.name(), path.as_bytes());
    let failed = |source: Errno| Error::place("copy up", bytes, source);
    let stat = match statat(from, target.name(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(failed(error)),
    };
    let Some(header) = inode::header(from, target.name(), bytes, &stat)? else { return Ok(false) };
    match &header.kind {
        EntryKind::File => {
            copy_file(from, target, (to, name), header)?;
            return Ok(true);
        }
        EntryKind::Directory | EntryKind::HardLink { .. } => {
            return Err(Error::entry(bytes, "is a hard link to a directory"));
        }
        EntryKind::Symlink { target } => symlinkat(&target[..], to, name).map_err(failed)?,
        EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. } | EntryKind::Fifo => {
            let kind = FileType::from_raw_mode(stat.st_mode);
            mknodat(to, name, kind, Mode::empty(), stat.st_rdev).map_err(failed)?;
        }
    }
    metadata::owner_on_name(to, name, &header)?;
    if !matches!(header.kind, EntryKind::Symlink { .. }) {
        metadata::mode_on_name(to, name, &header)?;
    }
    metadata::time_on_name(to, name, &header)?;
    Ok(true)
}

fn copy_file(
    from: BorrowedFd<'_>,
    target: &EntryPath,
    (to, name): (BorrowedFd<'_>, &[u8]),
    mut header: Header,
) -> Result<()> {
    let failed = |source: std::io::Error| Error::place("copy up", &header.path, source);
    let stat = statat(from, target.name(), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|error| failed(error.into()))?;
    let source = inode::open(from, target.name(), &stat).map_err(|error| failed(error.into()))?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let copy =
        openat(to, name, flags, Mode::RUSR | Mode::WUSR).map_err(|error| failed(error.into()))?;
    let (mut source, mut copy) = (std::fs::File::from(source), std::fs::File::from(copy));
    std::io::copy(&mut source, &mut copy).map_err(failed)?;
    header.xattrs = inode::xattrs(source.as_fd(), &header.path)?;
    metadata::on_fd(copy.as_fd(), &header)?;
    metadata::time_on_fd(copy.as_fd(), &header.path, header.modified)
}
