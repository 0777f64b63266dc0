//! One file of the json-file format, line by line, and where its tail begins.

use super::Found;
use super::content::Content;
use crate::compress;
use crate::json_line::parse;
use gantry_sys::identity;
use std::io;
use std::os::unix::fs::FileExt;

const BLOCK_BYTES: usize = 32 * 1024;
/// A longer line is no entry of ours (those end at about 100 KiB) and is passed over.
const MAX_LINE_BYTES: usize = 1 << 20;

/// Which file it is: rotation changes its name, not this. A compressed file has that of the plain one that it was.
pub(super) type Identity = Vec<u8>;

/// A log file that is read forward.
#[derive(Debug)]
pub(super) struct LineFile {
    content: Content,
    identity: Identity,
    /// Where in the file the buffer ends.
    offset: u64,
    buffer: Vec<u8>,
    /// What of the buffer was given out already.
    consumed: usize,
    /// What of the buffer is known to hold no newline.
    searched: usize,
    /// Inside a line that is too long.
    skipping: bool,
}

impl LineFile {
    pub(super) fn new(content: Content) -> io::Result<Self> {
        let file = content.file();
        let origin = match &content {
            Content::Plain(_) => None,
            Content::Compressed(_) => compress::origin(file),
        };
        let identity = origin.map_or_else(|| identity::of_file(file), Ok)?;
        Ok(Self {
            content,
            identity,
            offset: 0,
            buffer: Vec::new(),
            consumed: 0,
            searched: 0,
            skipping: false,
        })
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn next(&mut self) -> io::Result<Found> {
        Ok(match self.next_line()? {
            None => Found::End,
            Some(line) => parse(line).map_or(Found::Skipped, Found::Entry),
        })
    }

    /// The next whole line without its newline; `None` at the end as it is now. The start of a line
    /// that is still being written stays for the next call.
    fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            if let Some(found) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
                let (start, end) = (self.consumed, self.searched + found);
                self.consumed = end + 1;
                self.searched = self.consumed;
                if std::mem::take(&mut self.skipping) {
                    continue;
                }
                return Ok(Some(&self.buffer[start..end]));
            }
            self.searched = self.buffer.len();
            if !self.read_block()? {
                return Ok(None);
            }
        }
    }

    fn read_block(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.consumed);
        if self.buffer.len() > MAX_LINE_BYTES {
            self.skipping = true;
            self.buffer.clear();
        }
        let held = self.buffer.len();
        self.consumed = 0;
        self.searched = held;
        self.buffer.resize(held + BLOCK_BYTES, 0);
        let result = self.content.read(&mut self.buffer[held..], self.offset);
        let read = *result.as_ref().unwrap_or(&0);
        self.buffer.truncate(held + read);
        self.offset += read as u64;
        match result {
            Ok(0) => self.rewind_if_cut(),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Somebody emptied the file under us: begin again. True when there is something to read.
    fn rewind_if_cut(&mut self) -> io::Result<bool> {
        let Content::Plain(file) = &self.content else {
            return Ok(false);
        };
        let size = file.metadata()?.len();
        if size >= self.offset {
            return Ok(false);
        }
        self.restart_at(0);
        Ok(size > 0)
    }

    fn restart_at(&mut self, offset: u64) {
        (self.offset, self.consumed, self.searched, self.skipping) = (offset, 0, 0, false);
        self.buffer.clear();
    }

    /// Skips all but the last `count` whole lines; gives how many there are of them, at most `count`.
    pub(super) fn seek_to_last(&mut self, count: u64) -> io::Result<u64> {
        let Content::Plain(file) = &self.content else {
            return self.seek_from_start(count);
        };
        let mut block = vec![0; BLOCK_BYTES];
        let mut end = file.metadata()?.len();
        let mut newlines = 0;
        while end > 0 {
            let start = end.saturating_sub(BLOCK_BYTES as u64);
            // At most BLOCK_BYTES.
            let block = &mut block[..usize::try_from(end - start).map_err(io::Error::other)?];
            file.read_exact_at(block, start)?;
            for at in memchr::memrchr_iter(b'\n', block) {
                // The newline before the first wanted line is one more than the wanted lines have.
                if newlines == count {
                    self.offset = start + at as u64 + 1;
                    return Ok(newlines);
                }
                newlines += 1;
            }
            end = start;
        }
        Ok(newlines)
    }

    /// The same where nothing can be read backward.
    fn seek_from_start(&mut self, count: u64) -> io::Result<u64> {
        let mut lines = 0_u64;
        while self.next_line()?.is_some() {
            lines += 1;
        }
        self.content.rewind_to(0)?;
        self.restart_at(0);
        for _ in 0..lines.saturating_sub(count) {
            self.next_line()?;
        }
        Ok(lines.min(count))
    }
}
