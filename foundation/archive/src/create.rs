//! Making an archive from a directory: an overlay upper directory becomes a layer, any directory a
//! plain archive. The order is that of the names' bytes, so that the same tree gives the same bytes.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use gantry_types::Timestamp;
use rustix::fs::{AtFlags, Stat, statat};
use rustix::io::Errno;

use crate::apply::is_overlay_whiteout;
use crate::list::Budget;
use crate::path::join;
use crate::tree::MAX_DEPTH;
use crate::{EntryKind, Error, Header, Limits, Result, Whiteouts, Writer, inode, metadata};

/// How to make an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CreateOptions {
    /// [`Whiteouts::Overlay`]: the directory is an upper directory, its whiteouts and opaque
    /// directories become `.wh.` entries. [`Whiteouts::Plain`]: all is taken as it is.
    pub whiteouts: Whiteouts,
    /// No entry has a later time than this: what was made later, was made then.
    pub latest: Option<Timestamp>,
    /// Only what any user may make: files, directories and links, without devices, pipes and extended attributes.
    pub is_for_users: bool,
}

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created {
    /// Entries.
    pub entries: u64,
    /// Bytes of the archive.
    pub bytes: u64,
}

/// Hears of an archive while it is made.
pub trait Listener {
    /// The `length` bytes that follow byte `at` of the archive are those of the file at `path`.
    fn data(&mut self, path: &[u8], at: u64, length: u64);

    /// What is at `path`, a socket, is not in the archive.
    fn left_out(&mut self, path: &[u8]);
}

/// Writes everything below `root`, without an entry for `root` itself, as Docker's archives are.
/// Sockets are left out; names of one inode become hard links; a file that shrinks meanwhile is
/// filled up with zeros.
///
/// # Errors
/// The tree cannot be read, is deeper than [`MAX_DEPTH`], has more than [`Limits`] allow an archive by default (what was
/// archived could not be applied), or the receiver fails.
pub fn create(root: BorrowedFd<'_>, writer: impl Write, options: CreateOptions) -> Result<Created> {
    create_without(root, writer, options, &BTreeSet::new())
}

/// [`create`] without the entries at these paths, and without what lies below them.
///
/// # Errors
/// Those of [`create`].
pub fn create_without(
    root: BorrowedFd<'_>,
    writer: impl Write,
    options: CreateOptions,
    without: &BTreeSet<Vec<u8>>,
) -> Result<Created> {
    create_within((root, b""), writer, options, without, &Limits::default())
}

/// [`create`], telling where in the archive the data of each file comes to lie, before it is written.
///
/// # Errors
/// Those of [`create`].
pub fn create_heard(
    root: BorrowedFd<'_>,
    writer: impl Write,
    options: CreateOptions,
    listener: &mut dyn Listener,
) -> Result<Created> {
    let limits = Limits::default();
    let mut creator = Creator::new(writer, options, &limits);
    creator.listener = Some(listener);
    creator.all((root, b""), &BTreeSet::new())
}

/// [`create_without`] with another directory above everything, at `path`. The paths that are left out begin with it, too.
///
/// # Errors
/// Those of [`create`].
pub fn create_at(
    (root, path): (BorrowedFd<'_>, &[u8]),
    writer: impl Write,
    options: CreateOptions,
    without: &BTreeSet<Vec<u8>>,
) -> Result<Created> {
    create_within((root, path), writer, options, without, &Limits::default())
}

fn create_within(
    (root, path): (BorrowedFd<'_>, &[u8]),
    writer: impl Write,
    options: CreateOptions,
    without: &BTreeSet<Vec<u8>>,
    limits: &Limits,
) -> Result<Created> {
    Creator::new(writer, options, limits).all((root, path), without)
}

/// Writes what is at `name` in `dir`, with everything below it, as `path` and what lies in it. `.` is the directory itself;
/// a `path` of `/` gives paths that begin with a slash. Directories that `hollow` has by these paths come without content.
///
/// # Errors
/// Those of [`create`]; nothing is there; or it is a socket.
pub fn create_entry(
    dir: BorrowedFd<'_>,
    name: &[u8],
    path: &[u8],
    hollow: &BTreeSet<Vec<u8>>,
    writer: impl Write,
) -> Result<Created> {
    let limits = Limits::default();
    let options = CreateOptions { whiteouts: Whiteouts::Plain, ..CreateOptions::default() };
    let mut creator = Creator::new(writer, options, &limits);
    if let Some(below) = creator.entry(dir, name, path)? {
        let top = Frame::new(below, path.to_vec(), &mut creator.budget)?;
        creator.hollow.clone_from(hollow);
        creator.below(top, &BTreeSet::new())?;
    }
    if creator.entries == 0 {
        return Err(Error::entry(path, "is gone, or a socket, which archives cannot have"));
    }
    creator.done()
}

/// A directory on the way, with the names that are still to come, the last one first.
struct Frame {
    dir: OwnedFd,
    path: Vec<u8>,
    names: Vec<Vec<u8>>,
}

impl Frame {
    fn new(dir: OwnedFd, path: Vec<u8>, budget: &mut Budget) -> Result<Self> {
        let mut names = budget.names_in(dir.as_fd(), &path)?;
        names.sort_unstable_by(|one, other| other.cmp(one));
        Ok(Self { dir, path, names })
    }
}

struct Creator<'a, W> {
    writer: Writer<W>,
    options: CreateOptions,
    limits: &'a Limits,
    budget: Budget,
    /// The first path of every inode that has several names.
    linked: HashMap<(u64, u64), Vec<u8>>,
    /// Directories whose content is left out.
    hollow: BTreeSet<Vec<u8>>,
    listener: Option<&'a mut dyn Listener>,
    entries: u64,
}

impl<'a, W: Write> Creator<'a, W> {
    fn new(writer: W, options: CreateOptions, limits: &'a Limits) -> Self {
        Self {
            writer: Writer::new(writer),
            options,
            limits,
            budget: Budget::new(limits.clone()),
            linked: HashMap::new(),
            hollow: BTreeSet::new(),
            listener: None,
            entries: 0,
        }
    }

    /// Writes everything below `root`, as what lies at `path`.
    fn all(
        mut self,
        (root, path): (BorrowedFd<'_>, &[u8]),
        without: &BTreeSet<Vec<u8>>,
    ) -> Result<Created> {
        let top =
            root.try_clone_to_owned().map_err(|source| Error::place("keep open", b".", source))?;
        let top = Frame::new(top, path.to_vec(), &mut self.budget)?;
        self.below(top, without)?;
        self.done()
    }

    /// Writes everything below a directory.
    fn below(&mut self, top: Frame, without: &BTreeSet<Vec<u8>>) -> Result<()> {
        let mut frames = vec![top];
        while let Some(frame) = frames.last_mut() {
            let Some(name) = frame.names.pop() else {
                frames.pop();
                continue;
            };
            self.budget.give_back(&name);
            // The root's own slash is the one between.
            let path = match &frame.path[..] {
                b"/" => [b"/", &name[..]].concat(),
                parent => self.budget.join(parent, &name)?,
            };
            if without.contains(&path) {
                continue;
            }
            let below = self.entry(frame.dir.as_fd(), &name, &path)?;
            if let Some(dir) = below
                && !self.hollow.contains(&path)
            {
                if frames.len() == MAX_DEPTH {
                    return Err(Error::Limit { limit: MAX_DEPTH as u64, what: "levels" });
                }
                frames.push(Frame::new(dir, path, &mut self.budget)?);
            }
        }
        Ok(())
    }

    fn done(self) -> Result<Created> {
        let (entries, bytes) = (self.entries, self.writer.bytes());
        self.writer.finish()?;
        Ok(Created { entries, bytes })
    }

    /// Writes one entry; a directory comes back open. What has vanished is passed over.
    fn entry(&mut self, dir: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<Option<OwnedFd>> {
        let failed = |source: Errno| Error::place("read", path, source);
        let stat = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if self.options.whiteouts == Whiteouts::Overlay {
            if is_overlay_whiteout(&stat) {
                return self.whiteout(path, name).map(|()| None);
            }
            if name.starts_with(b".wh.") {
                return Err(Error::entry(path, "has a name that layers reserve for deletions"));
            }
        }
        let Some(mut header) = inode::header(dir, name, path, &stat)? else {
            if let Some(listener) = &mut self.listener {
                listener.left_out(path);
            }
            return Ok(None);
        };
        if self.options.is_for_users && is_special(&header.kind) {
            return Ok(None);
        }
        if let Some(latest) = self.options.latest {
            header.modified = header.modified.min(latest);
        }
        if self.is_link(&mut header, &stat) {
            self.append(&header, std::io::empty())?;
            return Ok(None);
        }
        match header.kind {
            EntryKind::File | EntryKind::Directory => {}
            _ => {
                self.append(&header, std::io::empty())?;
                return self.remember(header, &stat).map(|()| None);
            }
        }
        let fd = match inode::open(dir, name, &stat) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if !self.options.is_for_users {
            header.xattrs = inode::xattrs(fd.as_fd(), path)?;
        }
        if header.kind == EntryKind::File {
            self.check_size(&header)?;
            self.entries += 1;
            self.writer.begin(&header)?;
            if let Some(listener) = &mut self.listener {
                listener.data(path, self.writer.bytes(), header.size);
            }
            self.writer.data(&header, File::from(fd).chain(std::io::repeat(0)))?;
            return self.remember(header, &stat).map(|()| None);
        }
        self.append(&header, std::io::empty())?;
        self.opaque(fd.as_fd(), path)?;
        Ok(Some(fd))
    }

    fn append(&mut self, header: &Header, data: impl Read) -> Result<()> {
        self.entries += 1;
        self.writer.append(header, data)
    }

    /// Turns another name of an inode that was written already into a link.
    fn is_link(&self, header: &mut Header, stat: &Stat) -> bool {
        if header.kind == EntryKind::Directory {
            return false;
        }
        let Some(first) = self.linked.get(&(stat.st_dev, stat.st_ino)) else { return false };
        header.kind = EntryKind::HardLink { target: first.clone() };
        header.size = 0;
        true
    }

    /// What was written may have other names, which become links to it.
    fn remember(&mut self, header: Header, stat: &Stat) -> Result<()> {
        if stat.st_nlink > 1 {
            self.budget.take(&header.path)?;
            self.linked.insert((stat.st_dev, stat.st_ino), header.path);
        }
        Ok(())
    }

    /// Holes are written as zeros: a file of some blocks can be the whole archive and more.
    fn check_size(&self, header: &Header) -> Result<()> {
        let room = self.limits.total_bytes.saturating_sub(self.writer.bytes());
        let limit = room.min(self.limits.file_bytes);
        if header.size > limit {
            return Err(Error::large(&header.path, header.size, limit));
        }
        Ok(())
    }

    fn whiteout(&mut self, path: &[u8], name: &[u8]) -> Result<()> {
        let parent = path.strip_suffix(name).and_then(|path| path.strip_suffix(b"/"));
        let hidden = join(parent.unwrap_or(b""), &[b".wh.", name].concat());
        self.append(&Header::file(hidden, 0), std::io::empty())
    }

    fn opaque(&mut self, dir: BorrowedFd<'_>, path: &[u8]) -> Result<()> {
        if self.options.whiteouts != Whiteouts::Overlay
            || inode::xattr(dir, metadata::OPAQUE, path)?.as_deref() != Some(b"y")
        {
            return Ok(());
        }
        self.append(&Header::file(join(path, b".wh..wh..opq"), 0), std::io::empty())
    }
}

/// What only root may make, or nobody wants among his files.
fn is_special(kind: &EntryKind) -> bool {
    matches!(kind, EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. } | EntryKind::Fifo)
}

#[cfg(test)]
mod tests;
