//! Reading an archive as a stream of entries: the formats put together. Nothing is written here, and
//! nothing is believed about paths: see `path.rs` and `apply.rs` for that.

mod body;
mod source;

use std::io::{self, Read};

use gantry_types::Timestamp;

use self::body::Body;
use self::source::Source;
use crate::pax::Records;
use crate::raw::{Block, Dialect, RawHeader};
use crate::sparse::{OldGnu, Segment, SparseMap, old_gnu_size};
use crate::{EntryKind, Error, Header, Limits, Result};

/// A streaming reader of tar: V7, ustar, star, GNU and PAX, sparse files included.
///
/// Where formats and readers disagree it takes Go's side (archive/tar), because that is what made
/// and read all the images there are: PAX sizes win, links and directories have no data, global
/// headers are skipped.
#[derive(Debug)]
pub struct Reader<R> {
    source: Source<R>,
    limits: Limits,
    headers: u64,
    body: Body,
    ended: bool,
}

/// An entry: its header, and its data through [`Read`]. What is not read is skipped.
#[derive(Debug)]
pub struct Entry<'a, R> {
    header: Header,
    reader: &'a mut Reader<R>,
}

/// What headers of headers said about the next entry.
#[derive(Default)]
struct Extra {
    records: Records,
    long_path: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    headers: usize,
}

impl<R: Read> Reader<R> {
    /// Reads from an uncompressed stream (see [`crate::decompress`]); it is buffered here.
    pub fn new(inner: R, limits: Limits) -> Self {
        let source = Source::new(inner, limits.total_bytes);
        Self { source, limits, headers: 0, body: Body::default(), ended: false }
    }

    /// The next entry, or `None` at the end of the archive.
    ///
    /// # Errors
    /// The stream fails, is damaged or cut off, or exceeds a limit. The reader is of no use then.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_, R>>> {
        self.body.skip(&mut self.source)?;
        let mut extra = Extra::default();
        loop {
            let Some(block) = self.next_header()? else {
                if extra.headers > 0 {
                    return Err(self.source.truncated());
                }
                return Ok(None);
            };
            let offset = self.source.offset() - block.len() as u64;
            let damaged = |fault| Error::Damaged { offset, fault };
            let raw = RawHeader::check(&block).map_err(damaged)?;
            match raw.type_flag() {
                b'L' => extra.long_path = Some(self.long_text(raw.size().map_err(damaged)?)?),
                b'K' => extra.long_link = Some(self.long_text(raw.size().map_err(damaged)?)?),
                b'x' => {
                    let bytes = self.special(raw.size().map_err(damaged)?)?;
                    let segments = self.limits.sparse_segments;
                    extra.records.parse(&bytes, segments).map_err(damaged)?;
                }
                b'g' => drop(self.special(raw.size().map_err(damaged)?)?),
                _ => {
                    let header = self.entry(&block, extra)?;
                    return Ok(Some(Entry { header, reader: self }));
                }
            }
            extra.headers += 1;
            if extra.headers > self.limits.headers_per_entry {
                let limit = self.limits.headers_per_entry as u64;
                return Err(Error::Limit { limit, what: "headers in front of one entry" });
            }
        }
    }

    /// Reads to the end of the stream, past the end of the archive: digests cover that, too.
    pub fn finish(mut self) -> Result<R> {
        self.body.skip(&mut self.source)?;
        self.source.drain()?;
        Ok(self.source.into_inner())
    }

    /// A header block, or `None` at the archive's end: two blocks of zeros, or the end of the
    /// stream in their place, as Go takes it.
    fn next_header(&mut self) -> Result<Option<Block>> {
        if self.ended {
            return Ok(None);
        }
        let first = self.source.block()?;
        match first {
            Some(block) if block.iter().any(|&byte| byte != 0) => {
                self.headers += 1;
                if self.headers > self.limits.entries {
                    return Err(Error::Limit { limit: self.limits.entries, what: "entries" });
                }
                Ok(Some(block))
            }
            Some(_) => {
                self.ended = true;
                match self.source.block()? {
                    Some(block) if block.iter().any(|&byte| byte != 0) => Err(Error::Damaged {
                        offset: self.source.offset() - block.len() as u64,
                        fault: "a single block of zeros is in the middle",
                    }),
                    _ => Ok(None),
                }
            }
            None => {
                self.ended = true;
                Ok(None)
            }
        }
    }

    /// The body of a header of headers.
    fn special(&mut self, size: u64) -> Result<Vec<u8>> {
        let limit = self.limits.header_bytes;
        let Some(size) = usize::try_from(size).ok().filter(|&size| size <= limit) else {
            return Err(Error::Limit { limit: limit as u64, what: "bytes in a header" });
        };
        self.source.padded(size)
    }

    /// GNU's long path or link target.
    fn long_text(&mut self, size: u64) -> Result<Vec<u8>> {
        let bytes = self.special(size)?;
        Ok(crate::raw::text(&bytes).to_vec())
    }

    /// Puts the header block and what came in front of it together, and sets the body up.
    fn entry(&mut self, block: &Block, extra: Extra) -> Result<Header> {
        let Extra { mut records, long_path, long_link, .. } = extra;
        let offset = self.source.offset() - block.len() as u64;
        let damaged = |fault| Error::Damaged { offset, fault };
        let raw = RawHeader::check(block).map_err(damaged)?;
        let sparse_name = records.sparse.name.take();
        let path = sparse_name.or(records.path.take()).or(long_path).unwrap_or_else(|| raw.path());
        let link = records.link.take().or(long_link).unwrap_or_else(|| raw.link());
        let refused = |fault| Error::entry(&path, fault);
        let kind = kind_of(&raw, &path, link).map_err(refused)?;
        self.check_text(&path)?;
        if let EntryKind::Symlink { target } | EntryKind::HardLink { target } = &kind {
            self.check_text(target)?;
        }
        let stored = match (&kind, records.size) {
            (EntryKind::File, Some(size)) => size,
            (EntryKind::File, None) => raw.size().map_err(refused)?,
            // As Go reads them: whatever their header says, links and nodes carry no data.
            _ => 0,
        };
        let modified = match records.modified {
            Some(modified) => modified,
            None => Timestamp { seconds: raw.modified().map_err(refused)?, nanos: 0 },
        };
        let mut header = Header {
            mode: raw.mode().map_err(refused)?,
            uid: owner(records.uid.map_or_else(|| raw.uid(), Ok).map_err(refused)?)
                .map_err(refused)?,
            gid: owner(records.gid.map_or_else(|| raw.gid(), Ok).map_err(refused)?)
                .map_err(refused)?,
            size: stored,
            modified,
            xattrs: records.take_xattrs(),
            path,
            kind,
        };
        self.body = Body::new(stored);
        self.make_sparse(block, &mut header, records)?;
        if header.size > self.limits.file_bytes {
            return Err(Error::Limit { limit: self.limits.file_bytes, what: "bytes in one file" });
        }
        Ok(header)
    }

    /// Finds out whether the entry is a sparse file, in any of four formats, and reads its map.
    fn make_sparse(&mut self, block: &Block, header: &mut Header, records: Records) -> Result<()> {
        let sparse = records.sparse;
        let path = &header.path;
        let old = block[156] == b'S';
        let in_data = sparse.major == Some(1) && sparse.minor == Some(0);
        let unknown = sparse.major.is_some_and(|major| major != 0) && !in_data;
        if unknown {
            return Err(Error::entry(path, "has an unknown sparse format"));
        }
        if !old && !in_data && sparse.map.is_none() {
            return Ok(());
        }
        if header.kind != EntryKind::File {
            return Err(Error::entry(path, "is sparse, but not a file"));
        }
        let (map, size) = if old {
            let size = old_gnu_size(block).map_err(|fault| Error::entry(path, fault))?;
            (self.old_gnu_map(block, path)?, size)
        } else {
            let size = sparse.size.ok_or_else(|| Error::entry(path, "is sparse without a size"))?;
            match sparse.map {
                Some(map) if !in_data => (map, size),
                _ => (self.map_in_data(path)?, size),
            }
        };
        let map = SparseMap::new(map, size, self.body.stored())
            .map_err(|fault| Error::entry(path, fault))?;
        header.size = size;
        self.body.set_sparse(map);
        Ok(())
    }

    fn old_gnu_map(&mut self, block: &Block, path: &[u8]) -> Result<Vec<Segment>> {
        let refused = |fault| Error::entry(path, fault);
        let mut map = Vec::new();
        let mut more = OldGnu::Header.read(block, &mut map).map_err(refused)?;
        while more {
            let block = self.source.block()?.ok_or_else(|| self.source.truncated())?;
            more = OldGnu::Extension.read(&block, &mut map).map_err(refused)?;
            if map.len() > self.limits.sparse_segments {
                return Err(self.too_many_segments());
            }
        }
        Ok(map)
    }

    /// PAX 1.0: decimal numbers, each with a newline, padded to whole blocks, in front of the data.
    fn map_in_data(&mut self, path: &[u8]) -> Result<Vec<Segment>> {
        let mut numbers = body::MapNumbers::default();
        let fault = |fault| Error::entry(path, fault);
        let count = numbers.next(&mut self.body, &mut self.source)?.map_err(fault)?;
        if count > self.limits.sparse_segments as u64 {
            return Err(self.too_many_segments());
        }
        let mut map = Vec::new();
        for _ in 0..count {
            let offset = numbers.next(&mut self.body, &mut self.source)?.map_err(fault)?;
            let length = numbers.next(&mut self.body, &mut self.source)?.map_err(fault)?;
            map.push(Segment { offset, length });
        }
        Ok(map)
    }

    fn too_many_segments(&self) -> Error {
        let limit = self.limits.sparse_segments as u64;
        Error::Limit { limit, what: "segments in a sparse file" }
    }

    fn check_text(&self, text: &[u8]) -> Result<()> {
        if text.len() > self.limits.path_bytes {
            let limit = self.limits.path_bytes as u64;
            return Err(Error::Limit { limit, what: "bytes in a path" });
        }
        Ok(())
    }
}

fn kind_of(raw: &RawHeader<'_>, path: &[u8], link: Vec<u8>) -> Result<EntryKind, &'static str> {
    Ok(match raw.type_flag() {
        // Before ustar, a directory was a file with a slash at its end.
        0 if path.ends_with(b"/") => EntryKind::Directory,
        0 | b'0' | b'7' => EntryKind::File,
        b'S' if raw.dialect() == Dialect::Gnu => EntryKind::File,
        b'1' => EntryKind::HardLink { target: link },
        b'2' => EntryKind::Symlink { target: link },
        b'3' => {
            let (major, minor) = raw.device()?;
            EntryKind::CharDevice { major, minor }
        }
        b'4' => {
            let (major, minor) = raw.device()?;
            EntryKind::BlockDevice { major, minor }
        }
        b'5' => EntryKind::Directory,
        b'6' => EntryKind::Fifo,
        _ => return Err("has an unknown type"),
    })
}

/// An owner that the kernel takes; -1 means "leave it" there.
fn owner(id: i64) -> Result<u32, &'static str> {
    match u32::try_from(id) {
        Ok(u32::MAX) | Err(_) => Err("has an owner that is out of range"),
        Ok(id) => Ok(id),
    }
}

impl<R: Read> Entry<'_, R> {
    /// Its metadata.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its metadata, by value.
    pub fn into_header(self) -> Header {
        self.header
    }

    /// Its metadata, by value, while the data is still to be read.
    pub fn take_header(&mut self) -> Header {
        std::mem::replace(&mut self.header, Header::file("", 0))
    }

    /// Reads the next stored bytes and tells where in the file they belong; holes are passed over.
    /// `None` at the end.
    pub fn read_extent(&mut self, buffer: &mut [u8]) -> Result<Option<(u64, usize)>> {
        let Reader { body, source, .. } = &mut *self.reader;
        body.read_extent(source, buffer)
    }

    /// Hands out all stored bytes, each piece with its place in the file, from the reader's own buffer; holes are
    /// passed over.
    ///
    /// # Errors
    /// The stream's, and whatever `receive` says.
    pub fn extents(&mut self, mut receive: impl FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
        let Reader { body, source, .. } = &mut *self.reader;
        while body.lend(source, &mut receive)? {}
        Ok(())
    }

    /// How many bytes of the archive have been read up to now: what was read last ends there.
    pub fn offset(&self) -> u64 {
        self.reader.source.offset()
    }

    /// Whether holes were left out of the archive.
    pub fn is_sparse(&self) -> bool {
        self.reader.body.is_sparse()
    }
}

impl<R: Read> Read for Entry<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Reader { body, source, .. } = &mut *self.reader;
        Ok(body.read(source, buffer)?)
    }
}

#[cfg(test)]
mod tests;
