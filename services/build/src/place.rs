//! Where a path leads in a root whose links an image wrote: resolved by hand, for what is not there yet has a place, too.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2, readlinkat};
use rustix::io::Errno;

use crate::{Error, Result};

/// How many links one path may lead through, as in the kernel.
const MAX_LINKS: usize = 40;
/// How many names a path may have.
const MAX_NAMES: usize = 1024;

/// The end of a path.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The path without links, and without a slash at its beginning; empty for the root.
    pub(crate) path: Vec<u8>,
    /// What is there.
    pub(crate) stat: Option<Stat>,
}

impl Place {
    pub(crate) fn is_directory(&self) -> bool {
        self.stat.as_ref().is_some_and(|stat| kind(stat) == FileType::Directory)
    }
}

pub(crate) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// The path's end, links followed; nothing leads out of the root.
pub(crate) fn resolve(root: BorrowedFd<'_>, path: &[u8]) -> Result<Place> {
    let mut pending: VecDeque<Vec<u8>> = names(path).map(<[u8]>::to_vec).collect();
    let mut names_so_far: Vec<Vec<u8>> = Vec::new();
    let mut found = look(root, b"")?;
    let mut links = 0;
    while let Some(name) = pending.pop_front() {
        if name == b".." {
            names_so_far.pop();
            found = look(root, &names_so_far.join(&b'/'))?;
            continue;
        }
        names_so_far.push(name);
        if names_so_far.len() > MAX_NAMES {
            return Err(Error::Limit { what: "the names of a path", limit: MAX_NAMES as u64 });
        }
        found = look(root, &names_so_far.join(&b'/'))?;
        if found.is_none_or(|stat| kind(&stat) != FileType::Symlink) {
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(Error::read(path, Errno::LOOP));
        }
        let target = link_target(root, &names_so_far.join(&b'/'))?;
        names_so_far.pop();
        if target.starts_with(b"/") {
            names_so_far.clear();
        }
        for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
            pending.push_front(name.to_vec());
        }
        found = look(root, &names_so_far.join(&b'/'))?;
    }
    Ok(Place { path: names_so_far.join(&b'/'), stat: found })
}

/// The names of a path that mean something.
pub(crate) fn names(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".")
}

/// What lies at a path without links in it; a link itself is looked at.
pub(crate) fn look(root: BorrowedFd<'_>, path: &[u8]) -> Result<Option<Stat>> {
    match open(root, path, OFlags::PATH | OFlags::NOFOLLOW) {
        Ok(fd) => fstat(&fd).map(Some).map_err(|error| Error::read(path, error)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(Error::read(path, error)),
    }
}

/// Opens a path that has no links in it.
pub(crate) fn open(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    // In the root, and not beneath it alone: a mount may lie on the way of a view.
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), how)
}

/// Opens what a path leads to, links followed, as a place that can be mounted and nothing else: a directory or an ordinary file,
/// opened without looking at any link again.
pub(crate) fn hold(root: BorrowedFd<'_>, place: &Place) -> Result<OwnedFd> {
    let path: &[u8] = if place.path.is_empty() { b"." } else { &place.path };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let failed = |error: Errno| Error::read(&place.path, error);
    let held = openat2(root, path, flags, Mode::empty(), how).map_err(failed)?;
    let stat = fstat(&held).map_err(failed)?;
    match kind(&stat) {
        FileType::Directory | FileType::RegularFile => Ok(held),
        _ => Err(Error::NotOrdinary(String::from_utf8_lossy(&place.path).into_owned())),
    }
}

/// Opens the ordinary file at the end of a path in a root that nobody is trusted with, links followed; `None` when something else or
/// nothing is there. Nothing is opened for reading before it is known to be a file: opening a device alone does things.
///
/// # Errors
/// The path cannot be followed, or the file cannot be opened.
pub fn open_ordinary(root: BorrowedFd<'_>, path: &[u8]) -> Result<Option<File>> {
    let place = resolve(root, path)?;
    if place.stat.is_none_or(|stat| kind(&stat) != FileType::RegularFile) {
        return Ok(None);
    }
    let held = hold(root, &place)?;
    if fstat(&held).is_ok_and(|stat| kind(&stat) != FileType::RegularFile) {
        return Ok(None);
    }
    let name = format!("/proc/self/fd/{}", held.as_raw_fd());
    File::open(name).map(Some).map_err(|error| Error::read(path, error))
}

/// Refuses device nodes of a context: they would be made by root, on behalf of whoever sent it.
pub(crate) fn no_device(path: &[u8], kind: FileType) -> Result<()> {
    match kind {
        FileType::BlockDevice | FileType::CharacterDevice => {
            Err(Error::NotOrdinary(String::from_utf8_lossy(path).into_owned()))
        }
        _ => Ok(()),
    }
}

pub(crate) fn link_target(root: BorrowedFd<'_>, path: &[u8]) -> Result<Vec<u8>> {
    let failed = |error: Errno| Error::read(path, error);
    let link = open(root, path, OFlags::PATH | OFlags::NOFOLLOW).map_err(failed)?;
    let target = readlinkat(link.as_fd(), "", Vec::new()).map_err(failed)?;
    Ok(target.into_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_stay_in_the_root() {
        let temp = tempfile::tempdir().unwrap();
        let at = |path: &str| temp.path().join(path);
        std::fs::create_dir_all(at("a/b")).unwrap();
        std::fs::write(at("a/b/file"), "x").unwrap();
        symlink("/a", at("absolute")).unwrap();
        symlink("../../../../../a/b", at("a/up")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink("/nowhere/x", at("dangling")).unwrap();
        let root = File::open(temp.path()).unwrap();
        let place = |path: &str| {
            let place = resolve(root.as_fd(), path.as_bytes()).unwrap();
            (String::from_utf8(place.path).unwrap(), place.stat.is_some())
        };
        for (path, expected) in [
            ("/", ("", true)),
            ("a//b/./file", ("a/b/file", true)),
            ("absolute/b", ("a/b", true)),
            ("a/up/file", ("a/b/file", true)),
            ("../../a", ("a", true)),
            ("a/b/new/deep", ("a/b/new/deep", false)),
            ("a/b/../../c", ("c", false)),
            ("dangling/y", ("nowhere/x/y", false)),
        ] {
            assert_eq!(place(path), (expected.0.to_owned(), expected.1), "{path}");
        }
        assert!(resolve(root.as_fd(), b"loop/x").is_err());
    }

    #[test]
    fn only_ordinary_files_are_opened() {
        let temp = tempfile::tempdir().unwrap();
        let at = |path: &str| temp.path().join(path);
        std::fs::write(at("file"), "x").unwrap();
        symlink("/file", at("link")).unwrap();
        symlink("/dev/null", at("out")).unwrap();
        let pipe = FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), pipe, Mode::RUSR, 0).unwrap();
        let root = File::open(temp.path()).unwrap();
        let opens = |path: &str| open_ordinary(root.as_fd(), path.as_bytes()).unwrap().is_some();
        assert!(opens("file") && opens("link"));
        assert!(!opens("out") && !opens("pipe") && !opens("/") && !opens("none"));
        let pipe = resolve(root.as_fd(), b"pipe").unwrap();
        assert!(hold(root.as_fd(), &pipe).is_err());
        // A place that has become a link meanwhile is not followed.
        let file = resolve(root.as_fd(), b"file").unwrap();
        std::fs::remove_file(at("file")).unwrap();
        symlink("/etc", at("file")).unwrap();
        assert!(hold(root.as_fd(), &file).is_err());
        assert!(no_device(b"x", FileType::BlockDevice).is_err());
    }
}
