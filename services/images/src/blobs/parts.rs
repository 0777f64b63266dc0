//! A blob that several threads write at once, each a part of it: what is there is kept in a record beside the file, so
//! that a later transfer goes on with all of it.
//!
//! Followers see the bytes up to the first gap. The record tells of whole parts only; a power cut can make it tell of
//! bytes that were never written, and then the digest at the end does not fit and all is fetched anew.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::writer::{BlobWriter, Foundation};
use crate::{Error, Result};

/// What one request asks for, in bytes.
const PART_BYTES: u64 = 8 << 20;

/// How much is hashed at once, in bytes.
const CHUNK: usize = 256 << 10;

/// See the head of this file.
#[derive(Debug)]
pub struct PartsWriter {
    base: Foundation,
    size_bytes: u64,
    record: Mutex<File>,
    parts: Mutex<Parts>,
    /// How much of the file the hash has.
    hashed: Mutex<Hashed>,
}

#[derive(Debug)]
struct Hashed {
    hasher: super::Hasher,
    bytes: u64,
}

/// A part that one thread fetches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    start: u64,
    end: u64,
}

impl Part {
    /// Its place in the blob.
    pub fn range(&self) -> Range<u64> {
        self.start..self.end
    }

    /// As the record has it.
    fn line(&self) -> String {
        format!("{} {}\n", self.start, self.end)
    }
}

/// What is there and what is on its way, without holes between: by where it begins, with the end of what is written
/// and the end of the part.
#[derive(Debug)]
struct Parts {
    /// Everything before is written.
    front: u64,
    /// What is taken, written or not, is in here.
    taken: BTreeMap<u64, Taken>,
    /// Given back, to be taken again.
    returned: Vec<Part>,
}

#[derive(Debug)]
struct Taken {
    written: u64,
    end: u64,
}

impl BlobWriter {
    /// Goes on in parts. `size_bytes` is the length of the whole.
    pub fn into_parts(self, size_bytes: u64) -> Result<PartsWriter> {
        let (base, hasher, front, kept) = self.dismantle();
        let path = base.record_path();
        let fail = |source| Error::io("write", &path, source);
        let mut record = File::create(&path).map_err(fail)?;
        let mut text = format!("0 {front}\n");
        let mut taken = BTreeMap::new();
        for part in kept {
            text.push_str(&part.line());
            taken.insert(part.start, Taken { written: part.end, end: part.end });
        }
        record.write_all(text.as_bytes()).map_err(fail)?;
        let parts = Parts { front, taken, returned: Vec::new() };
        let hashed = Mutex::new(Hashed { hasher, bytes: front });
        let (record, parts) = (Mutex::new(record), Mutex::new(parts));
        Ok(PartsWriter { base, size_bytes, record, parts, hashed })
    }
}

impl PartsWriter {
    /// The next part that nobody has; the first ones first.
    pub fn next(&self) -> Option<Part> {
        let mut parts = lock(&self.parts);
        if let Some(part) = parts.returned.pop() {
            parts.taken.insert(part.start, Taken { written: part.start, end: part.end });
            return Some(part);
        }
        let part = parts.first_gap(self.size_bytes)?;
        parts.taken.insert(part.start, Taken { written: part.start, end: part.end });
        Some(part)
    }

    /// Writes the next bytes of a part, of which `at` are there.
    pub fn write(&self, part: &Part, at: u64, bytes: &[u8]) -> Result<()> {
        let fail = |source| Error::io("write", self.base.path(), source);
        self.base.file().write_all_at(bytes, part.start + at).map_err(fail)?;
        let mut parts = lock(&self.parts);
        if let Some(taken) = parts.taken.get_mut(&part.start) {
            taken.written = part.start + at + bytes.len() as u64;
        }
        let before = parts.front;
        parts.advance();
        self.base.tell(parts.front - before);
        drop(parts);
        self.hash_along(false).map_err(fail)
    }

    /// A part is there.
    pub fn done(&self, part: &Part) -> Result<()> {
        lock(&self.record)
            .write_all(part.line().as_bytes())
            .map_err(|source| Error::io("write", &self.base.record_path(), source))
    }

    /// Somebody else has to fetch a part.
    pub fn give_back(&self, part: &Part) {
        let mut parts = lock(&self.parts);
        // What was written of it and has been told stays told.
        let front = parts.front;
        parts.taken.remove(&part.start);
        let start = part.start.max(front.min(part.end));
        if start > part.start {
            parts.taken.insert(part.start, Taken { written: start, end: start });
        }
        parts.returned.push(Part { start, end: part.end });
    }

    /// How much is written, in bytes, with or without gaps before it.
    pub fn written_bytes(&self) -> u64 {
        let parts = lock(&self.parts);
        let beyond = parts.taken.iter().filter(|(start, _)| **start >= parts.front);
        parts.front + beyond.map(|(start, taken)| taken.written - start).sum::<u64>()
    }

    /// Leaves nothing for a later transfer: what came in is not what it should be.
    pub fn discard(self) -> Result<()> {
        self.into_writer().map(BlobWriter::discard)
    }

    /// A writer that goes on at the first gap, one byte after the other. What comes after that is given up.
    pub fn into_writer(self) -> Result<BlobWriter> {
        self.hash_along(true).map_err(|source| Error::io("read", self.base.path(), source))?;
        let front = lock(&self.parts).front;
        let hashed = self.hashed.into_inner().unwrap_or_else(PoisonError::into_inner);
        BlobWriter::assemble(self.base, hashed.hasher, front)
    }

    /// Hashes what is there. Unless it `must`, it leaves that to another thread that is doing it.
    fn hash_along(&self, must: bool) -> io::Result<()> {
        let mut hashed = match self.hashed.try_lock() {
            Ok(hashed) => hashed,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if must => lock(&self.hashed),
            Err(TryLockError::WouldBlock) => return Ok(()),
        };
        let mut chunk = vec![0; CHUNK];
        loop {
            let front = lock(&self.parts).front;
            let count = usize::try_from(front - hashed.bytes).unwrap_or(CHUNK).min(CHUNK);
            if count == 0 {
                return Ok(());
            }
            self.base.file().read_exact_at(&mut chunk[..count], hashed.bytes)?;
            hashed.hasher.update(&chunk[..count]);
            hashed.bytes += count as u64;
        }
    }
}

impl Parts {
    /// The first bytes that nobody has, as many as make a part.
    fn first_gap(&self, size_bytes: u64) -> Option<Part> {
        let mut start = self.front;
        for (begin, taken) in &self.taken {
            if *begin > start {
                break;
            }
            start = start.max(taken.end);
        }
        let next = self.taken.range(start..).next().map_or(size_bytes, |(begin, _)| *begin);
        let end = next.min(start + PART_BYTES).min(size_bytes);
        (start < end).then_some(Part { start, end })
    }

    fn advance(&mut self) {
        for (start, taken) in &self.taken {
            if *start > self.front {
                break;
            }
            self.front = self.front.max(taken.written);
            if taken.written < taken.end {
                break;
            }
        }
        let front = self.front;
        self.taken.retain(|_, taken| taken.end > front);
    }
}

/// What a record tells of a file of that length: how much is there from the beginning on, and what beyond that.
pub(super) fn read_record(path: &Path, length: u64) -> Option<(u64, Vec<Part>)> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut known: Vec<Part> = text
        .lines()
        .filter_map(|line| {
            let (start, end) = line.split_once(' ')?;
            Some(Part { start: start.parse().ok()?, end: end.parse().ok()? })
        })
        .filter(|part| part.start < part.end && part.end <= length)
        .collect();
    known.sort_by_key(|part| part.start);
    let (mut front, mut beyond): (u64, Vec<Part>) = (0, Vec::new());
    for part in known {
        if part.start <= front {
            front = front.max(part.end);
        } else if beyond.last().is_none_or(|last| last.end <= part.start) {
            beyond.push(part);
        }
    }
    Some((front, beyond))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(front: u64, taken: &[(u64, u64, u64)]) -> Parts {
        let taken = taken.iter().map(|&(start, written, end)| (start, Taken { written, end }));
        Parts { front, taken: taken.collect(), returned: Vec::new() }
    }

    #[test]
    fn gaps() {
        let gap = |parts: Parts, size| parts.first_gap(size).map(|part| (part.start, part.end));
        assert_eq!(gap(parts(0, &[]), 10), Some((0, 10)));
        assert_eq!(gap(parts(5, &[]), 100 << 20), Some((5, 5 + PART_BYTES)));
        assert_eq!(gap(parts(5, &[(5, 5, 8), (8, 9, 20)]), 30), Some((20, 30)));
        assert_eq!(gap(parts(5, &[(5, 5, 8), (12, 20, 20)]), 30), Some((8, 12)));
        assert_eq!(gap(parts(30, &[]), 30), None);
        assert_eq!(gap(parts(5, &[(5, 6, 30)]), 30), None);
    }

    #[test]
    fn the_front_stops_at_what_is_not_written() {
        let mut some = parts(0, &[(0, 4, 4), (4, 6, 8), (8, 12, 12)]);
        some.advance();
        assert_eq!((some.front, some.taken.len()), (6, 2));
        some.taken.get_mut(&4).unwrap().written = 8;
        some.advance();
        assert_eq!((some.front, some.taken.len()), (12, 0));
    }

    #[test]
    fn records() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        assert_eq!(read_record(&path, 100), None);
        std::fs::write(&path, "0 10\n20 30\nnonsense\n10 15\n40 50\n45 48\n60 200\n7 3\n50 6")
            .unwrap();
        let part = |start, end| Part { start, end };
        assert_eq!(read_record(&path, 100), Some((15, vec![part(20, 30), part(40, 50)])));
        assert_eq!(read_record(&path, 5), Some((0, vec![])));
    }
}
