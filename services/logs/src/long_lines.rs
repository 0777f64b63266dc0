//! Counts the lines of a stream that no single entry holds. Nothing is looked at twice, and of most lines only the last of many.

use crate::MAX_PIECE_BYTES;

/// What came so far of one stream.
#[derive(Debug, Default)]
pub struct LongLines {
    /// Of the line that has begun; a whole piece at most.
    length: usize,
}

impl LongLines {
    /// How many lines became longer than a piece by what came now.
    pub fn count(&mut self, mut bytes: &[u8]) -> u64 {
        let mut found = 0;
        while !bytes.is_empty() {
            let end = if self.length == MAX_PIECE_BYTES {
                memchr::memchr(b'\n', bytes)
            } else {
                let window = &bytes[..bytes.len().min(MAX_PIECE_BYTES - self.length)];
                memchr::memrchr(b'\n', window)
            };
            let taken = match end {
                Some(end) => {
                    self.length = 0;
                    end + 1
                }
                None if self.length == MAX_PIECE_BYTES => bytes.len(),
                None => {
                    let taken = bytes.len().min(MAX_PIECE_BYTES - self.length);
                    self.length += taken;
                    found += u64::from(self.length == MAX_PIECE_BYTES);
                    taken
                }
            };
            bytes = &bytes[taken..];
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_once_however_it_comes() {
        let line = |length: usize| [vec![b'x'; length], vec![b'\n']].concat();
        let short = line(MAX_PIECE_BYTES - 1);
        let long = line(MAX_PIECE_BYTES);
        let longer = line(5 * MAX_PIECE_BYTES);
        let text = [&short[..], &long, b"a\n\n", &longer, &short, &longer].concat();
        for size in [text.len(), 7, 1000, MAX_PIECE_BYTES, MAX_PIECE_BYTES + 1] {
            let mut lines = LongLines::default();
            let found: u64 = text.chunks(size).map(|chunk| lines.count(chunk)).sum();
            assert_eq!(found, 3, "in pieces of {size} bytes");
        }
    }
}
