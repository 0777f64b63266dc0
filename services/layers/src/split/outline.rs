//! How a split is written: what is in the archive only, byte for byte, and where in the layer's image, or in which of its
//! files, the rest is; both in the archive's order, so that neither has to be in memory.
//!
//! Sixteen bytes of head (a mark, and the archive's length), then one frame of zstd with a checksum. In it records: a
//! byte that says which, and little endian numbers.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;

use zstd::stream::{read::Decoder, write::Encoder};

/// What a split begins with; the last byte is the form's version.
const MARK: &[u8; 8] = b"gsplit\0\x02";
/// That of the form before, which knew no files.
const EARLIER_MARK: &[u8; 8] = b"gsplit\0\x01";
const HEAD_BYTES: usize = 16;

const END: u8 = 0;
const LITERAL: u8 = 1;
const DATA: u8 = 2;
const FILE: u8 = 3;

/// The longest path of a file.
const MOST_PATH: usize = 64 << 10;

/// Bytes in one literal at most.
pub(crate) const MOST_LITERAL: usize = 64 << 10;

/// Headers of neighbours differ in a few digits: the fastest level finds that, too.
const LEVEL: i32 = 1;

/// Frames that want a larger window to be read are none of ours: the level's own is smaller (2^this bytes).
const MOST_WINDOW_LOG: u32 = 21;

/// The next part of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// So many bytes follow in the split.
    Literal(usize),
    /// A path of so many bytes follows in the split: data comes from that file of the layer's from here on.
    File(usize),
    /// They are in the image, or in the file that was named last.
    Data { image_at: u64, length: u64 },
    /// That was all of it.
    End,
}

/// A split that is being written.
pub(crate) struct Outline {
    encoder: Encoder<'static, BufWriter<File>>,
    length: u64,
    told: u64,
}

impl Outline {
    /// Begins one for an archive of that length.
    pub(crate) fn new(mut file: File, length: u64) -> io::Result<Self> {
        file.write_all(MARK)?;
        file.write_all(&length.to_le_bytes())?;
        let mut encoder = Encoder::new(BufWriter::new(file), LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self { encoder, length, told: 0 })
    }

    /// The archive's length.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Up to which byte of the archive everything has been told.
    pub(super) fn told(&self) -> u64 {
        self.told
    }

    /// [`MOST_LITERAL`] bytes at most.
    pub(crate) fn literal(&mut self, bytes: &[u8]) -> io::Result<()> {
        let count = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.encoder.write_all(&[LITERAL])?;
        self.encoder.write_all(&count.to_le_bytes())?;
        self.encoder.write_all(bytes)?;
        self.told += bytes.len() as u64;
        Ok(())
    }

    /// Names the file of the layer's that data comes from.
    pub(crate) fn file(&mut self, path: &[u8]) -> io::Result<()> {
        let count = u32::try_from(path.len()).map_err(io::Error::other)?;
        self.encoder.write_all(&[FILE])?;
        self.encoder.write_all(&count.to_le_bytes())?;
        self.encoder.write_all(path)
    }

    pub(crate) fn data(&mut self, image_at: u64, length: u64) -> io::Result<()> {
        self.encoder.write_all(&[DATA])?;
        self.encoder.write_all(&image_at.to_le_bytes())?;
        self.encoder.write_all(&length.to_le_bytes())?;
        self.told += length;
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<()> {
        self.end().map(drop)
    }

    /// Ends one of an archive whose length nobody knew at its beginning: it has what was told.
    pub(crate) fn finish_told(self) -> io::Result<()> {
        let told = self.told;
        self.end()?.write_all_at(&told.to_le_bytes(), MARK.len() as u64)
    }

    fn end(mut self) -> io::Result<File> {
        self.encoder.write_all(&[END])?;
        self.encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

/// The length of a split's archive.
pub(super) fn length(split: &File) -> io::Result<u64> {
    let mut head = [0; HEAD_BYTES];
    split.read_exact_at(&mut head, 0)?;
    let (mark, length) = head.split_at(MARK.len());
    let length = <[u8; 8]>::try_from(length).map_err(io::Error::other)?;
    if mark != MARK && mark != EARLIER_MARK {
        return Err(damaged("it has no head"));
    }
    Ok(u64::from_le_bytes(length))
}

/// A split that is being read.
pub(super) struct Parts {
    decoder: Decoder<'static, BufReader<File>>,
}

impl Parts {
    pub(super) fn new(mut split: File) -> io::Result<Self> {
        let mut head = [0; HEAD_BYTES];
        split.read_exact(&mut head)?;
        let mut decoder = Decoder::new(split)?;
        decoder.window_log_max(MOST_WINDOW_LOG)?;
        Ok(Self { decoder })
    }

    pub(super) fn next(&mut self) -> io::Result<Part> {
        let mut kind = [0];
        self.decoder.read_exact(&mut kind)?;
        match kind[0] {
            LITERAL | FILE => {
                let mut count = [0; 4];
                self.decoder.read_exact(&mut count)?;
                match usize::try_from(u32::from_le_bytes(count)) {
                    Ok(count) if kind[0] == LITERAL && count <= MOST_LITERAL => {
                        Ok(Part::Literal(count))
                    }
                    Ok(count) if kind[0] == FILE && count <= MOST_PATH => Ok(Part::File(count)),
                    _ => Err(damaged("a part of it is too long")),
                }
            }
            DATA => {
                let (mut image_at, mut length) = ([0; 8], [0; 8]);
                self.decoder.read_exact(&mut image_at)?;
                self.decoder.read_exact(&mut length)?;
                let (image_at, length) = (u64::from_le_bytes(image_at), u64::from_le_bytes(length));
                Ok(Part::Data { image_at, length })
            }
            // The frame's checksum is compared at its end.
            END if self.decoder.read(&mut [0])? == 0 => Ok(Part::End),
            _ => Err(damaged("a part of it is unknown")),
        }
    }

    /// Bytes of the literal, or the path, at hand.
    pub(super) fn literal(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.decoder.read_exact(bytes)
    }
}

pub(super) fn damaged(fault: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault)
}
