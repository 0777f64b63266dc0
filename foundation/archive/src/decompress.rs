//! Compression around an archive, recognised by its first bytes; media types are not asked.

use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use crate::{Error, Limits, Result};

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// Gzip (RFC 1952), one member or several.
    Gzip,
    /// Zstandard (RFC 8878), one frame or several.
    Zstd,
}

/// Bytes that are enough to tell.
const MAGIC_BYTES: usize = 6;

/// Compressed bytes read at once.
const INPUT_BYTES: usize = 128 << 10;

/// The largest window that a zstd frame may ask for: 2^27 bytes, what `zstd -d` takes by default.
const ZSTD_WINDOW_LOG: u32 = 27;

impl Compression {
    /// What these first bytes of a stream are. Empty input is plain.
    ///
    /// # Errors
    /// [`Error::Compression`] for formats that are known by name only.
    pub fn of(start: &[u8]) -> Result<Self> {
        match start {
            [0x1f, 0x8b, 0x08, ..] => Ok(Self::Gzip),
            // A frame, or a skippable frame in front of one.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => {
                Err(Error::Compression { name: "bzip2" })
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0x00, ..] => Err(Error::Compression { name: "xz" }),
            [0x04, 0x22, 0x4d, 0x18, ..] => Err(Error::Compression { name: "lz4" }),
            _ => Ok(Self::Plain),
        }
    }
}

/// A stream with its compression taken off. Reading fails with an [`Error::Limit`] inside the
/// [`io::Error`] when it is a bomb.
pub struct Decompressor<'a> {
    compression: Compression,
    inner: Box<dyn Read + Send + 'a>,
    compressed: Arc<AtomicU64>,
    plain: u64,
    ratio: u64,
    free_bytes: u64,
}

/// Takes the compression off a stream: gzip, zstd, or none.
///
/// # Errors
/// The first bytes cannot be read, or belong to a compression that is not supported.
pub fn decompress<'a>(
    mut reader: impl Read + Send + 'a,
    limits: &Limits,
) -> Result<Decompressor<'a>> {
    let mut start = Vec::with_capacity(MAGIC_BYTES);
    reader.by_ref().take(MAGIC_BYTES as u64).read_to_end(&mut start).map_err(Error::read)?;
    let compression = Compression::of(&start)?;
    let compressed = Arc::new(AtomicU64::new(0));
    let whole = Cursor::new(start).chain(reader);
    let counted = Counted { inner: whole, count: Arc::clone(&compressed) };
    let buffered = BufReader::with_capacity(INPUT_BYTES, counted);
    let inner: Box<dyn Read + Send + 'a> = match compression {
        Compression::Plain => Box::new(buffered),
        Compression::Gzip => Box::new(MultiGzDecoder::new(buffered)),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(buffered).map_err(Error::read)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(Error::read)?;
            Box::new(decoder)
        }
    };
    Ok(Decompressor {
        compression,
        inner,
        compressed,
        plain: 0,
        ratio: limits.compression_ratio,
        free_bytes: limits.ratio_free_bytes,
    })
}

impl Decompressor<'_> {
    /// What was taken off.
    pub fn compression(&self) -> Compression {
        self.compression
    }
}

impl Read for Decompressor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.plain += count as u64;
        if self.plain > self.free_bytes {
            let allowed = self.compressed.load(Ordering::Relaxed).saturating_mul(self.ratio);
            if self.plain > allowed {
                let what = "uncompressed bytes for each compressed byte";
                return Err(Error::Limit { limit: self.ratio, what }.into());
            }
        }
        Ok(count)
    }
}

impl std::fmt::Debug for Decompressor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decompressor")
            .field("compression", &self.compression)
            .field("plain", &self.plain)
            .finish_non_exhaustive()
    }
}

/// Counts what the decoder takes in.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
