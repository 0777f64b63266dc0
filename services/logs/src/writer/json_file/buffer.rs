//! The bytes on their way to the file. Lines are short, and a call of `memcpy` for each part of each costs more than all
//! else: what is copied here is copied in pieces of a fixed size, which need no call.

use crate::json_line::{PLAIN_BLOCK_BYTES, is_block_plain};

/// How many bytes there is room for.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;

/// How long a part may be that is copied with what stands behind it.
pub(super) const PART_BYTES: usize = 96;

/// A short text at the beginning of a piece of a fixed size.
#[derive(Debug, Clone)]
pub(super) struct Part {
    bytes: [u8; PART_BYTES],
    length: usize,
}

impl Part {
    /// None when it is too long.
    pub(super) fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; PART_BYTES];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { bytes, length: text.len() })
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[derive(Debug)]
pub(super) struct Buffer {
    /// [`BUFFER_BYTES`], and room for the rest of a part that ends there.
    bytes: Box<[u8]>,
    filled: usize,
}

impl Buffer {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; BUFFER_BYTES + PART_BYTES].into(), filled: 0 }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    pub(super) fn len(&self) -> usize {
        self.filled
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    pub(super) fn clear(&mut self) {
        self.filled = 0;
    }

    /// How many bytes it takes yet.
    pub(super) fn room(&self) -> usize {
        BUFFER_BYTES - self.filled
    }

    /// Takes as much of the text as there is room for; gives the rest.
    pub(super) fn fill<'a>(&mut self, text: &'a [u8]) -> &'a [u8] {
        let (now, later) = text.split_at(text.len().min(self.room()));
        self.bytes[self.filled..self.filled + now.len()].copy_from_slice(now);
        self.filled += now.len();
        later
    }

    /// Takes a whole object whose text is a plain `line`, when it is one and there is room; else nothing.
    pub(super) fn put_object(&mut self, begin: &Part, line: &[u8], end: &Part) -> bool {
        if begin.length + line.len() + end.length > self.room() {
            return false;
        }
        let before = self.filled;
        self.put_part(begin);
        let is_plain = self.put_plain(line);
        if is_plain {
            self.put_part(end);
        } else {
            self.filled = before;
        }
        is_plain
    }

    /// There is room for all of the piece; what is not of the part is overwritten by what comes next.
    fn put_part(&mut self, part: &Part) {
        self.bytes[self.filled..self.filled + PART_BYTES].copy_from_slice(&part.bytes);
        self.filled += part.length;
    }

    /// Looks at the text while it is copied. Where it is not plain it is not taken.
    fn put_plain(&mut self, text: &[u8]) -> bool {
        let room = &mut self.bytes[self.filled..self.filled + text.len()];
        let is_plain = if let (Some(last), Some(room_of_last)) =
            (text.last_chunk(), room.last_chunk_mut::<PLAIN_BLOCK_BYTES>())
        {
            *room_of_last = *last;
            let (blocks, _) = text.as_chunks::<PLAIN_BLOCK_BYTES>();
            let (rooms, _) = room.as_chunks_mut::<PLAIN_BLOCK_BYTES>();
            let copy = |(block, room): (&[u8; PLAIN_BLOCK_BYTES], &mut _)| {
                *room = *block;
                is_block_plain(block)
            };
            is_block_plain(last) && blocks.iter().zip(rooms).all(copy)
        } else {
            for (room, byte) in room.iter_mut().zip(text) {
                *room = *byte;
            }
            is_block_plain(text)
        };
        self.filled += text.len();
        is_plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_of_every_length_are_taken_whole() {
        let (begin, end) = (Part::new(b"<<").unwrap(), Part::new(b">>").unwrap());
        for length in 0..200 {
            let line: Vec<u8> = (0..length).map(|at| b'a' + at % 26).collect();
            let mut buffer = Buffer::new();
            assert!(buffer.put_object(&begin, &line, &end), "{length}");
            assert!(buffer.put_object(&begin, b"x", &end), "{length}");
            assert_eq!(buffer.as_slice(), [b"<<", &line[..], b">><<x>>"].concat());
        }
    }

    #[test]
    fn nothing_of_a_line_is_taken_that_is_not_plain() {
        let part = Part::new(b"--").unwrap();
        for length in [1, 31, 32, 33, 64, 99] {
            for at in 0..length {
                let mut line = vec![b'x'; length];
                line[at] = b'"';
                let mut buffer = Buffer::new();
                assert!(!buffer.put_object(&part, &line, &part), "{at} of {length}");
                assert!(buffer.is_empty());
            }
        }
    }

    #[test]
    fn what_has_no_room_is_not_taken() {
        let part = Part::new(b"--").unwrap();
        let mut buffer = Buffer::new();
        let filling = vec![b'x'; BUFFER_BYTES - 10];
        assert!(buffer.fill(&filling).is_empty());
        assert!(!buffer.put_object(&part, b"1234567", &part));
        assert!(buffer.put_object(&part, b"123456", &part));
        assert_eq!((buffer.room(), buffer.fill(b"more")), (0, &b"more"[..]));
        assert!(Part::new(&[0; PART_BYTES + 1]).is_none());
    }
}
