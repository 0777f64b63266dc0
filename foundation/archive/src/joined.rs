//! Archives one after another as one: of each the end is held back, and given for the last alone.

use std::io::{self, Write};

/// What ends an archive.
const END: usize = 1024;

/// See the head of this file. Each archive that is written to it begins with [`Joined::begin`].
#[derive(Debug)]
pub struct Joined<W> {
    inner: W,
    held: Vec<u8>,
}

impl<W: Write> Joined<W> {
    /// Nothing has been written.
    pub fn new(inner: W) -> Self {
        Self { inner, held: Vec::new() }
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The next archive follows: the end of the one before is none.
    pub fn begin(&mut self) {
        self.held.clear();
    }

    /// Gives the end of the last one.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn end(mut self) -> io::Result<()> {
        self.inner.write_all(&self.held)?;
        self.inner.flush()
    }
}

impl<W: Write> Write for Joined<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() >= END {
            self.inner.write_all(&self.held)?;
            self.inner.write_all(&bytes[..bytes.len() - END])?;
            self.held.clear();
            self.held.extend_from_slice(&bytes[bytes.len() - END..]);
        } else {
            let over = (self.held.len() + bytes.len()).saturating_sub(END);
            self.inner.write_all(&self.held[..over])?;
            self.held.drain(..over);
            self.held.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_held_back_whatever_the_pieces_are() {
        for piece in [1, 100, 512, 1000, 1024, 1025, 5000] {
            let whole: Vec<u8> = (0..10_000_u32).map(|n| (n % 251) as u8).collect();
            let mut joined = Joined::new(Vec::new());
            for bytes in whole.chunks(piece) {
                joined.write_all(bytes).unwrap();
            }
            assert_eq!(joined.held, whole[whole.len() - END..], "{piece}");
            assert_eq!(joined.inner, whole[..whole.len() - END], "{piece}");
        }
    }
}
