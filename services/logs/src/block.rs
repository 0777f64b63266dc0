//! A block of the local format: one header, and the bytes of one stream as they came, many lines or one. No I/O.
//!
//! ```text
//! 0   magic "GLB1"        4   payload bytes, u32      8   seconds since 1970, i64     16  nanoseconds, u32
//! 20  stream, 1 or 2      21  0                       22  check of bytes 4 to 21      24  payload
//! then the payload bytes again, u32, so that a file can be read from its end
//! ```
//!
//! Numbers are little-endian. A block holds whole lines, or pieces of one long line, and is given out in
//! entries of at most [`crate::MAX_PIECE_BYTES`]. What a container writes never changes how its file is read: the
//! magic is looked for only behind a block that somebody has damaged.

use crate::entry::Stream;
use crate::pieces;
use gantry_types::Timestamp;

pub(crate) const HEADER_BYTES: usize = 24;
pub(crate) const TRAILER_BYTES: usize = 4;
/// No block has a longer payload.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 1 << 20;
pub(crate) const MAGIC: &[u8; 4] = b"GLB1";

/// What stands before a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) time: Timestamp,
    pub(crate) stream: Stream,
    /// At most [`MAX_PAYLOAD_BYTES`].
    pub(crate) payload_bytes: u32,
}

impl Header {
    /// The block with all that belongs to it.
    pub(crate) fn block_bytes(&self) -> usize {
        HEADER_BYTES + self.payload_bytes as usize + TRAILER_BYTES
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4..8].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.time.seconds.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.time.nanos.to_le_bytes());
        bytes[20] = match self.stream {
            Stream::Stdout => 1,
            Stream::Stderr => 2,
        };
        let check = check(&bytes);
        bytes[22..].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// `None` when these are not the first bytes of a block.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let word = |at: usize| -> Option<u32> {
            Some(u32::from_le_bytes(*bytes[at..].first_chunk::<4>()?))
        };
        let stream = match bytes[20] {
            1 => Stream::Stdout,
            2 => Stream::Stderr,
            _ => return None,
        };
        let (payload_bytes, nanos) = (word(4)?, word(16)?);
        let seconds = i64::from_le_bytes(*bytes[8..].first_chunk::<8>()?);
        let whole = bytes.starts_with(MAGIC)
            && bytes[22..] == check(bytes).to_le_bytes()
            && payload_bytes as usize <= MAX_PAYLOAD_BYTES
            && nanos < 1_000_000_000;
        whole.then_some(Self { time: Timestamp { seconds, nanos }, stream, payload_bytes })
    }
}

/// Fletcher's sum of what stands between the magic and itself.
fn check(header: &[u8; HEADER_BYTES]) -> u16 {
    let (mut low, mut high) = (1_u32, 0_u32);
    for &byte in &header[4..22] {
        low = (low + u32::from(byte)) % 255;
        high = (high + low) % 255;
    }
    u16::try_from(high << 8 | low).unwrap_or(0)
}

/// The length of the first entry of a payload, or of what is left of it; 0 when nothing is left.
pub(crate) fn first_entry(payload: &[u8]) -> usize {
    pieces::first(payload).unwrap_or(payload.len())
}

/// How many entries a payload has.
pub(crate) fn count_entries(mut payload: &[u8]) -> u64 {
    let mut count = 0;
    while !payload.is_empty() {
        payload = &payload[first_entry(payload)..];
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_PIECE_BYTES;

    const HEADER: Header = Header {
        time: Timestamp { seconds: -5, nanos: 999_999_999 },
        stream: Stream::Stderr,
        payload_bytes: 77,
    };

    #[test]
    fn headers_come_back() {
        assert_eq!(Header::decode(&HEADER.encode()), Some(HEADER));
        assert_eq!(HEADER.block_bytes(), 24 + 77 + 4);
    }

    #[test]
    fn a_damaged_header_is_none() {
        let whole = HEADER.encode();
        for cut in 0..HEADER_BYTES {
            assert_eq!(Header::decode(&whole[..cut]), None, "cut at {cut}");
        }
        for at in 0..HEADER_BYTES {
            for bit in 0..8 {
                let mut damaged = whole;
                damaged[at] ^= 1 << bit;
                assert_eq!(Header::decode(&damaged), None, "bit {bit} of byte {at}");
            }
        }
        let long = Header { payload_bytes: (1 << 20) + 1, ..HEADER };
        assert_eq!(Header::decode(&long.encode()), None);
    }

    #[test]
    fn payloads_are_given_out_in_lines_and_pieces() {
        let long = vec![b'x'; MAX_PIECE_BYTES];
        for (payload, expected) in [
            (b"".to_vec(), 0),
            (b"\n".to_vec(), 1),
            (b"one\ntwo\n".to_vec(), 2),
            (b"one\ntwo".to_vec(), 2),
            (long.clone(), 1),
            ([&long[..], b"\n"].concat(), 2),
            ([&long[1..], b"\nend\n"].concat(), 2),
        ] {
            assert_eq!(count_entries(&payload), expected, "{} bytes", payload.len());
        }
    }
}
