//! Going through a tree that somebody may be changing: by open directories, without following a link, one look at each name.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat, statat};
use rustix::io::Errno;

use crate::place::{self, kind};
use crate::{Error, Result};

/// How many bytes the names of one directory may have.
const MAX_NAMES: usize = 256 << 20;
/// How deep directories may lie in one another.
const MAX_DEPTH: usize = 512;

/// Something that was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visited<'v> {
    /// The directory that it lies in.
    pub(crate) directory: BorrowedFd<'v>,
    /// Its name there.
    pub(crate) name: &'v CStr,
    /// Its path in the tree.
    pub(crate) path: &'v [u8],
    /// What it was when it was looked at.
    pub(crate) stat: &'v Stat,
}

impl Visited<'_> {
    pub(crate) fn kind(&self) -> FileType {
        kind(self.stat)
    }
}

struct Frame {
    directory: OwnedFd,
    path: Vec<u8>,
    /// The last one first.
    names: Vec<CString>,
}

/// Shows all that lies below a directory of a tree to `visit`, in order, directories before what is in them; `visit` says whether to
/// look into one.
pub(crate) fn walk(
    tree: BorrowedFd<'_>,
    directory: &[u8],
    visit: &mut dyn FnMut(Visited<'_>) -> Result<bool>,
) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let failed = |error: Errno| Error::read(directory, error);
    let opened = place::open(tree, directory, flags).map_err(failed)?;
    let mut frames = vec![frame(opened, directory.to_vec())?];
    while let Some(last) = frames.last_mut() {
        let Some(name) = last.names.pop() else {
            frames.pop();
            continue;
        };
        let path = join(&last.path, name.to_bytes());
        let stat = match statat(&last.directory, &*name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // One that vanished meanwhile was never there.
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(Error::read(&path, error)),
        };
        let visited =
            Visited { directory: last.directory.as_fd(), name: &name, path: &path, stat: &stat };
        let looks_into = visit(visited)?;
        if looks_into && kind(&stat) == FileType::Directory {
            let opened = match place::open(
                last.directory.as_fd(),
                name.to_bytes(),
                flags | OFlags::NOFOLLOW,
            ) {
                Ok(opened) => opened,
                // It is no directory any more.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                Err(error) => return Err(Error::read(&path, error)),
            };
            if frames.len() == MAX_DEPTH {
                let what = "the depth of directories";
                return Err(Error::Limit { what, limit: MAX_DEPTH as u64 });
            }
            frames.push(frame(opened, path)?);
        }
    }
    Ok(())
}

fn frame(directory: OwnedFd, path: Vec<u8>) -> Result<Frame> {
    let names = names(&directory, &path)?;
    Ok(Frame { directory, path, names })
}

/// The names of what is in a directory, the last one first.
fn names(directory: &OwnedFd, path: &[u8]) -> Result<Vec<CString>> {
    let failed = |error: Errno| Error::read(path, error);
    let (mut names, mut bytes) = (Vec::new(), 0);
    for item in Dir::read_from(directory).map_err(failed)? {
        let item = item.map_err(failed)?;
        let name = item.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        bytes += size_of::<CString>() + name.to_bytes_with_nul().len();
        if bytes > MAX_NAMES {
            let what = "the bytes of the names in one directory";
            return Err(Error::Limit { what, limit: MAX_NAMES as u64 });
        }
        names.push(name.to_owned());
    }
    names.sort_unstable_by(|one, other| other.cmp(one));
    Ok(names)
}

/// The names of what is in a directory of a tree, in order.
pub(crate) fn names_of(tree: BorrowedFd<'_>, directory: &[u8]) -> Result<Vec<Vec<u8>>> {
    let opened = place::open(tree, directory, OFlags::RDONLY | OFlags::DIRECTORY);
    let opened = opened.map_err(|error| Error::read(directory, error))?;
    Ok(names(&opened, directory)?.into_iter().rev().map(CString::into_bytes).collect())
}

pub(crate) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}
