//! The file behind a writer of the json-file format: encodes objects into a buffer, appends it, rotates, and keeps count of what
//! could not be written. It allocates a fixed few buffers when it opens, nothing for each line.

mod buffer;

use self::buffer::{BUFFER_BYTES, Buffer, Part};
use super::losses::{Amount, Losses};
use crate::entry::Stream;
use crate::json_line::{Sink, escape};
use crate::rotation::{RotationLimits, rotate};
use gantry_types::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What stands before the text of an object.
const BEGIN: &[u8] = br#"{"log":""#;

/// The file with its buffer. Positions count the bytes put since the file was opened.
#[derive(Debug)]
pub(super) struct JsonFile {
    path: PathBuf,
    limits: RotationLimits,
    pub(super) file: File,
    size_bytes: u64,
    /// The file was moved away, and a new one could not be opened yet.
    moved: bool,
    buffer: Buffer,
    begin: Part,
    end: ObjectEnd,
    /// Where the file ends.
    written: u64,
    /// Where its last whole line ends; less than `written`: a torn line follows.
    whole: u64,
    /// The whole objects that stand in the buffer, at least in part.
    pending: Vec<Pending>,
    /// What is missing and was not told yet, by stream.
    losses: Losses,
    /// Why a write failed since [`JsonFile::begin`]: another attempt would only take time.
    refused: Option<String>,
}

/// What stands behind the text of the last object.
#[derive(Debug)]
struct ObjectEnd {
    time: Timestamp,
    stream: Stream,
    /// With the newest of a line before it.
    text: Part,
}

/// How the newline of a line stands in its object.
const NEWLINE: &str = r"\n";

impl ObjectEnd {
    fn new(time: Timestamp, stream: Stream) -> io::Result<Self> {
        let text =
            format!("{NEWLINE}\",\"stream\":\"{}\",\"time\":\"{time}\"}}\n", stream.as_str());
        let text = Part::new(text.as_bytes()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { time, stream, text })
    }
}

/// An object on its way to the file.
#[derive(Debug)]
struct Pending {
    /// Its end, as a position.
    end: u64,
    stream: Stream,
    amount: Amount,
}

impl JsonFile {
    pub(super) fn open(path: &Path, limits: RotationLimits) -> io::Result<Self> {
        let file = open_file(path)?;
        let size_bytes = file.metadata()?.len();
        let torn = ends_torn(&file, size_bytes)?;
        Ok(Self {
            path: path.to_owned(),
            limits,
            file,
            size_bytes,
            moved: false,
            buffer: Buffer::new(),
            begin: Part::new(BEGIN).ok_or(io::ErrorKind::InvalidInput)?,
            end: ObjectEnd::new(Timestamp::ZERO, Stream::Stdout)?,
            written: u64::from(torn),
            whole: 0,
            pending: Vec::new(),
            losses: Losses::default(),
            refused: None,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A new call: the disk may have room again.
    pub(super) fn begin(&mut self) {
        self.refused = None;
    }

    /// Puts one object. What cannot be written is counted.
    pub(super) fn put_line(
        &mut self,
        time: Timestamp,
        stream: Stream,
        text: &[u8],
    ) -> io::Result<()> {
        // A rotation that failed must not cost the line: it goes to the old file.
        let rotated = if self.refused.is_some() { Ok(()) } else { self.rotate_when_full() };
        // What is missing is told at its place: before anything that came later.
        let told = if self.refused.is_some() { Ok(()) } else { self.report_losses(time) };
        let amount = Amount::of_line(text);
        if self.refused.is_some() {
            self.lose(stream, amount);
            return rotated.and(told);
        }
        let written = self.put_object(time, stream, text, amount);
        if written.is_err() {
            self.lose(stream, amount);
        }
        written.and(rotated)
    }

    /// Writes a line for each stream that misses something.
    pub(super) fn report_losses(&mut self, now: Timestamp) -> io::Result<()> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let Some(notice) = self.losses.notice(stream) else { continue };
            self.put_object(now, stream, notice.as_bytes(), Amount::default())
                .and_then(|()| self.flush())?;
            self.losses.forget(stream);
        }
        Ok(())
    }

    /// Writes the buffer. On failure its objects are lost but for those that came through whole.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let result = self.write_buffer();
        let came_through = self.pending.partition_point(|object| object.end <= self.written);
        if let Some(last) = came_through.checked_sub(1) {
            self.whole = self.pending[last].end;
        }
        if let Err(error) = &result {
            self.refused = Some(error.to_string());
            let mut pending = std::mem::take(&mut self.pending);
            for object in pending.drain(came_through..) {
                self.lose(object.stream, object.amount);
            }
            self.pending = pending;
        }
        self.pending.clear();
        self.buffer.clear();
        result
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        let mut rest = self.buffer.as_slice();
        while !rest.is_empty() {
            let length = match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            rest = &rest[length..];
            self.written += length as u64;
            self.size_bytes += length as u64;
        }
        Ok(())
    }

    fn lose(&mut self, stream: Stream, amount: Amount) {
        self.losses.add(stream, amount, self.refused.as_deref().unwrap_or_default());
    }

    fn put_object(
        &mut self,
        time: Timestamp,
        stream: Stream,
        text: &[u8],
        amount: Amount,
    ) -> io::Result<()> {
        if self.buffer.is_empty() && self.written > self.whole {
            self.put(b"\n")?;
            self.close_object(stream, Amount::default());
        }
        // Lines that lie one behind another mostly end alike.
        if (self.end.time, self.end.stream) != (time, stream) {
            self.end = ObjectEnd::new(time, stream)?;
        }
        self.put_parts(text)?;
        self.close_object(stream, amount);
        Ok(())
    }

    fn put_parts(&mut self, text: &[u8]) -> io::Result<()> {
        if let Some(line) = text.strip_suffix(b"\n") {
            let whole = BEGIN.len() + line.len() + self.end.text.text().len();
            if whole <= BUFFER_BYTES {
                self.make_room(whole)?;
            }
            // Most lines.
            if self.buffer.put_object(&self.begin, line, &self.end.text) {
                return Ok(());
            }
        }
        self.put(BEGIN)?;
        escape(text, self)?;
        let end = self.end.text.clone();
        self.put(&end.text()[NEWLINE.len()..])
    }

    /// What was put so far ends an object.
    fn close_object(&mut self, stream: Stream, amount: Amount) {
        let end = self.written + self.buffer.len() as u64;
        self.pending.push(Pending { end, stream, amount });
    }

    fn make_room(&mut self, bytes: usize) -> io::Result<()> {
        if self.buffer.room() < bytes { self.flush() } else { Ok(()) }
    }

    fn rotate_when_full(&mut self) -> io::Result<()> {
        let full = |size| self.limits.max_size_bytes.is_some_and(|max| size >= max);
        if !full(self.size_bytes + self.buffer.len() as u64) {
            return Ok(());
        }
        self.flush()?;
        if !self.moved {
            self.moved = rotate(&self.path, self.limits.max_files)?;
            if !self.moved {
                return Ok(());
            }
        }
        self.file = open_file(&self.path)?;
        self.moved = false;
        self.size_bytes = 0;
        self.whole = self.written;
        Ok(())
    }
}

impl Sink for JsonFile {
    type Failure = io::Error;

    fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.make_room(1)?;
            bytes = self.buffer.fill(bytes);
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
