//! Writing large files past the page cache (`O_DIRECT`, open(2)), for as long as the disk keeps up: pages that were
//! never used cost a virtual machine more than the copy into them, and what nobody reads soon drives out of memory
//! what others do read.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// Memory, offsets and lengths of direct writes are multiples of this, in bytes: what every disk's blocks divide.
pub const ALIGNMENT: usize = 4096;

/// So much of a file goes through the cache in any case: small files are read again soon.
const CACHED_FIRST_BYTES: u64 = 8 << 20;

/// After so many bytes the disk is judged.
const TRIAL_BYTES: u64 = 8 << 20;

/// A disk that writes fewer bytes in a second than this would be waited for.
const WORTH_BYTES: u128 = 200 << 20;

/// Memory of a fixed size that direct writes can take.
pub struct AlignedBuffer {
    memory: Vec<u8>,
    start: usize,
    length: usize,
}

impl AlignedBuffer {
    /// An empty buffer for `capacity` bytes.
    pub fn new(capacity: usize) -> Self {
        let memory = vec![0; capacity + ALIGNMENT];
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self { memory, start, length: 0 }
    }

    /// How many bytes it can hold.
    pub fn capacity(&self) -> usize {
        self.memory.len() - ALIGNMENT
    }

    /// How many bytes fit behind those that are in it.
    pub fn room(&self) -> usize {
        self.capacity() - self.length
    }

    /// The bytes in it.
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.length]
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// Adds bytes.
    ///
    /// # Panics
    /// They do not fit.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.tail()[..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// Adds zeros.
    ///
    /// # Panics
    /// They do not fit.
    pub fn extend_zeros(&mut self, count: usize) {
        self.tail()[..count].fill(0);
        self.length += count;
    }

    /// Fills what room is left from `reader`; fewer bytes only at its end.
    pub fn fill(&mut self, reader: &mut dyn io::Read) -> io::Result<()> {
        while self.room() > 0 {
            match reader.read(self.tail()) {
                Ok(0) => break,
                Ok(count) => self.length += count.min(self.room()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn tail(&mut self) -> &mut [u8] {
        let end = self.start + self.capacity();
        &mut self.memory[self.start + self.length..end]
    }
}

impl fmt::Debug for AlignedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedBuffer").field("length", &self.length).finish_non_exhaustive()
    }
}

/// A file whose large pieces are written past the page cache where that is faster. The file's flags are its
/// description's: nobody else may write through one of its descriptors meanwhile.
#[derive(Debug)]
pub struct UncachedFile {
    file: File,
    written: u64,
    /// None when the cache is to be used from now on.
    trial: Option<Trial>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Trial {
    bytes: u64,
    took: Duration,
}

impl Trial {
    fn is_lost(self) -> bool {
        self.bytes >= TRIAL_BYTES
            && u128::from(self.bytes) * 1_000_000 < WORTH_BYTES * self.took.as_micros()
    }
}

impl UncachedFile {
    /// Takes a file that is open for writing.
    pub fn new(file: File) -> Self {
        Self { file, written: 0, trial: Some(Trial::default()) }
    }

    /// The file. What is read and written through it goes through the cache.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Writes all of it at its place. Pieces that are aligned to [`ALIGNMENT`] may go past the cache.
    pub fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let is_aligned = (bytes.as_ptr() as usize).is_multiple_of(ALIGNMENT)
            && bytes.len().is_multiple_of(ALIGNMENT)
            && offset.is_multiple_of(ALIGNMENT as u64);
        let written = if is_aligned && self.written >= CACHED_FIRST_BYTES {
            self.write_direct(bytes, offset)?
        } else {
            0
        };
        self.written += bytes.len() as u64;
        self.file.write_all_at(&bytes[written..], offset + written as u64)
    }

    /// How much of it was written; the cache takes the rest.
    fn write_direct(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let Some(mut trial) = self.trial else { return Ok(0) };
        let flags = fcntl_getfl(&self.file)?;
        if fcntl_setfl(&self.file, flags | OFlags::DIRECT).is_err() {
            // This file system has no such thing.
            self.trial = None;
            return Ok(0);
        }
        let (begin, waited) = (Instant::now(), waited_for_processor());
        let result = self.file.write_at(bytes, offset);
        // On a busy machine, a thread waits for its turn longer than for the disk.
        let busy = waited_for_processor().saturating_sub(waited);
        trial.took += begin.elapsed().saturating_sub(busy);
        fcntl_setfl(&self.file, flags)?;
        let count = match result {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(0),
            // It takes other sizes only.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.trial = None;
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        trial.bytes += count as u64;
        self.trial = (!trial.is_lost()).then_some(trial);
        Ok(count)
    }
}

/// How long this thread has been ready to run and did not, ever; zero where the kernel does not count it
/// (`Documentation/scheduler/sched-stats.rst`).
fn waited_for_processor() -> Duration {
    let Ok(text) = std::fs::read_to_string("/proc/thread-self/schedstat") else {
        return Duration::ZERO;
    };
    let nanos = text.split_ascii_whitespace().nth(1).and_then(|nanos| nanos.parse().ok());
    nanos.map_or(Duration::ZERO, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(size: usize, seed: usize) -> Vec<u8> {
        (0..size).map(|at| u8::try_from((at * 31 + at / 4096 + seed) % 251).unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_there_whichever_way_it_went() {
        let file = tempfile::tempfile().unwrap();
        let mut written = UncachedFile::new(file.try_clone().unwrap());
        let mut expected = Vec::new();
        for piece in 0..20 {
            // Every third piece is not aligned.
            let size = if piece % 3 == 0 { (1 << 20) - 4096 + 7 } else { 1 << 20 };
            let bytes = pattern(size, piece);
            let mut buffer = AlignedBuffer::new(1 << 20);
            buffer.extend(&bytes);
            written.write_all_at(buffer.bytes(), expected.len() as u64).unwrap();
            expected.extend(bytes);
            let gap = expected.len().next_multiple_of(ALIGNMENT);
            expected.resize(gap, 0);
        }
        file.set_len(expected.len() as u64).unwrap();
        let mut found = vec![0; expected.len()];
        file.read_exact_at(&mut found, 0).unwrap();
        assert!(found == expected);
    }

    #[test]
    fn a_slow_disk_is_told_by_its_time() {
        let trial = |bytes, millis| Trial { bytes, took: Duration::from_millis(millis) };
        assert!(!trial(8 << 20, 30).is_lost());
        assert!(trial(8 << 20, 60).is_lost());
        assert!(!trial(1 << 20, 4_000).is_lost(), "too few to tell");
    }

    #[test]
    fn a_buffer_is_aligned_and_takes_what_a_reader_has() {
        let mut buffer = AlignedBuffer::new(10_000);
        assert_eq!(buffer.bytes().as_ptr() as usize % ALIGNMENT, 0);
        let content = pattern(12_000, 1);
        let mut reader = &content[..];
        buffer.fill(&mut reader).unwrap();
        assert_eq!((buffer.bytes(), buffer.room()), (&content[..10_000], 0));
        buffer.clear();
        buffer.fill(&mut reader).unwrap();
        buffer.extend_zeros(3);
        assert_eq!(buffer.bytes()[..2_000], content[10_000..]);
        assert_eq!(buffer.bytes()[2_000..], [0, 0, 0]);
    }
}
