//! What an overlay upper directory changes in the view below it, entry by entry; and which of its entries are only there
//! to be mounted upon.
//!
//! Both directories may be written by somebody hostile meanwhile: names are opened one by one from their directory, no
//! symbolic link is followed, and what vanishes does not count.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, openat, openat2, statat};
use rustix::io::Errno;

use crate::apply::is_overlay_whiteout;
use crate::list::Budget;
use crate::path::join;
use crate::tree::MAX_DEPTH;
use crate::{EntryPath, Error, Limits, Result, inode, metadata};

/// More changes than this are not listed.
const MAX_CHANGES: usize = 1_000_000;

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// It is another, or something in it is.
    Modified,
    /// It was not there below.
    Added,
    /// It is no longer there.
    Deleted,
}

/// One changed entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its path from the root, without a leading slash; any bytes.
    pub path: Vec<u8>,
    /// What became of it.
    pub kind: ChangeKind,
}

/// Lists what `upper` changes in `lower`, in the order of paths, `without` what is at these paths.
///
/// Whether a file was changed is told by its metadata: mode, owner, device, and of what is no directory size and time. A
/// directory is also listed when something in it is. Of a deleted directory only itself is listed.
///
/// # Errors
/// A directory cannot be read ([`Error::Place`]), or there are more than a million changes or [`MAX_DEPTH`] levels,
/// or longer paths and more names than [`Limits`] allow an archive by default.
pub fn changes(
    upper: BorrowedFd<'_>,
    lower: BorrowedFd<'_>,
    without: &BTreeSet<Vec<u8>>,
) -> Result<Vec<Change>> {
    changes_within(upper, lower, without, Limits::default())
}

fn changes_within(
    upper: BorrowedFd<'_>,
    lower: BorrowedFd<'_>,
    without: &BTreeSet<Vec<u8>>,
    limits: Limits,
) -> Result<Vec<Change>> {
    let keep = |fd: BorrowedFd<'_>| {
        fd.try_clone_to_owned().map_err(|source| Error::place("keep open", b".", source))
    };
    let mut comparison = Comparison { without, found: Vec::new(), budget: Budget::new(limits) };
    let top = (keep(upper)?, Some(keep(lower)?), Vec::new());
    let mut frames = vec![Frame::new(top, &mut comparison.budget)?];
    while let Some(frame) = frames.last_mut() {
        let Some(name) = frame.names.pop() else {
            frames.pop();
            continue;
        };
        comparison.budget.give_back(&name);
        let Some(below) = comparison.entry(frame, &name)? else { continue };
        if frames.len() == MAX_DEPTH {
            return Err(Error::Limit { limit: MAX_DEPTH as u64, what: "levels" });
        }
        frames.push(Frame::new(below, &mut comparison.budget)?);
    }
    comparison.finish()
}

/// A directory on the way, with the names that are still to come, the last one first.
struct Frame {
    upper: OwnedFd,
    /// The directory below it, unless there was none.
    lower: Option<OwnedFd>,
    path: Vec<u8>,
    names: Vec<Vec<u8>>,
}

/// A directory in which to go on: upper, lower, path.
type Below = (OwnedFd, Option<OwnedFd>, Vec<u8>);

impl Frame {
    fn new((upper, lower, path): Below, budget: &mut Budget) -> Result<Self> {
        let mut names: BTreeSet<Vec<u8>> =
            budget.names_in(upper.as_fd(), &path)?.into_iter().collect();
        // An opaque directory hides what is below it: all of that is to be looked at.
        if let Some(lower) = &lower
            && inode::xattr(upper.as_fd(), metadata::OPAQUE, &path)?.as_deref() == Some(b"y")
        {
            for name in budget.names_in(lower.as_fd(), &path)? {
                if let Some(twice) = names.replace(name) {
                    budget.give_back(&twice);
                }
            }
        }
        Ok(Self { upper, lower, path, names: names.into_iter().rev().collect() })
    }
}

struct Comparison<'a> {
    without: &'a BTreeSet<Vec<u8>>,
    found: Vec<Change>,
    budget: Budget,
}

impl Comparison<'_> {
    /// Compares what is at `name`; a directory comes back open.
    fn entry(&mut self, frame: &Frame, name: &[u8]) -> Result<Option<Below>> {
        let path = self.budget.join(&frame.path, name)?;
        if self.without.contains(&path) {
            return Ok(None);
        }
        let new = stat(frame.upper.as_fd(), name, &path)?.filter(|stat| !is_overlay_whiteout(stat));
        let old = match &frame.lower {
            Some(lower) => stat(lower.as_fd(), name, &path)?,
            None => None,
        };
        let kind = match (&new, &old) {
            (None, None) => return Ok(None),
            (None, Some(_)) => Some(ChangeKind::Deleted),
            (Some(_), None) => Some(ChangeKind::Added),
            (Some(new), Some(old)) => is_different(new, old).then_some(ChangeKind::Modified),
        };
        if let Some(kind) = kind {
            self.add(path.clone(), kind)?;
        }
        if !new.as_ref().is_some_and(is_directory) {
            return Ok(None);
        }
        let Some(upper) = open_dir(frame.upper.as_fd(), name, &path)? else { return Ok(None) };
        let lower = match &frame.lower {
            Some(lower) if old.as_ref().is_some_and(is_directory) => {
                open_dir(lower.as_fd(), name, &path)?
            }
            _ => None,
        };
        Ok(Some((upper, lower, path)))
    }

    fn add(&mut self, path: Vec<u8>, kind: ChangeKind) -> Result<()> {
        if self.found.len() == MAX_CHANGES {
            return Err(Error::Limit { limit: MAX_CHANGES as u64, what: "changes" });
        }
        self.budget.take(&path)?;
        self.found.push(Change { path, kind });
        Ok(())
    }

    /// Adds the directories in which something was changed.
    fn finish(mut self) -> Result<Vec<Change>> {
        let known: BTreeSet<&[u8]> = self.found.iter().map(|change| &change.path[..]).collect();
        let mut parents: BTreeSet<Vec<u8>> = BTreeSet::new();
        for change in &self.found {
            let mut end = change.path.len();
            while let Some(slash) = change.path[..end].iter().rposition(|&byte| byte == b'/') {
                let parent = &change.path[..slash];
                if known.contains(parent) || parents.contains(parent) {
                    break;
                }
                self.budget.take(parent)?;
                parents.insert(parent.to_vec());
                end = slash;
            }
        }
        let modified = |path| Change { path, kind: ChangeKind::Modified };
        self.found.extend(parents.into_iter().map(modified));
        // Component by component: what is in a directory follows it at once.
        self.found
            .sort_unstable_by(|one, other| Iterator::cmp(parts(&one.path), parts(&other.path)));
        Ok(self.found)
    }
}

fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
}

/// Which of `points` (paths from the root) a runtime has made in `upper` only to mount upon them: files and directories
/// without anything in them that are not in `lower`; and the directories that are in `upper` for no other reason.
pub fn mount_points<'a>(
    upper: BorrowedFd<'_>,
    lower: BorrowedFd<'_>,
    points: impl IntoIterator<Item = &'a [u8]>,
) -> Result<BTreeSet<Vec<u8>>> {
    let mut points: Vec<EntryPath> =
        points.into_iter().filter_map(|point| EntryPath::normalise(point).ok()).collect();
    // What lies deeper comes first: a directory with nothing but mount points in it is one itself.
    points.sort_by_key(|point| std::cmp::Reverse(parts(point.as_bytes()).count()));
    let mut made = BTreeSet::new();
    for point in points.iter().filter(|point| !point.is_root()) {
        let Some(new) = find(upper, point)? else { continue };
        let is_bare = match FileType::from_raw_mode(new.st_mode) {
            FileType::RegularFile => new.st_size == 0,
            FileType::Directory => holds_only(upper, point, &made)?,
            _ => false,
        };
        if !is_bare || find(lower, point)?.is_some() {
            continue;
        }
        made.insert(point.as_bytes().to_vec());
        let mut parent = point.up();
        while !parent.is_root() && is_there_for(upper, lower, &parent, &made)? {
            made.insert(parent.as_bytes().to_vec());
            parent = parent.up();
        }
    }
    Ok(made)
}

/// Whether the directory is in `upper` only for what `made` has.
fn is_there_for(
    upper: BorrowedFd<'_>,
    lower: BorrowedFd<'_>,
    dir: &EntryPath,
    made: &BTreeSet<Vec<u8>>,
) -> Result<bool> {
    let Some(new) = find(upper, dir)?.filter(is_directory) else { return Ok(false) };
    let is_same = find(lower, dir)?.is_none_or(|old| !is_different(&new, &old));
    Ok(is_same && holds_only(upper, dir, made)?)
}

fn holds_only(root: BorrowedFd<'_>, path: &EntryPath, allowed: &BTreeSet<Vec<u8>>) -> Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let path = path.as_bytes();
    let Ok(dir) = openat2(root, path, flags, Mode::empty(), BENEATH) else { return Ok(false) };
    let is_opaque = inode::xattr(dir.as_fd(), metadata::OPAQUE, path)?.is_some();
    let names = Budget::new(Limits::default()).names_in(dir.as_fd(), path)?;
    Ok(!is_opaque && names.iter().all(|name| allowed.contains(&join(path, name))))
}

const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// What is at a path, unless that goes through a symbolic link or into another file system.
fn find(root: BorrowedFd<'_>, path: &EntryPath) -> Result<Option<Stat>> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let parent = if path.parent().is_empty() { b"." } else { path.parent() };
    let dir = match openat2(root, parent, flags | OFlags::DIRECTORY, Mode::empty(), BENEATH) {
        Ok(dir) => dir,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => return Ok(None),
        Err(error) => return Err(Error::place("open", path.as_bytes(), error)),
    };
    stat(dir.as_fd(), path.name(), path.as_bytes())
}

/// By Docker's rule: a directory's size and time say nothing.
fn is_different(new: &Stat, old: &Stat) -> bool {
    let common = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev);
    let content = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    common(new) != common(old) || (!is_directory(new) && content(new) != content(old))
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn stat(dir: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<Option<Stat>> {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(Error::place("read", path, error)),
    }
}

fn open_dir(dir: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(dir, name, flags, Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(Error::place("open", path, error)),
    }
}

#[cfg(test)]
mod tests;
