//! Compression around an archive, recognised by its first bytes; media types are not asked.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

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

const BZIP2: &str = "bzip2";
const XZ: &str = "xz";

/// The most memory that an xz stream may ask for: what `xz -9` needs to be read, twice.
const XZ_MEMORY: u64 = 130 << 20;

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
                Err(Error::Compression { name: BZIP2 })
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0x00, ..] => Err(Error::Compression { name: XZ }),
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

/// Takes the compression off a stream that layers may have: gzip, zstd, or none.
///
/// # Errors
/// The first bytes cannot be read, or belong to a compression that is not supported.
pub fn decompress<'a>(reader: impl Read + Send + 'a, limits: &Limits) -> Result<Decompressor<'a>> {
    let (start, whole) = begin(reader)?;
    let compression = Compression::of(&start)?;
    take_off(whole, limits, |buffered| {
        let inner: Box<dyn Read + Send + 'a> = match compression {
            Compression::Plain => Box::new(buffered),
            Compression::Gzip => Box::new(MultiGzDecoder::new(buffered)),
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(buffered).map_err(Error::read)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(Error::read)?;
                Box::new(decoder)
            }
        };
        Ok((inner, compression))
    })
}

/// The same for what people give, who compress with bzip2 and xz as well; what it says of its compression then is that of a layer
/// that is made of it: none.
///
/// # Errors
/// As [`decompress`].
pub fn decompress_any<'a>(
    reader: impl Read + Send + 'a,
    limits: &Limits,
) -> Result<Decompressor<'a>> {
    let (start, whole) = begin(reader)?;
    let Err(Error::Compression { name: name @ (BZIP2 | XZ) }) = Compression::of(&start) else {
        return decompress(whole, limits);
    };
    take_off(whole, limits, |buffered| {
        let inner: Box<dyn Read + Send + 'a> = if name == BZIP2 {
            Box::new(MultiBzDecoder::new(buffered))
        } else {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED);
            let stream = stream.map_err(|error| Error::read(error.into()))?;
            Box::new(XzDecoder::new_stream(buffered, stream))
        };
        Ok((inner, Compression::Plain))
    })
}

/// What people give as the archive of a layer, as one that a layer may be: bzip2 and xz, which layers do not have, are taken off,
/// and everything else stays as it is.
///
/// # Errors
/// As [`decompress_any`].
pub fn as_layer<'a>(
    reader: impl Read + Send + 'a,
    limits: &Limits,
) -> Result<Box<dyn Read + Send + 'a>> {
    let (start, whole) = begin(reader)?;
    match Compression::of(&start) {
        Err(Error::Compression { name: BZIP2 | XZ }) => {
            Ok(Box::new(decompress_any(whole, limits)?))
        }
        _ => Ok(Box::new(whole)),
    }
}

/// The first bytes of a stream, and all of it.
fn begin<'a>(mut reader: impl Read + Send + 'a) -> Result<(Vec<u8>, impl Read + Send + 'a)> {
    let mut start = Vec::with_capacity(MAGIC_BYTES);
    reader.by_ref().take(MAGIC_BYTES as u64).read_to_end(&mut start).map_err(Error::read)?;
    Ok((start.clone(), Cursor::new(start).chain(reader)))
}

type Input<'a> = BufReader<Counted<Box<dyn Read + Send + 'a>>>;

fn take_off<'a>(
    whole: impl Read + Send + 'a,
    limits: &Limits,
    decoder: impl FnOnce(Input<'a>) -> Result<(Box<dyn Read + Send + 'a>, Compression)>,
) -> Result<Decompressor<'a>> {
    let compressed = Arc::new(AtomicU64::new(0));
    let whole: Box<dyn Read + Send + 'a> = Box::new(whole);
    let counted = Counted { inner: whole, count: Arc::clone(&compressed) };
    let (inner, compression) = decoder(BufReader::with_capacity(INPUT_BYTES, counted))?;
    Ok(Decompressor {
        compression,
        inner,
        compressed,
        plain: 0,
        ratio: limits.compression_ratio,
        free_bytes: limits.ratio_free_bytes,
    })
}

/// Whether a file is a tar archive, plain or compressed; only its beginning is looked at, and where others read it stays. Archives
/// from before the mark `ustar` are none.
///
/// # Errors
/// The file cannot be read.
pub fn is_archive(file: &File) -> Result<bool> {
    const BLOCK: usize = 512;
    let beginning = At { file, offset: 0 };
    // What only looks compressed is no archive.
    let Ok(plain) = decompress_any(beginning, &Limits::default()) else { return Ok(false) };
    let mut block = Vec::with_capacity(BLOCK);
    match plain.take(BLOCK as u64).read_to_end(&mut block) {
        Ok(_) => Ok(block.get(257..262) == Some(b"ustar")),
        Err(error) if error.raw_os_error().is_some() => Err(Error::read(error)),
        // It only looks compressed.
        Err(_) => Ok(false),
    }
}

/// Reads a file from a place of its own.
struct At<'f> {
    file: &'f File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
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
