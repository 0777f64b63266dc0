//! A path within layers: what each of them has there, and whether that hides what lower ones have.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, openat, openat2, readlink, statat,
};
use rustix::io::Errno;

use crate::contents::is_opaque;

/// What a layer has at a path.
pub(crate) enum InLayer {
    /// It says nothing about it.
    Nothing,
    /// It takes it away from lower layers.
    Hidden,
    /// A directory that shows those of lower layers, too.
    Shows(OwnedFd),
    /// A directory that hides those of lower layers.
    Alone(OwnedFd),
}

const DIR: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The directory at a path of a whole image, whose links lead nowhere else.
pub(crate) fn open(view: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat2(view, path, flags, Mode::empty(), resolve)
}

/// Where it is in that image, without links.
pub(crate) fn path_of(place: &OwnedFd) -> Result<PathBuf, Errno> {
    let link = readlink(format!("/proc/self/fd/{}", place.as_raw_fd()), Vec::new())?;
    let path = String::from_utf8(link.into_bytes()).map_err(|_| Errno::ILSEQ)?;
    // The kernel says so of what has no place in our tree.
    let path = path.strip_prefix("(unreachable)").unwrap_or(&path);
    let names = Path::new(path).components();
    Ok(names.filter(|part| matches!(part, Component::Normal(_))).collect())
}

/// Looks at the path in one layer.
pub(crate) fn in_layer(layer: &Path, path: &Path) -> Result<InLayer, Errno> {
    // The layer's own root may be a link into our descriptors.
    let mut dir =
        openat(CWD, layer, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut is_alone = is_opaque(&dir);
    for name in path {
        let there = match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) => there,
            Err(Errno::NOENT) => {
                return Ok(if is_alone { InLayer::Hidden } else { InLayer::Nothing });
            }
            Err(error) => return Err(error),
        };
        if FileType::from_raw_mode(there.st_mode) != FileType::Directory {
            return Ok(InLayer::Hidden);
        }
        dir = openat(&dir, name, DIR, Mode::empty())?;
        is_alone |= is_opaque(&dir);
    }
    Ok(if is_alone { InLayer::Alone(dir) } else { InLayer::Shows(dir) })
}
