//! The stream below a reader: buffered, counted, limited.

use std::io::{BufRead, BufReader, Read};

use crate::raw::{BLOCK, Block};
use crate::{Error, Result};

/// Bytes read at once.
const BUFFER_BYTES: usize = 128 << 10;

#[derive(Debug)]
pub(super) struct Source<R> {
    inner: BufReader<R>,
    offset: u64,
    limit: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R, limit: u64) -> Self {
        Self { inner: BufReader::with_capacity(BUFFER_BYTES, inner), offset: 0, limit }
    }

    /// How many bytes were taken.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn truncated(&self) -> Error {
        Error::Truncated { offset: self.offset }
    }

    pub(super) fn into_inner(self) -> R {
        self.inner.into_inner()
    }

    fn advance(&mut self, bytes: usize) -> Result<()> {
        self.offset += bytes as u64;
        if self.offset > self.limit {
            return Err(Error::Limit { limit: self.limit, what: "bytes" });
        }
        Ok(())
    }

    /// One block, or `None` when the stream ends here.
    pub(super) fn block(&mut self) -> Result<Option<Block>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.read(&mut block[filled..])? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(self.truncated()),
                count => filled += count,
            }
        }
        Ok(Some(block))
    }

    /// Some bytes; 0 only at the end of the stream.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.inner.read(buffer) {
                Ok(count) => {
                    self.advance(count)?;
                    return Ok(count);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::read(error)),
            }
        }
    }

    /// `size` bytes, and then on to the next block. The caller has limited `size`.
    pub(super) fn padded(&mut self, size: usize) -> Result<Vec<u8>> {
        // It grows with what really comes, not with what a header announces.
        let mut bytes = Vec::new();
        let count =
            self.inner.by_ref().take(size as u64).read_to_end(&mut bytes).map_err(Error::read)?;
        self.advance(count)?;
        if count < size {
            return Err(self.truncated());
        }
        self.skip(padding(size as u64))?;
        Ok(bytes)
    }

    /// Lends what is in the buffer, `limit` bytes at most, and passes over it; how much that was. 0 only at the end
    /// of the stream.
    pub(super) fn lend(
        &mut self,
        limit: u64,
        receive: impl FnOnce(&[u8]) -> Result<()>,
    ) -> Result<usize> {
        let count = loop {
            match self.inner.fill_buf() {
                Ok(bytes) => {
                    let count =
                        usize::try_from(limit).map_or(bytes.len(), |limit| bytes.len().min(limit));
                    receive(&bytes[..count])?;
                    break count;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::read(error)),
            }
        };
        self.inner.consume(count);
        self.advance(count)?;
        Ok(count)
    }

    /// Passes over so many bytes.
    pub(super) fn skip(&mut self, mut bytes: u64) -> Result<()> {
        while bytes > 0 {
            let available = match self.inner.fill_buf() {
                Ok(buffer) => buffer.len(),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::read(error)),
            };
            if available == 0 {
                return Err(self.truncated());
            }
            let count = usize::try_from(bytes).map_or(available, |bytes| available.min(bytes));
            self.inner.consume(count);
            self.advance(count)?;
            bytes -= count as u64;
        }
        Ok(())
    }

    /// Passes over everything that is left.
    pub(super) fn drain(&mut self) -> Result<()> {
        loop {
            let available = match self.inner.fill_buf() {
                Ok(buffer) => buffer.len(),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::read(error)),
            };
            if available == 0 {
                return Ok(());
            }
            self.inner.consume(available);
            self.advance(available)?;
        }
    }
}

/// Bytes from the end of data of that size to the next block.
pub(super) fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}
