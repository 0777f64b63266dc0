//! What a container has written becomes a layer as it lies there: its upper directory is renamed, and no byte of it is copied. Of
//! its archive, which gives the layer its diffID, only what lies between the files' data is kept, the layer's split
//! (`split.rs`): the rest is in the files.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use gantry_archive::{CreateOptions, Listener, Whiteouts, create_heard, tree};
use gantry_types::{Digest, ErrorKind};
use rustix::fs::{Mode, OFlags, openat};

use crate::apply::{Ingest, LayerInfo};
use crate::format::Extracted;
use crate::row::Key;
use crate::split::SPLIT;
use crate::split::outline::{MOST_LITERAL, Outline};
use crate::{Error, Format, Layers, Result, writable};

/// Files with less data are told as a whole: to open one takes longer than to read it.
const WORTH_BYTES: u64 = 4 << 10;
/// An archive with nothing in it: two blocks.
const EMPTY_BYTES: u64 = 1024;

/// What a container has written, its archive told: it may become a layer.
#[derive(Debug)]
pub struct Outlined {
    id: String,
    ingest: Ingest,
    size_bytes: u64,
    archive_bytes: u64,
}

impl Outlined {
    /// Bytes of its archive.
    pub fn archive_bytes(&self) -> u64 {
        self.archive_bytes
    }
}

/// What became of it.
#[derive(Debug)]
pub enum Kept {
    /// It is a layer now, and the container has nothing any more.
    Made(LayerInfo),
    /// Such a layer was here; the container has what it had.
    WasHere(LayerInfo),
}

impl Layers {
    /// Writes what the container `id` has written above the layers `chain` as a layer's archive to `output`, which takes its
    /// digest. What is there only to be mounted upon at one of `points`, and sockets, are removed. None when nothing is left. The
    /// container must have ended.
    ///
    /// # Errors
    /// It cannot be read, or `output` fails.
    pub fn outline_written<'p>(
        &self,
        id: &str,
        chain: &[Digest],
        points: impl IntoIterator<Item = &'p [u8]>,
        output: impl Write,
    ) -> Result<Option<Outlined>> {
        let upper = self.open_upper(id)?;
        let changed = |source| Error::Tree { action: "read a container's files", source };
        let remove = |path: &[u8]| tree::remove(upper.as_fd(), path).map_err(changed);
        {
            let lower = self.look_at_chain(chain)?;
            let made = gantry_archive::mount_points(upper.as_fd(), lower.as_fd(), points);
            made.map_err(changed)?.iter().try_for_each(|path| remove(path))?;
        }
        let ingest = self.make_room()?;
        let outline = Outline::new(make_split(&ingest)?, 0);
        let outline = outline.map_err(|source| self.failed("outline", source))?;
        let heard = RefCell::new(Heard::default());
        let mut told = Told { output, outline, heard: &heard, at: 0, literal: Vec::new() };
        let options = CreateOptions { whiteouts: Whiteouts::Overlay, ..CreateOptions::default() };
        let created = create_heard(upper.as_fd(), &mut told, options, &mut Ear(&heard));
        created.map_err(|source| match source.kind() {
            ErrorKind::StorageFull => Error::Full { path: self.shared.dirs.layers.path.clone() },
            _ => changed(source),
        })?;
        let archive_bytes = told.finish();
        let archive_bytes = archive_bytes.map_err(|source| self.failed("outline", source))?;
        let Heard { left_out, size_bytes, .. } = heard.into_inner();
        left_out.iter().try_for_each(|path| remove(path))?;
        if archive_bytes <= EMPTY_BYTES {
            return Ok(None);
        }
        Ok(Some(Outlined { id: id.to_owned(), ingest, size_bytes, archive_bytes }))
    }

    /// Makes what was outlined a layer, whose archive has the digest `diff_id`: the caller has taken it.
    ///
    /// # Errors
    /// A step failed; the container may have nothing any more then.
    pub fn keep_written(&self, outlined: Outlined, diff_id: &Digest) -> Result<Kept> {
        let _claim = self.shared.claim(diff_id);
        if let Some(info) = self.find(diff_id, &[])? {
            return Ok(Kept::WasHere(info));
        }
        let Outlined { id, ingest, size_bytes, .. } = outlined;
        let dirs = &self.shared.dirs;
        let upper = format!("{id}/{}", writable::UPPER);
        let files = format!("{}/{}", ingest.name, Format::Directory.data());
        dirs.writable.hand_over(&upper, &dirs.ingest, &files).map_err(|error| {
            Error::store("make a layer of", &dirs.writable.path_of(&upper), error)
        })?;
        // Directories of an upper directory are whole, and nothing in it depends on what is below.
        let extracted = Extracted { size_bytes, fixups: 0, root_given: false, root_opaque: false };
        let key = (Key::plain(diff_id), diff_id);
        self.record(ingest, key, (Format::Directory, &extracted)).map(Kept::Made)
    }

    fn failed(&self, action: &'static str, source: io::Error) -> Error {
        Error::store(action, &self.shared.dirs.ingest.path, source)
    }
}

/// The split's file of a layer on its way.
fn make_split(ingest: &Ingest) -> Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place: OwnedFd = ingest.open()?;
    openat(place, SPLIT, flags, Mode::RUSR | Mode::WUSR)
        .map(File::from)
        .map_err(|error| Error::store("make", std::path::Path::new(SPLIT), error))
}

/// What is heard of an archive while it is made.
#[derive(Default)]
struct Heard {
    /// Where the data of files lies in it, and their paths; those that are not told yet.
    data: VecDeque<(u64, u64, Vec<u8>)>,
    /// What is not in it.
    left_out: Vec<Vec<u8>>,
    size_bytes: u64,
}

/// Who listens while the archive is written, which is told by what was heard.
struct Ear<'h>(&'h RefCell<Heard>);

impl Listener for Ear<'_> {
    fn data(&mut self, path: &[u8], at: u64, length: u64) {
        let mut heard = self.0.borrow_mut();
        heard.size_bytes = heard.size_bytes.saturating_add(length);
        if length >= WORTH_BYTES {
            heard.data.push_back((at, length, path.to_vec()));
        }
    }

    fn left_out(&mut self, path: &[u8]) {
        self.0.borrow_mut().left_out.push(path.to_vec());
    }
}

/// An archive on its way to whoever takes its digest, told on the way.
struct Told<'h, W> {
    output: W,
    outline: Outline,
    heard: &'h RefCell<Heard>,
    /// Bytes up to now.
    at: u64,
    literal: Vec<u8>,
}

impl<W: Write> Told<'_, W> {
    /// How many of `count` bytes are alike: data of a file, or between.
    fn tell(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut heard = self.heard.borrow_mut();
        let Some((at, length, path)) = heard.data.front() else {
            drop(heard);
            return self.between(bytes);
        };
        if self.at < *at {
            let count = usize::try_from(*at - self.at).unwrap_or(bytes.len()).min(bytes.len());
            drop(heard);
            return self.between(&bytes[..count]);
        }
        if self.at == *at {
            tell_literal(&mut self.outline, &mut self.literal)?;
            self.outline.file(path)?;
            self.outline.data(0, *length)?;
        }
        let left = *at + *length - self.at;
        let count = usize::try_from(left).unwrap_or(bytes.len()).min(bytes.len());
        if count as u64 == left {
            heard.data.pop_front();
        }
        Ok(count)
    }

    fn between(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(MOST_LITERAL - self.literal.len());
        self.literal.extend_from_slice(&bytes[..count]);
        if self.literal.len() == MOST_LITERAL {
            tell_literal(&mut self.outline, &mut self.literal)?;
        }
        Ok(count)
    }

    /// The archive's length.
    fn finish(mut self) -> io::Result<u64> {
        tell_literal(&mut self.outline, &mut self.literal)?;
        self.outline.finish_told()?;
        Ok(self.at)
    }
}

fn tell_literal(outline: &mut Outline, literal: &mut Vec<u8>) -> io::Result<()> {
    if !literal.is_empty() {
        outline.literal(literal)?;
        literal.clear();
    }
    Ok(())
}

impl<W: Write> Write for Told<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = self.tell(rest)?;
            self.at += count as u64;
            rest = &rest[count..];
        }
        self.output.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
