//! One file of the local format, entry by entry, and where its tail begins.
//!
//! Where a block is damaged, all is passed over up to the next that is whole.

use super::Found;
use super::content::Content;
use crate::block::{self, HEADER_BYTES, Header, MAGIC, TRAILER_BYTES};
use crate::entry::Entry;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

const READ_BYTES: usize = 64 * 1024;

/// A place between two entries of a log in the local format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// The file's number; they begin with 1.
    pub file: u64,
    /// Where in the (uncompressed) file the block begins.
    pub offset: u64,
    /// How many entries of the block lie before.
    pub entries: u64,
}

/// A log file that is read forward.
#[derive(Debug)]
pub(super) struct BlockFile {
    number: u64,
    content: Content,
    /// Where in the file the buffer ends.
    offset: u64,
    buffer: Vec<u8>,
    /// Where in the buffer the current block begins.
    at: usize,
    /// The current block, and where in the buffer those of its bytes are that were not given out.
    current: Option<(Header, Range<usize>)>,
    /// How many of its entries were given out.
    given: u64,
}

enum Look {
    Whole(Header),
    Damaged,
    /// More has to be read to tell.
    Short,
}

impl BlockFile {
    pub(super) fn new(number: u64, content: Content) -> Self {
        Self { number, content, offset: 0, buffer: Vec::new(), at: 0, current: None, given: 0 }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn position(&self) -> Position {
        let offset = self.offset - (self.buffer.len() - self.at) as u64;
        Position { file: self.number, offset, entries: self.given }
    }

    pub(super) fn next(&mut self) -> io::Result<Found> {
        loop {
            if let Some(entry) = self.next_of_block() {
                return Ok(Found::Entry(entry));
            }
            match self.look() {
                Look::Whole(header) => {
                    let start = self.at + HEADER_BYTES;
                    let payload = start..start + header.payload_bytes as usize;
                    self.current = Some((header, payload));
                }
                Look::Damaged => {
                    self.pass_over();
                    return Ok(Found::Skipped);
                }
                Look::Short => {
                    if !self.read_more()? {
                        return Ok(Found::End);
                    }
                }
            }
        }
    }

    fn next_of_block(&mut self) -> Option<Entry> {
        let (header, rest) = self.current.as_mut()?;
        let length = block::first_entry(&self.buffer[rest.clone()]);
        if length == 0 {
            self.at = rest.end + TRAILER_BYTES;
            (self.current, self.given) = (None, 0);
            return None;
        }
        let line = self.buffer[rest.start..rest.start + length].to_vec();
        rest.start += length;
        self.given += 1;
        let entry = Entry { time: header.time, stream: header.stream, line };
        if rest.start == rest.end {
            // So that the position behind the last entry is the next block's.
            self.at = rest.end + TRAILER_BYTES;
            (self.current, self.given) = (None, 0);
        }
        Some(entry)
    }

    fn look(&self) -> Look {
        let bytes = &self.buffer[self.at..];
        if bytes.len() < HEADER_BYTES {
            return Look::Short;
        }
        let Some(header) = Header::decode(bytes) else {
            return Look::Damaged;
        };
        let Some(block) = bytes.get(..header.block_bytes()) else {
            return Look::Short;
        };
        if block.ends_with(&header.payload_bytes.to_le_bytes()) {
            Look::Whole(header)
        } else {
            Look::Damaged
        }
    }

    /// Goes to where the next block may begin.
    fn pass_over(&mut self) {
        let rest = &self.buffer[self.at + 1..];
        let next = memchr::memmem::find(rest, MAGIC);
        // Its magic may be half there.
        let next = next.unwrap_or(rest.len().saturating_sub(MAGIC.len() - 1));
        self.at += 1 + next;
    }

    fn read_more(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let held = self.buffer.len();
        self.buffer.resize(held + READ_BYTES, 0);
        let result = self.content.read(&mut self.buffer[held..], self.offset);
        let read = *result.as_ref().unwrap_or(&0);
        self.buffer.truncate(held + read);
        self.offset += read as u64;
        match result {
            Ok(0) => self.end_for_now(),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Forgets the start of a block that is not whole: its writer may take it back on a full disk. True when the file has
    /// been emptied under us, and there is something to read again.
    fn end_for_now(&mut self) -> io::Result<bool> {
        let Content::Plain(file) = &self.content else {
            return Ok(false);
        };
        let size = file.metadata()?.len();
        self.offset -= self.buffer.len() as u64;
        self.buffer.clear();
        if size >= self.offset {
            return Ok(false);
        }
        self.offset = 0;
        Ok(size > 0)
    }

    /// Begins at `position`, which is in this file.
    pub(super) fn seek(&mut self, position: Position) -> io::Result<()> {
        self.restart_at(position.offset)?;
        self.skip(position.entries)
    }

    fn restart_at(&mut self, offset: u64) -> io::Result<()> {
        self.content.rewind_to(offset)?;
        self.buffer.clear();
        (self.offset, self.at, self.current, self.given) = (offset, 0, None, 0);
        Ok(())
    }

    fn skip(&mut self, mut entries: u64) -> io::Result<()> {
        while entries > 0 {
            match self.next()? {
                Found::Entry(_) => entries -= 1,
                Found::Skipped => {}
                Found::End => break,
            }
        }
        Ok(())
    }

    /// Skips all but the last `count` entries; gives how many there are of them, at most `count`.
    pub(super) fn seek_to_last(&mut self, count: u64) -> io::Result<u64> {
        if let Content::Plain(file) = &self.content {
            let mut start = file.metadata()?.len();
            let mut entries = 0;
            while let Some((offset, more)) = block_before(file, start)? {
                (start, entries) = (offset, entries + more);
                if start == 0 || entries >= count {
                    self.restart_at(start)?;
                    self.skip(entries.saturating_sub(count))?;
                    return Ok(entries.min(count));
                }
            }
            if start == 0 {
                return Ok(0);
            }
        }
        // Something is damaged, or nothing can be read backward.
        let mut entries = 0_u64;
        self.restart_at(0)?;
        loop {
            match self.next()? {
                Found::Entry(_) => entries += 1,
                Found::Skipped => {}
                Found::End => break,
            }
        }
        self.restart_at(0)?;
        self.skip(entries.saturating_sub(count))?;
        Ok(entries.min(count))
    }
}

/// Where the block begins that ends at `end`, and how many entries it has; `None`: there is no whole one.
fn block_before(file: &std::fs::File, end: u64) -> io::Result<Option<(u64, u64)>> {
    const FRAME_BYTES: u64 = (HEADER_BYTES + TRAILER_BYTES) as u64;
    if end < FRAME_BYTES {
        return Ok(None);
    }
    let mut trailer = [0; TRAILER_BYTES];
    file.read_exact_at(&mut trailer, end - TRAILER_BYTES as u64)?;
    let payload_bytes = u32::from_le_bytes(trailer);
    let start = end.checked_sub(FRAME_BYTES + u64::from(payload_bytes));
    let Some(start) = start.filter(|_| payload_bytes as usize <= block::MAX_PAYLOAD_BYTES) else {
        return Ok(None);
    };
    let mut bytes = vec![0; HEADER_BYTES + payload_bytes as usize];
    file.read_exact_at(&mut bytes, start)?;
    let whole = Header::decode(&bytes).filter(|header| header.payload_bytes == payload_bytes);
    Ok(whole.map(|_| (start, block::count_entries(&bytes[HEADER_BYTES..]))))
}
