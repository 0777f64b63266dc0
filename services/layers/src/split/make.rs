//! Making a split: the archive is read as when it was extracted, and wherever the image has the same bytes, these are
//! named. Nothing is concluded from names alone, so that it is right whatever the archive does: what was
//! replaced later, is a link or has holes is literal where it has to be.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use gantry_archive::{EntryKind, EntryPath, Error, Limits, Reader, Result};
use gantry_erofs::{Image, Inode, Kind, Nid};

use super::outline::{MOST_LITERAL, Outline};

/// Bytes compared at once.
const COMPARED_BYTES: usize = 256 << 10;

/// Less data than this takes more room when it is named than when it is told.
const WORTH_BYTES: u64 = 32;

/// Writes the split of an archive whose layer is `image`.
pub(super) fn make(archive: &File, image: &Image, outline: Outline, limits: &Limits) -> Result<()> {
    let mut telling = Telling { archive, outline, run: None, literal: vec![0; MOST_LITERAL] };
    let mut finder = Finder { image, current: None };
    let mut reader = Reader::new(archive, limits.clone());
    let mut content = vec![0; COMPARED_BYTES];
    let mut found = vec![0; COMPARED_BYTES];
    while let Some(mut entry) = reader.next_entry()? {
        let header = entry.header();
        if header.kind != EntryKind::File || header.size < WORTH_BYTES {
            continue;
        }
        let Some(inode) = finder.find(&EntryPath::checked(&header.path, limits)?) else { continue };
        if inode.size != header.size {
            continue;
        }
        while let Some((at, count)) = entry.read_extent(&mut content)? {
            let archive_at = entry.offset() - count as u64;
            for shared in overlaps(&inode, at, count) {
                let bytes = &content[shared.from..shared.from + shared.length];
                let there = &mut found[..shared.length];
                // A part that cannot be read is told instead.
                if image.read(shared.image_at, there).is_ok() && bytes == &*there {
                    telling
                        .data(archive_at + shared.from as u64, &shared)
                        .map_err(|source| Error::Write { source })?;
                }
            }
        }
    }
    telling.finish().map_err(|source| Error::Write { source })
}

/// A part of an extent that is in one piece in the image.
struct Shared {
    /// Where it begins in the extent.
    from: usize,
    length: usize,
    image_at: u64,
}

/// The parts of `count` bytes from `at` on in a file.
fn overlaps(inode: &Inode, at: u64, count: usize) -> Vec<Shared> {
    let end = at + count as u64;
    let parts = inode.pieces().into_iter().filter_map(|piece| {
        let (from, to) = (piece.at.max(at), (piece.at + piece.length).min(end));
        let length = to.checked_sub(from).filter(|length| *length > 0)?;
        Some(Shared {
            from: usize::try_from(from - at).ok()?,
            length: usize::try_from(length).ok()?,
            image_at: piece.image_at + (from - piece.at),
        })
    });
    parts.collect()
}

/// Finds files by their paths. It keeps no names: an archive may have a directory of a million, and as many below.
struct Finder<'a> {
    image: &'a Image,
    /// The directory of the last file, if there is one: archives go through directories one after the other.
    current: Option<(Vec<u8>, Option<Nid>)>,
}

impl Finder<'_> {
    fn find(&mut self, path: &EntryPath) -> Option<Inode> {
        let directory = match &self.current {
            Some((known, directory)) if known == path.parent() => *directory,
            _ => {
                let directory = self.directory(path.parent());
                self.current = Some((path.parent().to_vec(), directory));
                directory
            }
        };
        let nid = self.image.find(directory?, path.name()).ok()??;
        let inode = self.image.inode(nid).ok()?;
        (inode.kind == Kind::File).then_some(inode)
    }

    fn directory(&self, path: &[u8]) -> Option<Nid> {
        let mut names = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty());
        names.try_fold(self.image.root(), |above, name| self.image.find(above, name).ok().flatten())
    }
}

/// What goes into the split.
struct Telling<'a> {
    archive: &'a File,
    outline: Outline,
    /// Data that may go on: where it begins in the archive and in the image, and its length.
    run: Option<(u64, u64, u64)>,
    literal: Vec<u8>,
}

impl Telling<'_> {
    fn data(&mut self, archive_at: u64, shared: &Shared) -> io::Result<()> {
        let more = shared.length as u64;
        if let Some((at, image_at, length)) = &mut self.run
            && *at + *length == archive_at
            && *image_at + *length == shared.image_at
        {
            *length += more;
            return Ok(());
        }
        self.end_run()?;
        self.run = Some((archive_at, shared.image_at, more));
        Ok(())
    }

    fn end_run(&mut self) -> io::Result<()> {
        match self.run.take() {
            Some((at, image_at, length)) if length >= WORTH_BYTES => {
                self.tell_to(at)?;
                self.outline.data(image_at, length)
            }
            _ => Ok(()),
        }
    }

    /// Tells what lies before this byte of the archive.
    fn tell_to(&mut self, end: u64) -> io::Result<()> {
        while self.outline.told() < end {
            let left = usize::try_from(end - self.outline.told()).unwrap_or(MOST_LITERAL);
            let bytes = &mut self.literal[..left.min(MOST_LITERAL)];
            self.archive.read_exact_at(bytes, self.outline.told())?;
            self.outline.literal(bytes)?;
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.end_run()?;
        self.tell_to(self.outline.length())?;
        self.outline.finish()
    }
}
