//! The writer: splits output into lines and pieces of lines. How they get into the file is in `file`.

mod file;

use crate::entry::Stream;
use crate::rotation::RotationLimits;
use crate::{Error, MAX_PIECE_BYTES};
use file::LogFile;
use gantry_types::Timestamp;
use std::io;
use std::path::Path;

/// Appends a container's output to its log file.
///
/// An error of `write` concerns the disk: what could not be written is lost, and the next call tries
/// again. When there is room, one line in the log says how much of which stream is missing there. The
/// file stays readable whatever happens, since a torn line is closed before the next.
#[derive(Debug)]
pub struct LogWriter {
    file: LogFile,
    held: [Held; 2],
}

/// The start of a line whose end has not come yet.
#[derive(Debug, Default)]
struct Held {
    text: Vec<u8>,
    /// The time of the first piece, when pieces of this line are in the file already.
    first_piece: Option<Timestamp>,
}

impl LogWriter {
    /// Opens the log at `path` to append, and makes it (mode 0640) when it is not there.
    pub fn open(path: &Path, limits: RotationLimits) -> Result<Self, Error> {
        let file = LogFile::open(path, limits)
            .map_err(|source| Error::Open { path: path.to_owned(), source })?;
        Ok(Self { file, held: <[Held; 2]>::default() })
    }

    /// Takes what a process wrote to `stream`. Whole lines are in the file when this returns; the
    /// start of an unfinished one is held until its end, or [`MAX_PIECE_BYTES`], has come.
    pub fn write(&mut self, now: Timestamp, stream: Stream, bytes: &[u8]) -> Result<(), Error> {
        self.file.begin();
        let result = self.held[stream as usize].take(now, stream, bytes, &mut self.file);
        let flushed = self.file.flush();
        result.and(flushed).map_err(|source| self.write_error(source))
    }

    /// Says that `stream` has ended: the start of an unfinished line goes to the file as it is.
    pub fn end(&mut self, now: Timestamp, stream: Stream) -> Result<(), Error> {
        self.file.begin();
        let result = self.held[stream as usize].end(now, stream, &mut self.file);
        // This may be the last chance to tell of what is missing.
        let flushed = self.file.flush().and_then(|()| self.file.report_losses(now));
        result.and(flushed).map_err(|source| self.write_error(source))
    }

    fn write_error(&self, source: io::Error) -> Error {
        Error::Write { path: self.file.path().to_owned(), source }
    }
}

impl Held {
    fn take(
        &mut self,
        now: Timestamp,
        stream: Stream,
        mut bytes: &[u8],
        file: &mut LogFile,
    ) -> io::Result<()> {
        let mut result = Ok(());
        while !bytes.is_empty() {
            let room = MAX_PIECE_BYTES - self.text.len();
            let window = &bytes[..room.min(bytes.len())];
            if let Some(end) = window.iter().position(|&byte| byte == b'\n') {
                let time = self.first_piece.take().unwrap_or(now);
                result = result.and(self.put(file, time, stream, &bytes[..=end]));
                bytes = &bytes[end + 1..];
            } else if window.len() == room {
                self.text.extend_from_slice(window);
                bytes = &bytes[room..];
                // A character must not be cut in two: its first bytes wait for the others.
                let whole = MAX_PIECE_BYTES - cut_character(&self.text);
                let time = *self.first_piece.get_or_insert(now);
                result = result.and(file.put_line(time, stream, &self.text[..whole]));
                self.text.drain(..whole);
            } else {
                self.text.extend_from_slice(bytes);
                bytes = &[];
            }
        }
        result
    }

    /// Writes what is held and `more` as one object.
    fn put(
        &mut self,
        file: &mut LogFile,
        time: Timestamp,
        stream: Stream,
        more: &[u8],
    ) -> io::Result<()> {
        if self.text.is_empty() {
            return file.put_line(time, stream, more);
        }
        self.text.extend_from_slice(more);
        let result = file.put_line(time, stream, &self.text);
        self.text.clear();
        result
    }

    fn end(&mut self, now: Timestamp, stream: Stream, file: &mut LogFile) -> io::Result<()> {
        let time = self.first_piece.take().unwrap_or(now);
        if self.text.is_empty() {
            return Ok(());
        }
        self.put(file, time, stream, &[])
    }
}

/// How many bytes at the end of `text` begin a UTF-8 character that goes on after it.
fn cut_character(text: &[u8]) -> usize {
    for (back, &byte) in text.iter().rev().take(3).enumerate() {
        let needs = match byte {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            0x80..=0xbf => continue,
            _ => return 0,
        };
        return if back + 1 < needs { back + 1 } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests;
