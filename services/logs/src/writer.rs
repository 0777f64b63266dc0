//! The writer: splits output into lines, encodes them and appends them to the file, which it rotates.
//! It allocates a fixed few buffers when it opens, nothing for each line.

use crate::entry::Stream;
use crate::json_line::{Sink, escape};
use crate::rotation::{RotationLimits, rotate};
use crate::{Error, MAX_PIECE_BYTES};
use gantry_types::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const BUFFER_BYTES: usize = 8 * 1024;

/// Appends a container's output to its log file.
///
/// An error of `write` concerns the disk: what could not be written is lost, and the next call tries
/// again. The file stays readable whatever happens, since a torn line is closed before the next.
#[derive(Debug)]
pub struct LogWriter {
    output: Output,
    held: [Held; 2],
}

/// The start of a line whose end has not come yet.
#[derive(Debug, Default)]
struct Held {
    text: Vec<u8>,
    /// The time of the first piece, when pieces of this line are in the file already.
    first_piece: Option<Timestamp>,
}

/// The file with its buffer.
#[derive(Debug)]
struct Output {
    path: PathBuf,
    limits: RotationLimits,
    file: File,
    size_bytes: u64,
    /// The file's last line has no newline.
    torn: bool,
    buffer: Vec<u8>,
}

impl LogWriter {
    /// Opens the log at `path` to append, and makes it (mode 0640) when it is not there.
    pub fn open(path: &Path, limits: RotationLimits) -> Result<Self, Error> {
        let open_error = |source| Error::Open { path: path.to_owned(), source };
        let file = open_file(path).map_err(open_error)?;
        let size_bytes = file.metadata().map_err(open_error)?.len();
        let torn = ends_torn(&file, size_bytes).map_err(open_error)?;
        let output = Output {
            path: path.to_owned(),
            limits,
            file,
            size_bytes,
            torn,
            buffer: Vec::with_capacity(BUFFER_BYTES),
        };
        Ok(Self { output, held: <[Held; 2]>::default() })
    }

    /// Takes what a process wrote to `stream`. Whole lines are in the file when this returns; the
    /// start of an unfinished one is held until its end, or [`MAX_PIECE_BYTES`], has come.
    pub fn write(&mut self, now: Timestamp, stream: Stream, bytes: &[u8]) -> Result<(), Error> {
        let output = &mut self.output;
        let result = self.held[stream as usize].take(now, stream, bytes, output);
        let flushed = output.flush();
        result.and(flushed).map_err(|source| self.write_error(source))
    }

    /// Says that `stream` has ended: the start of an unfinished line goes to the file as it is.
    pub fn end(&mut self, now: Timestamp, stream: Stream) -> Result<(), Error> {
        let result = self.held[stream as usize].end(now, stream, &mut self.output);
        let flushed = self.output.flush();
        result.and(flushed).map_err(|source| self.write_error(source))
    }

    fn write_error(&self, source: io::Error) -> Error {
        Error::Write { path: self.output.path.clone(), source }
    }
}

impl Held {
    fn take(
        &mut self,
        now: Timestamp,
        stream: Stream,
        mut bytes: &[u8],
        output: &mut Output,
    ) -> io::Result<()> {
        let mut result = Ok(());
        while !bytes.is_empty() {
            let room = MAX_PIECE_BYTES - self.text.len();
            let window = &bytes[..room.min(bytes.len())];
            if let Some(end) = window.iter().position(|&byte| byte == b'\n') {
                let time = self.first_piece.take().unwrap_or(now);
                result = result.and(self.put(output, time, stream, &bytes[..=end]));
                bytes = &bytes[end + 1..];
            } else if window.len() == room {
                self.text.extend_from_slice(window);
                bytes = &bytes[room..];
                // A character must not be cut in two: its first bytes wait for the others.
                let whole = MAX_PIECE_BYTES - cut_character(&self.text);
                let time = *self.first_piece.get_or_insert(now);
                result = result.and(output.put_line(time, stream, &self.text[..whole]));
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
        output: &mut Output,
        time: Timestamp,
        stream: Stream,
        more: &[u8],
    ) -> io::Result<()> {
        if self.text.is_empty() {
            return output.put_line(time, stream, more);
        }
        self.text.extend_from_slice(more);
        let result = output.put_line(time, stream, &self.text);
        self.text.clear();
        result
    }

    fn end(&mut self, now: Timestamp, stream: Stream, output: &mut Output) -> io::Result<()> {
        let time = self.first_piece.take().unwrap_or(now);
        if self.text.is_empty() {
            return Ok(());
        }
        self.put(output, time, stream, &[])
    }
}

impl Output {
    fn put_line(&mut self, time: Timestamp, stream: Stream, text: &[u8]) -> io::Result<()> {
        // A rotation that failed must not cost the line: it goes to the old file.
        let rotated = self.rotate_when_full();
        let written = self.put_object(time, stream, text);
        if written.is_err() {
            // Part of it may stand in the file; the rest of it must not follow later.
            self.buffer.clear();
            self.torn = true;
        }
        written.and(rotated)
    }

    fn put_object(&mut self, time: Timestamp, stream: Stream, text: &[u8]) -> io::Result<()> {
        if self.torn {
            self.put(b"\n")?;
            self.torn = false;
        }
        self.put(br#"{"log":""#)?;
        escape(text, self)?;
        self.put(br#"","stream":""#)?;
        self.put(stream.as_str().as_bytes())?;
        self.put(br#"","time":""#)?;
        self.make_room(64)?;
        write!(self.buffer, "{time}")?;
        self.put(b"\"}\n")
    }

    fn make_room(&mut self, bytes: usize) -> io::Result<()> {
        if self.buffer.len() + bytes > BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.file.write_all(&self.buffer);
        if result.is_ok() {
            self.size_bytes += self.buffer.len() as u64;
        } else {
            self.torn = true;
        }
        self.buffer.clear();
        result
    }

    fn rotate_when_full(&mut self) -> io::Result<()> {
        let full = |size| self.limits.max_size_bytes.is_some_and(|max| size >= max);
        if !full(self.size_bytes + self.buffer.len() as u64) {
            return Ok(());
        }
        self.flush()?;
        rotate(&self.path, self.limits.max_files)?;
        self.file = open_file(&self.path)?;
        self.size_bytes = 0;
        self.torn = false;
        Ok(())
    }
}

impl Sink for Output {
    type Failure = io::Error;

    fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.make_room(1)?;
            let (now, later) = bytes.split_at(bytes.len().min(BUFFER_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(0o640)
        .custom_flags(no_follow)
        .open(path)
}

fn ends_torn(file: &File, size_bytes: u64) -> io::Result<bool> {
    let Some(last) = size_bytes.checked_sub(1) else {
        return Ok(false);
    };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
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
