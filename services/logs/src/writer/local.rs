//! Output as blocks of the local format: what a read of the shim brought goes to the file as it is, whole
//! lines at once, so that a line costs nothing but its bytes. Which file that is, is in here too.

use super::Held;
use super::losses::{Amount, Losses};
use crate::MAX_PIECE_BYTES;
use crate::block::{HEADER_BYTES, Header, MAX_PAYLOAD_BYTES, TRAILER_BYTES};
use crate::entry::Stream;
use crate::numbered::{self, Numbered};
use crate::pieces;
use crate::rotation::RotationLimits;
use gantry_types::Timestamp;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FRAME_BYTES: u64 = (HEADER_BYTES + TRAILER_BYTES) as u64;

#[derive(Debug)]
pub(super) struct LocalWriter {
    folder: PathBuf,
    limits: RotationLimits,
    number: u64,
    pub(super) file: File,
    /// All of it whole blocks, unless `torn`.
    size_bytes: u64,
    /// A block was written in part and could not be cut off: nothing more goes into this file.
    torn: bool,
    held: [Held; 2],
    losses: Losses,
}

impl LocalWriter {
    pub(super) fn open(folder: &Path, limits: RotationLimits) -> io::Result<Self> {
        match DirBuilder::new().mode(0o710).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let newest = numbered::list(folder)?.last().copied();
        let number = match newest {
            None => 1,
            Some(Numbered { number, compressed }) => number + u64::from(compressed),
        };
        let (mut number, mut file) = (number, open_file(folder, number)?);
        let mut size_bytes = file.metadata()?.len();
        if !ends_whole(&file, size_bytes)? {
            // Whoever reads it passes over the torn end.
            number += 1;
            file = open_file(folder, number)?;
            size_bytes = 0;
        }
        numbered::remove_old(folder, number, limits.max_files)?;
        let (held, losses) = (Default::default(), Losses::default());
        Ok(Self {
            folder: folder.to_owned(),
            limits,
            number,
            file,
            size_bytes,
            torn: false,
            held,
            losses,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.folder
    }

    pub(super) fn write(
        &mut self,
        now: Timestamp,
        stream: Stream,
        mut bytes: &[u8],
    ) -> io::Result<()> {
        let mut result = Ok(());
        let Some(last) = memchr::memrchr(b'\n', bytes) else {
            return self.hold(now, stream, bytes);
        };
        let held = &self.held[stream as usize];
        if !held.text.is_empty() || held.first_piece.is_some() {
            let taken;
            (taken, result) = self.go_on(now, stream, &bytes[..=last]);
            bytes = &bytes[taken..];
        }
        if let Some(last) = memchr::memrchr(b'\n', bytes) {
            result = result.and(self.put_all(now, stream, &bytes[..=last]));
            bytes = &bytes[last + 1..];
        }
        result.and(self.hold(now, stream, bytes))
    }

    /// Writes what began before with its end, the first of `lines`; tells how many bytes of those are written.
    fn go_on(&mut self, now: Timestamp, stream: Stream, lines: &[u8]) -> (usize, io::Result<()>) {
        let held = &mut self.held[stream as usize];
        let time = held.first_piece.take().unwrap_or(now);
        let mut text = std::mem::take(&mut held.text);
        let (taken, result);
        if time == now && self.has_room_for(text.len() + lines.len()) {
            // Most of what comes fast: one write for all of it.
            taken = lines.len();
            result = self.put_block(time, stream, [&text, lines]);
            if let Err(error) = &result {
                let lost = Amount::of(&[&text, lines].concat());
                self.losses.add(stream, lost, &error.to_string());
            }
        } else {
            taken = memchr::memchr(b'\n', lines).map_or(lines.len(), |end| end + 1);
            text.extend_from_slice(&lines[..taken]);
            result = self.put_all(time, stream, &text);
        }
        text.clear();
        text.shrink_to(MAX_PIECE_BYTES);
        self.held[stream as usize].text = text;
        (taken, result)
    }

    pub(super) fn end(&mut self, now: Timestamp, stream: Stream) -> io::Result<()> {
        let held = &mut self.held[stream as usize];
        let time = held.first_piece.take().unwrap_or(now);
        let text = std::mem::take(&mut held.text);
        let result = if text.is_empty() { Ok(()) } else { self.put_all(time, stream, &text) };
        // This may be the last chance to tell of what is missing.
        result.and_then(|()| self.tell_losses(now))
    }

    /// Keeps the start of a line, but for the whole pieces that it has become.
    fn hold(&mut self, now: Timestamp, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let held = &mut self.held[stream as usize];
        held.text.extend_from_slice(bytes);
        let mut whole = 0;
        while let Some(piece) = pieces::first(&held.text[whole..]) {
            whole += piece;
        }
        if whole == 0 {
            return Ok(());
        }
        let time = *held.first_piece.get_or_insert(now);
        let text = std::mem::take(&mut held.text);
        self.held[stream as usize].text = text[whole..].to_vec();
        self.put_all(time, stream, &text[..whole])
    }

    /// Writes `text`, which ends where a line or a piece of a line does, in as many blocks and files as it needs.
    fn put_all(&mut self, time: Timestamp, stream: Stream, mut text: &[u8]) -> io::Result<()> {
        while !text.is_empty() {
            // What is missing is told at its place: before anything that came later.
            let result =
                self.make_room(text).and_then(|()| self.tell_losses(time)).and_then(|()| {
                    let length = self.block_length(text);
                    self.put_block(time, stream, [&text[..length], &[]]).map(|()| length)
                });
            match result {
                Ok(length) => text = &text[length..],
                Err(error) => {
                    self.losses.add(stream, Amount::of(text), &error.to_string());
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Whether so many bytes go into this file as one block, with nothing to be told before.
    fn has_room_for(&self, bytes: usize) -> bool {
        let fits = bytes <= MAX_PAYLOAD_BYTES && bytes as u64 + FRAME_BYTES <= self.room_bytes();
        fits && !self.torn && self.losses.is_empty()
    }

    fn room_bytes(&self) -> u64 {
        self.limits.max_size_bytes.map_or(u64::MAX, |max| max.saturating_sub(self.size_bytes))
    }

    /// How much of `text` fits into this file and one block: whole lines, one at least.
    fn block_length(&self, text: &[u8]) -> usize {
        let room = self.room_bytes().saturating_sub(FRAME_BYTES);
        let most = usize::try_from(room).unwrap_or(usize::MAX).min(MAX_PAYLOAD_BYTES);
        if text.len() <= most {
            return text.len();
        }
        let lines = memchr::memrchr(b'\n', &text[..most]).map(|last| last + 1);
        lines.unwrap_or_else(|| pieces::first(text).unwrap_or(text.len()))
    }

    /// Begins another file when not even the first line of `text` fits into this one.
    fn make_room(&mut self, text: &[u8]) -> io::Result<()> {
        let first = pieces::first(text).unwrap_or(text.len()) as u64;
        if !self.torn && (self.size_bytes == 0 || first + FRAME_BYTES <= self.room_bytes()) {
            return Ok(());
        }
        let number = self.number + 1;
        let opened = open_file(&self.folder, number).and_then(|file| {
            let size_bytes = file.metadata()?.len();
            Ok((file, size_bytes))
        });
        match opened {
            Ok((file, size_bytes)) => {
                (self.file, self.number, self.size_bytes) = (file, number, size_bytes);
                self.torn = false;
                numbered::remove_old(&self.folder, number, self.limits.max_files)
            }
            // A rotation that failed must not cost the line: it goes to the old file.
            Err(_) if !self.torn => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn tell_losses(&mut self, now: Timestamp) -> io::Result<()> {
        if self.losses.is_empty() {
            return Ok(());
        }
        for stream in [Stream::Stdout, Stream::Stderr] {
            let Some(notice) = self.losses.notice(stream) else { continue };
            self.put_block(now, stream, [notice.as_bytes(), &[]])?;
            self.losses.forget(stream);
        }
        Ok(())
    }

    fn put_block(
        &mut self,
        time: Timestamp,
        stream: Stream,
        [begin, rest]: [&[u8]; 2],
    ) -> io::Result<()> {
        let payload_bytes = u32::try_from(begin.len() + rest.len()).map_err(io::Error::other)?;
        let header = Header { time, stream, payload_bytes };
        let parts = [&header.encode()[..], begin, rest, &payload_bytes.to_le_bytes()];
        let written = write_whole(&mut self.file, parts);
        match written {
            Ok(()) => {
                self.size_bytes += header.block_bytes() as u64;
                Ok(())
            }
            Err(error) => {
                self.torn = self.file.set_len(self.size_bytes).is_err();
                Err(error)
            }
        }
    }
}

fn write_whole(file: &mut File, mut parts: [&[u8]; 4]) -> io::Result<()> {
    while parts.iter().any(|part| !part.is_empty()) {
        let mut length = match file.write_vectored(&parts.map(IoSlice::new)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for part in &mut parts {
            let taken = length.min(part.len());
            *part = &part[taken..];
            length -= taken;
        }
    }
    Ok(())
}

fn open_file(folder: &Path, number: u64) -> io::Result<File> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(0o640)
        .custom_flags(no_follow)
        .open(Numbered { number, compressed: false }.path(folder))
}

/// Whether a file is empty or ends with a whole block.
fn ends_whole(file: &File, size_bytes: u64) -> io::Result<bool> {
    let Some(after_header) = size_bytes.checked_sub(FRAME_BYTES) else {
        return Ok(size_bytes == 0);
    };
    let mut trailer = [0; TRAILER_BYTES];
    file.read_exact_at(&mut trailer, size_bytes - TRAILER_BYTES as u64)?;
    let payload_bytes = u32::from_le_bytes(trailer);
    let Some(start) = after_header.checked_sub(payload_bytes.into()) else {
        return Ok(false);
    };
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, start)?;
    Ok(Header::decode(&header).is_some_and(|header| header.payload_bytes == payload_bytes))
}

#[cfg(test)]
mod tests;
