//! Sparse files: which bytes of a file are in the archive.

use crate::raw::{Block, Fault, number};

/// A run of stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// The map of one file, checked: segments in order, apart, within the size.
#[derive(Debug)]
pub(crate) struct SparseMap {
    segments: Vec<Segment>,
    size: u64,
}

/// What comes at some position of a sparse file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    /// So many stored bytes.
    Data(u64),
    /// So many zeros that are not stored.
    Hole(u64),
    /// Nothing: the end of the file.
    End,
}

impl SparseMap {
    /// Checks a map against the size of the file and the bytes that are stored for it.
    pub(crate) fn new(segments: Vec<Segment>, size: u64, stored: u64) -> Result<Self, Fault> {
        let (mut end, mut total) = (0_u64, 0_u64);
        for segment in &segments {
            if segment.offset < end {
                return Err("its sparse segments overlap");
            }
            end = segment
                .offset
                .checked_add(segment.length)
                .filter(|&end| end <= size)
                .ok_or("a sparse segment lies behind its end")?;
            total += segment.length;
        }
        if total != stored {
            return Err("its sparse segments do not fit its stored size");
        }
        Ok(Self { segments, size })
    }

    /// The run at a position. `cursor` remembers where the last call looked; start with 0.
    pub(crate) fn run_at(&self, position: u64, cursor: &mut usize) -> Run {
        while let Some(segment) = self.segments.get(*cursor) {
            if position < segment.offset {
                return Run::Hole(segment.offset - position);
            }
            let end = segment.offset + segment.length;
            if position < end {
                return Run::Data(end - position);
            }
            *cursor += 1;
        }
        match self.size - position {
            0 => Run::End,
            rest => Run::Hole(rest),
        }
    }
}

/// Old GNU: where the map lies in a header block (4 pairs), and in an extension block (21 pairs).
pub(crate) enum OldGnu {
    Header,
    Extension,
}

impl OldGnu {
    /// Appends a block's pairs to `map`; whether another extension block follows.
    pub(crate) fn read(&self, block: &Block, map: &mut Vec<Segment>) -> Result<bool, Fault> {
        let (start, pairs) = match self {
            Self::Header => (386, 4),
            Self::Extension => (0, 21),
        };
        let more = start + pairs * 24;
        for pair in block[start..more].chunks_exact(24) {
            // An empty pair ends the map.
            let (Some(offset), Some(length)) = (number(&pair[..12])?, number(&pair[12..])?) else {
                break;
            };
            let unsigned = |value| u64::try_from(value).map_err(|_| "a sparse number is negative");
            map.push(Segment { offset: unsigned(offset)?, length: unsigned(length)? });
        }
        Ok(block[more] != 0)
    }
}

/// Old GNU: the size of the file with its holes.
pub(crate) fn old_gnu_size(block: &Block) -> Result<u64, Fault> {
    let size = number(&block[483..495])?.unwrap_or(0);
    u64::try_from(size).map_err(|_| "its size is negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(u64, u64)], size: u64, stored: u64) -> Result<SparseMap, Fault> {
        let segments = pairs.iter().map(|&(offset, length)| Segment { offset, length }).collect();
        SparseMap::new(segments, size, stored)
    }

    #[test]
    fn walks_runs() {
        let map = map(&[(0, 0), (10, 5), (15, 5), (30, 0)], 40, 10).unwrap();
        let (mut cursor, mut position, mut runs) = (0, 0, Vec::new());
        loop {
            let run = map.run_at(position, &mut cursor);
            runs.push(run);
            match run {
                Run::Data(length) | Run::Hole(length) => position += length,
                Run::End => break,
            }
        }
        let expected =
            [Run::Hole(10), Run::Data(5), Run::Data(5), Run::Hole(10), Run::Hole(10), Run::End];
        assert_eq!(runs, expected);
    }

    #[test]
    fn refuses_lies() {
        assert!(map(&[(0, 5), (4, 5)], 10, 10).is_err());
        assert!(map(&[(8, 5)], 10, 5).is_err());
        assert!(map(&[(u64::MAX, 2)], u64::MAX, 2).is_err());
        assert!(map(&[(0, 5)], 10, 6).is_err());
        assert!(map(&[(0, 5)], 10, 4).is_err());
    }
}
