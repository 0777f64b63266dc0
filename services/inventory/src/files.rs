//! The files of a root, as a list of packages needs them: read with limits, below the root, and without following links out of it.

use std::fs::File;
use std::io::Read;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, openat, openat2, statat};
use rustix::io::Errno;

use crate::{Error, Result};

/// The most bytes that are read of a database.
const MAX_BYTES: u64 = 64 << 20;
/// The most files and directories that are looked at.
const MAX_ENTRIES: u64 = 10_000_000;
/// How deep directories may lie in one another; what lies deeper is not looked at.
const MAX_DEPTH: usize = 128;

/// See the head of this file.
pub(crate) struct Files<'r> {
    root: BorrowedFd<'r>,
}

impl<'r> Files<'r> {
    pub(crate) fn new(root: BorrowedFd<'r>) -> Self {
        Self { root }
    }

    /// An ordinary file; nothing where there is none.
    pub(crate) fn open(&self, path: &str) -> Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = openat2(self.root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT);
        let file = match opened {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NXIO) => {
                return Ok(None);
            }
            Err(error) => return Err(Error::read(path, error)),
        };
        let metadata = file.metadata().map_err(|error| Error::read(path, error))?;
        Ok(metadata.is_file().then_some(file))
    }

    /// A file as text; what is no UTF-8 in it is replaced. Nothing where there is none, or one that is too long to be meant.
    pub(crate) fn text(&self, path: &str) -> Result<Option<String>> {
        self.text_within(path, MAX_BYTES)
    }

    /// The same of at most so many bytes.
    pub(crate) fn text_within(&self, path: &str, limit_bytes: u64) -> Result<Option<String>> {
        let Some(file) = self.open(path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = file.take(limit_bytes + 1).read_to_end(&mut bytes);
        read.map_err(|error| Error::read(path, error))?;
        if bytes.len() as u64 > limit_bytes {
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The names of what is in a directory, in order; none where there is no directory.
    pub(crate) fn names(&self, path: &str) -> Result<Vec<String>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat2(self.root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
            Ok(dir) => Ok(entries(&dir, path)?.into_iter().map(|(name, _)| name).collect()),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Shows the path of every ordinary file to `visit`, and whether it can be executed; directories in the order of names. No link
    /// is followed. Names that are no UTF-8 are passed over.
    pub(crate) fn walk(&self, visit: &mut dyn FnMut(&str, bool) -> Result<()>) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |dir: BorrowedFd<'_>, name: &str| openat(dir, name, flags, Mode::empty());
        let top = open(self.root, ".").map_err(|error| Error::read("/", error))?;
        let names = entries(&top, "/")?;
        let mut frames = vec![(top, String::new(), names)];
        let mut seen = 0;
        while let Some((dir, parent, names)) = frames.last_mut() {
            let Some((name, kind)) = names.pop() else {
                frames.pop();
                continue;
            };
            seen += 1;
            if seen > MAX_ENTRIES {
                return Err(Error::Limit { what: "files", limit: MAX_ENTRIES });
            }
            let path = if parent.is_empty() { name.clone() } else { format!("{parent}/{name}") };
            match kind {
                FileType::RegularFile => {
                    // One that vanished meanwhile was never there.
                    let Ok(stat) = statat(&*dir, &name, AtFlags::SYMLINK_NOFOLLOW) else {
                        continue;
                    };
                    visit(&path, stat.st_mode & 0o111 != 0)?;
                }
                FileType::Directory => {
                    let below = match open(std::os::fd::AsFd::as_fd(dir), &name) {
                        Ok(below) if frames.len() < MAX_DEPTH => below,
                        _ => continue,
                    };
                    let names = entries(&below, &path)?;
                    frames.push((below, path, names));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Names with their kinds, the last one first.
fn entries(dir: &OwnedFd, path: &str) -> Result<Vec<(String, FileType)>> {
    let failed = |error: Errno| Error::read(path, error);
    let mut names = Vec::new();
    for entry in Dir::read_from(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if matches!(name, "." | "..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(_) => continue,
            },
            kind => kind,
        };
        names.push((name.to_owned(), kind));
    }
    names.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
    Ok(names)
}
