//! The bytes of a file on its way into the store, for somebody who wants them at the same time: from memory, in pieces,
//! as fast as both can.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use gantry_sys::uncached::AlignedBuffer;

/// Pieces that wait to be read.
const PIECES: usize = 3;

/// Where the bytes come from. [`tap`] makes it.
#[derive(Debug)]
pub struct Tap(SyncSender<Arc<AlignedBuffer>>);

/// The bytes, as a reader. Its end says nothing about whether they are all: whoever fills the tap knows.
#[derive(Debug)]
pub struct TapReader {
    pieces: Receiver<Arc<AlignedBuffer>>,
    current: Option<Arc<AlignedBuffer>>,
    /// How much of it was read.
    read: usize,
}

/// A tap and its reader. Filling it waits for the reader; when that is gone, the rest is not wanted.
pub fn tap() -> (Tap, TapReader) {
    let (sender, pieces) = sync_channel(PIECES);
    (Tap(sender), TapReader { pieces, current: None, read: 0 })
}

impl Tap {
    /// Whether anybody still wants more.
    pub(crate) fn fill(&self, piece: &Arc<AlignedBuffer>) -> bool {
        self.0.send(Arc::clone(piece)).is_ok()
    }
}

impl Read for TapReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.current.as_ref().map_or(&[][..], |piece| &piece.bytes()[self.read..]);
            if !left.is_empty() {
                let count = left.len().min(buffer.len());
                buffer[..count].copy_from_slice(&left[..count]);
                self.read += count;
                return Ok(count);
            }
            // The piece goes back before the next one is waited for.
            (self.current, self.read) = (None, 0);
            match self.pieces.recv() {
                Ok(piece) => self.current = Some(piece),
                Err(_) => return Ok(0),
            }
        }
    }
}

/// Buffers that are used again when nobody reads them any more.
#[derive(Debug)]
pub(crate) struct Pieces {
    buffers: Vec<Arc<AlignedBuffer>>,
    capacity: usize,
}

impl Pieces {
    /// Pieces of that many bytes.
    pub(crate) fn of(capacity: usize) -> Self {
        Self { buffers: Vec::new(), capacity }
    }

    /// A piece filled from `reader`; empty only at its end.
    pub(crate) fn read(&mut self, reader: &mut dyn Read) -> io::Result<Arc<AlignedBuffer>> {
        let free = self.buffers.iter().position(|buffer| Arc::strong_count(buffer) == 1);
        let mut piece = match free.map(|at| self.buffers.swap_remove(at)) {
            Some(piece) => piece,
            None => Arc::new(AlignedBuffer::new(self.capacity)),
        };
        if let Some(buffer) = Arc::get_mut(&mut piece) {
            buffer.clear();
            buffer.fill(reader)?;
        }
        self.buffers.push(Arc::clone(&piece));
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_passes_and_no_more_memory_is_used_than_waits() {
        let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let (tap, mut reader) = tap();
        let reading = std::thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            all
        });
        let (mut pieces, mut input) = (Pieces::of(4096), &content[..]);
        loop {
            let piece = pieces.read(&mut input).unwrap();
            if piece.bytes().is_empty() {
                break;
            }
            assert!(tap.fill(&piece));
        }
        drop(tap);
        assert!(reading.join().unwrap() == content);
        // Those that wait, one with each side, and one more that was about to be given back.
        assert!(pieces.buffers.len() <= PIECES + 3, "{}", pieces.buffers.len());
    }

    #[test]
    fn a_reader_that_is_gone_is_told_of() {
        let (tap, reader) = tap();
        drop(reader);
        assert!(!tap.fill(&Arc::new(AlignedBuffer::new(1))));
    }
}
