//! What somebody who reads slowly has not read yet and memory is too dear for: in a file without a name, which goes with its descriptor.

use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate};
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What such a file may cost.
const LIMIT_BYTES: u64 = 256 << 20;
/// What has been taken is given back to the disk in pieces of this.
const FREED_BYTES: u64 = 4 << 20;
/// What is taken from it at once.
pub(super) const BLOCK_BYTES: usize = 64 * 1024;

/// A queue of bytes on the disk.
#[derive(Debug)]
pub(super) struct Spill {
    file: File,
    /// Everything before costs no room any more.
    freed: u64,
    /// Everything before has been taken.
    taken: u64,
    end: u64,
}

impl Spill {
    /// An empty one in this folder, whose file system must be able to make files without names.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(Self { file: file.into(), freed: 0, taken: 0, end: 0 })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.taken == self.end
    }

    pub(super) fn is_full(&self) -> bool {
        self.end - self.freed >= LIMIT_BYTES
    }

    /// Puts both pieces at the end.
    pub(super) fn put(&mut self, pieces: [&[u8]; 2]) -> io::Result<()> {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        let slices = pieces.map(IoSlice::new);
        let written = loop {
            match rustix::io::pwritev(&self.file, &slices, self.end) {
                Err(rustix::io::Errno::INTR) => {}
                result => break result?,
            }
        };
        self.end += written as u64;
        if written < length {
            // A disk that is full takes a part first.
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(())
    }

    /// Takes the next bytes, as many as `buffer` holds and there are. What has been taken soon costs no room any more, for the
    /// queue of somebody who is always a little behind is never empty.
    pub(super) fn take(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.taken).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        self.file.read_exact_at(&mut buffer[..length], self.taken)?;
        self.taken += length as u64;
        if self.is_empty() {
            self.file.set_len(0)?;
            (self.freed, self.taken, self.end) = (0, 0, 0);
        } else if self.taken - self.freed >= FREED_BYTES {
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            // Where there are no holes, all is freed when the queue is empty: a full one is waited for until then.
            if fallocate(&self.file, hole, self.freed, self.taken - self.freed).is_ok() {
                self.freed = self.taken;
            }
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn what_was_put_is_taken_in_its_order() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut spill = Spill::open(folder.path()).unwrap();
        for _ in 0..2 {
            spill.put([b"head", b"body"]).unwrap();
            spill.put([b"", b"more"]).unwrap();
            let mut buffer = [0; 5];
            let mut all = Vec::new();
            while !spill.is_empty() {
                let length = spill.take(&mut buffer).unwrap();
                all.extend_from_slice(&buffer[..length]);
            }
            assert_eq!(all, b"headbodymore");
            assert_eq!(spill.file.metadata().unwrap().len(), 0);
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "it has no name");
    }

    #[test]
    fn it_is_full_at_its_limit() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut spill = Spill::open(folder.path()).unwrap();
        spill.file.set_len(LIMIT_BYTES).unwrap();
        spill.end = LIMIT_BYTES - 1;
        assert!(!spill.is_full());
        spill.put([b"x", b""]).unwrap();
        assert!(spill.is_full());
        let mut buffer = vec![0; usize::try_from(FREED_BYTES).unwrap()];
        assert_eq!(spill.take(&mut buffer).unwrap(), buffer.len());
        assert!(!spill.is_full());
    }

    #[test]
    fn what_was_taken_costs_nothing_though_the_queue_is_never_empty() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut spill = Spill::open(folder.path()).unwrap();
        let (block, mut buffer) = (vec![b'x'; BLOCK_BYTES], vec![0; BLOCK_BYTES]);
        spill.put([b"behind", b""]).unwrap();
        for _ in 0..8 * FREED_BYTES / BLOCK_BYTES as u64 {
            spill.put([&block, b""]).unwrap();
            assert_eq!(spill.take(&mut buffer).unwrap(), BLOCK_BYTES);
            let cost = spill.file.metadata().unwrap().blocks() * 512;
            assert!(cost <= 2 * FREED_BYTES, "{cost} bytes");
        }
        let mut rest = [0; 6];
        assert_eq!(spill.take(&mut rest).unwrap(), 6);
        assert!(spill.is_empty() && rest == *b"xxxxxx");
    }
}
