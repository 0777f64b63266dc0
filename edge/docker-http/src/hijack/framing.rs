//! Docker's frames around output: the process's side of a relay may have them where the client is to get none, or the other way round.

use std::io;

use bytes::BytesMut;
use gantry_engine::container::Attachment;

use crate::hijack::{self, Output};
use crate::socket::ClientWriter;

/// A frame's beginning: stream, three zeros, length.
const HEAD_BYTES: usize = 8;
const STDOUT: u8 = 1;

/// What becomes of output on its way to the client.
#[derive(Debug)]
pub(super) enum Framing {
    Kept,
    /// A terminal has one output.
    Added,
    Removed(Unframed),
}

impl Framing {
    pub(super) fn of(attachment: &Attachment, output: Output) -> Self {
        match (attachment.tty, output) {
            (false, Output::Framed) | (true, Output::Raw) => Self::Kept,
            (true, Output::Framed) => Self::Added,
            (false, Output::Raw) => Self::Removed(Unframed::default()),
        }
    }

    /// Sends the next piece of output, wherever it was cut.
    pub(super) async fn send(&mut self, piece: &[u8], to: &mut ClientWriter) -> io::Result<()> {
        match self {
            Self::Kept => to.send(piece).await,
            Self::Added => to.send(&hijack::frame(STDOUT, piece)).await,
            Self::Removed(unframed) => to.send(&unframed.take(piece)).await,
        }
    }
}

/// Takes the engine's frames away from around what is in them.
#[derive(Debug, Default)]
pub(super) struct Unframed {
    head: Vec<u8>,
    left: usize,
}

impl Unframed {
    fn take(&mut self, mut bytes: &[u8]) -> BytesMut {
        let mut out = BytesMut::with_capacity(bytes.len());
        while !bytes.is_empty() {
            if self.left > 0 {
                let (piece, rest) = bytes.split_at(self.left.min(bytes.len()));
                out.extend_from_slice(piece);
                self.left -= piece.len();
                bytes = rest;
                continue;
            }
            let (piece, rest) = bytes.split_at((HEAD_BYTES - self.head.len()).min(bytes.len()));
            self.head.extend_from_slice(piece);
            bytes = rest;
            if let [_, _, _, _, a, b, c, d] = self.head[..] {
                self.left = u32::from_be_bytes([a, b, c, d]) as usize;
                self.head.clear();
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_away_wherever_they_are_cut() {
        let bytes = b"\x01\0\0\0\0\0\0\x03abc\x02\0\0\0\0\0\0\x02de";
        for cut in 0..bytes.len() {
            let mut unframed = Unframed::default();
            let mut out = unframed.take(&bytes[..cut]);
            out.extend_from_slice(&unframed.take(&bytes[cut..]));
            assert_eq!(&out[..], b"abcde", "{cut}");
        }
    }
}
