//! Finding one thing below a root, with everything that an archive would say of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, OFlags, statat};
use rustix::io::Errno;

use crate::apply::{is_overlay_whiteout, open_in_root};
use crate::{EntryKind, EntryPath, Error, Header, Result, inode};

/// What lies at a path below `root`, with its attributes, and open for reading when it is a file.
/// Symbolic links on the way are followed inside the root, one at the path itself is not. `None` when
/// nothing is there, or what an archive cannot say.
pub fn look_up(
    root: BorrowedFd<'_>,
    path: &EntryPath,
) -> Result<Option<(Header, Option<OwnedFd>)>> {
    let bytes = path.as_bytes();
    let failed = |source: Errno| Error::place("look at", bytes, source);
    let parent: &[u8] = if path.parent().is_empty() { b"." } else { path.parent() };
    let parent = match open_in_root(root, parent, OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(parent) => parent,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let name = if path.is_root() { b"." } else { path.name() };
    let stat = match statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if is_overlay_whiteout(&stat) => return Ok(None),
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let Some(mut header) = inode::header(parent.as_fd(), name, bytes, &stat)? else {
        return Ok(None);
    };
    if !matches!(header.kind, EntryKind::File | EntryKind::Directory) {
        return Ok(Some((header, None)));
    }
    let opened = inode::open(parent.as_fd(), name, &stat).map_err(failed)?;
    header.xattrs = inode::xattrs(opened.as_fd(), bytes)?;
    let file = (header.kind == EntryKind::File).then_some(opened);
    Ok(Some((header, file)))
}
