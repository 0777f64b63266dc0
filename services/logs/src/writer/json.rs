//! Output split into lines and pieces of lines, one object each. How they get into the file is in `json_file`.

use super::Held;
use super::json_file::JsonFile;
use crate::MAX_PIECE_BYTES;
use crate::entry::Stream;
use crate::pieces::cut_character;
use crate::rotation::RotationLimits;
use gantry_types::Timestamp;
use std::io;
use std::path::Path;

#[derive(Debug)]
pub(super) struct JsonWriter {
    pub(super) file: JsonFile,
    held: [Held; 2],
}

impl JsonWriter {
    pub(super) fn open(path: &Path, limits: RotationLimits) -> io::Result<Self> {
        Ok(Self { file: JsonFile::open(path, limits)?, held: Default::default() })
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(super) fn write(&mut self, now: Timestamp, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        self.file.begin();
        let result = take(&mut self.held[stream as usize], (now, stream), bytes, &mut self.file);
        let flushed = self.file.flush();
        result.and(flushed)
    }

    pub(super) fn end(&mut self, now: Timestamp, stream: Stream) -> io::Result<()> {
        self.file.begin();
        let held = &mut self.held[stream as usize];
        let time = held.first_piece.take().unwrap_or(now);
        let result = if held.text.is_empty() {
            Ok(())
        } else {
            put(held, (time, stream), &[], &mut self.file)
        };
        // This may be the last chance to tell of what is missing.
        let flushed = self.file.flush().and_then(|()| self.file.report_losses(now));
        result.and(flushed)
    }
}

fn take(
    held: &mut Held,
    (now, stream): (Timestamp, Stream),
    mut bytes: &[u8],
    file: &mut JsonFile,
) -> io::Result<()> {
    let mut result = Ok(());
    while !bytes.is_empty() {
        let room = MAX_PIECE_BYTES - held.text.len();
        let window = &bytes[..room.min(bytes.len())];
        if let Some(end) = memchr::memchr(b'\n', window) {
            let time = held.first_piece.take().unwrap_or(now);
            result = result.and(put(held, (time, stream), &bytes[..=end], file));
            bytes = &bytes[end + 1..];
        } else if window.len() == room {
            held.text.extend_from_slice(window);
            bytes = &bytes[room..];
            // A character must not be cut in two: its first bytes wait for the others.
            let whole = MAX_PIECE_BYTES - cut_character(&held.text);
            let time = *held.first_piece.get_or_insert(now);
            result = result.and(file.put_line(time, stream, &held.text[..whole]));
            held.text.drain(..whole);
        } else {
            held.text.extend_from_slice(bytes);
            bytes = &[];
        }
    }
    result
}

/// Writes what is held and `more` as one object.
fn put(
    held: &mut Held,
    (time, stream): (Timestamp, Stream),
    more: &[u8],
    file: &mut JsonFile,
) -> io::Result<()> {
    if held.text.is_empty() {
        return file.put_line(time, stream, more);
    }
    held.text.extend_from_slice(more);
    let result = file.put_line(time, stream, &held.text);
    held.text.clear();
    result
}

#[cfg(test)]
mod tests;
