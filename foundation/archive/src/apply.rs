//! Applying an archive to a directory: entries become files. Where they go is `apply/place.rs`, what
//! they become `apply/node.rs`, who fills small files `apply/filler.rs`, what they are without us `apply/born.rs`, deletions
//! `apply/whiteout.rs`, and what must be remembered for the end `apply/memory.rs`.

mod born;
mod filler;
mod memory;
mod merge;
mod node;
mod place;
mod whiteout;

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use gantry_types::{Algorithm, Digest};

pub(crate) use self::place::open_in_root;
pub(crate) use self::whiteout::is_overlay_whiteout;
pub use self::whiteout::{Meaning, meaning};

use self::filler::Filler;
use self::memory::Memory;
use self::place::{Folder, Place};
use crate::reader::{Entry, Reader};
use crate::{EntryKind, EntryPath, Error, Fixup, Hashing, Header, Limits, Result, metadata};

/// How deletions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Whiteouts {
    /// The archive is an image layer: its `.wh.` entries become, and come from, overlayfs's
    /// whiteouts and opaque directories.
    #[default]
    Overlay,
    /// There are none: `.wh.` is a name like any other. A hard link's target is in the archive or in the directory.
    Plain,
}

/// How to apply.
#[derive(Debug, Clone)]
pub struct ApplyOptions {
    /// What the archive may make us do.
    pub limits: Limits,
    /// Whether it is a layer.
    pub whiteouts: Whiteouts,
    /// The hash function of [`Applied::diff_id`].
    pub algorithm: Algorithm,
    /// The digest of the stream, when somebody has taken it already: it is believed, and not taken again.
    pub known: Option<Digest>,
    /// What to do where something is already; layers go into a directory of their own.
    pub merge: Merge,
}

/// How an archive goes into a directory that is somebody's, as when files are copied there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Merge {
    /// The owner of everything, instead of what the archive says: user and group.
    pub owner: Option<(u32, u32)>,
    /// A directory is not replaced by anything else, nor the other way round: such an entry is refused.
    pub kinds_stay: bool,
    /// An entry for the directory itself changes nothing about it.
    pub root_stays: bool,
    /// The first component that paths in the archive have, and what it becomes; of hard links' targets, too.
    pub rename: Option<(Vec<u8>, Vec<u8>)>,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            whiteouts: Whiteouts::Overlay,
            algorithm: Algorithm::Sha256,
            known: None,
            merge: Merge::default(),
        }
    }
}

/// What was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The digest of the whole uncompressed stream, what follows the archive's end included.
    pub diff_id: Digest,
    /// Bytes in files, holes included, as Docker counts a layer's size.
    pub size_bytes: u64,
    /// Entries, without headers of headers.
    pub entries: u64,
    /// Whether the archive had an entry for the root itself.
    pub root_given: bool,
    /// Whether it hides all lower layers. Overlayfs ignores the mark on a layer's root: such a layer
    /// must be the lowest one of a mount.
    pub root_opaque: bool,
    /// What depends on the layers below; see [`crate::resolve_fixups`].
    pub fixups: Vec<Fixup>,
}

/// Applies an uncompressed archive to the directory `root`, which no one else writes to.
///
/// Every path is resolved below `root` by the kernel; entries that would leave it are refused. The
/// last entry of a path wins. Nothing is flushed to the disk.
///
/// # Errors
/// The archive is damaged, refused or too large ([`gantry_types::ErrorKind::InvalidParameter`],
/// `TooLarge`), the disk is full (`StorageFull`), or something else failed. What was made until then
/// stays: `root` is the caller's to remove.
pub fn apply(reader: impl Read, root: BorrowedFd<'_>, options: &ApplyOptions) -> Result<Applied> {
    let hashing = match &options.known {
        Some(digest) => Hashing::known(reader, digest.clone()),
        None => Hashing::new(reader, options.algorithm),
    };
    let mut reader = Reader::new(hashing, options.limits.clone());
    let mut applier = Applier::new(root, options)?;
    while let Some(entry) = reader.next_entry()? {
        applier.entry(entry)?;
    }
    let diff_id = reader.finish()?.digest();
    applier.finish(diff_id)
}

struct Applier<'a> {
    options: &'a ApplyOptions,
    place: Place,
    filler: Filler,
    memory: Memory,
    size_bytes: u64,
    entries: u64,
    root_given: bool,
    root_opaque: bool,
}

impl<'a> Applier<'a> {
    fn new(root: BorrowedFd<'_>, options: &'a ApplyOptions) -> Result<Self> {
        Ok(Self {
            options,
            place: Place::new(root)?,
            filler: Filler::new(),
            memory: Memory::new(options.limits.remembered_bytes),
            size_bytes: 0,
            entries: 0,
            root_given: false,
            root_opaque: false,
        })
    }

    fn entry<R: Read>(&mut self, mut entry: Entry<'_, R>) -> Result<()> {
        self.entries += 1;
        let mut header = entry.take_header();
        self.options.merge.apply_to(&mut header);
        let path = EntryPath::checked(&header.path, &self.options.limits)?;
        if self.options.whiteouts == Whiteouts::Overlay {
            match meaning(&path)? {
                Meaning::Ordinary => {}
                Meaning::Nothing => return Ok(()),
                Meaning::Opaque => return self.make_opaque(&path.up()),
                Meaning::Hides(name) => return self.whiteout(&path.sibling(&name)),
            }
        }
        if path.is_root() {
            return if self.options.merge.root_stays { Ok(()) } else { self.root(&header) };
        }
        self.check_kind(&path, &header)?;
        match &header.kind {
            EntryKind::File => self.file(&path, header, &mut entry),
            EntryKind::Directory => self.directory(&path, &header),
            EntryKind::Symlink { target } => self.symlink(&path, &header, target),
            EntryKind::HardLink { target } => self.hard_link(&path, &header, target),
            EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. } | EntryKind::Fifo => {
                self.node(&path, &header)
            }
        }
    }

    fn root(&mut self, header: &Header) -> Result<()> {
        if header.kind != EntryKind::Directory {
            return Err(Error::entry(&header.path, "would replace the root, but is no directory"));
        }
        let root = self.place.open_for_change(&EntryPath::root())?;
        metadata::on_fd(root.as_fd(), header)?;
        self.place.changed(&header.xattrs);
        self.root_given = true;
        self.memory.directory(EntryPath::root(), header.modified)
    }

    /// The directory that a path lies in, made when it is missing.
    fn parent(&mut self, path: &EntryPath) -> Result<Rc<Folder>> {
        self.place.directory(&path.up(), &mut self.memory)
    }

    /// Makes way for an entry: removes what an earlier one left at its path. Whether that was a
    /// whiteout.
    fn clear(&mut self, dir: BorrowedFd<'_>, path: &EntryPath) -> Result<bool> {
        crate::tree::remove(dir, path.name())?;
        // The directory at hand may have been below.
        self.place.forget();
        Ok(self.memory.forget(path))
    }

    /// Directory times come last, for everything made in a directory changes its time.
    fn finish(mut self, diff_id: Digest) -> Result<Applied> {
        self.filler.settle()?;
        if self.options.whiteouts == Whiteouts::Plain {
            self.late_links()?;
        }
        for (path, modified) in self.memory.times() {
            if let Some(dir) = self.place.existing(path)? {
                metadata::time_on_fd(dir.as_fd(), path.as_bytes(), modified)?;
            }
        }
        Ok(Applied {
            diff_id,
            size_bytes: self.size_bytes,
            entries: self.entries,
            root_given: self.root_given,
            root_opaque: self.root_opaque,
            fixups: self.memory.into_fixups(),
        })
    }
}

#[cfg(test)]
mod tests;
