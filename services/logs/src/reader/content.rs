//! The bytes of one file of a log, plain or compressed. What they mean is told in `lines` and `blocks`.

use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// An open file.
#[derive(Debug)]
pub(super) enum Content {
    Plain(File),
    /// Read forward only.
    Compressed(Box<MultiGzDecoder<BufReader<File>>>),
}

impl Content {
    /// `None`: it is not there.
    pub(super) fn open(path: &Path, compressed: bool) -> io::Result<Option<Self>> {
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let opened = std::fs::OpenOptions::new().read(true).custom_flags(no_follow).open(path);
        match opened {
            Ok(file) if compressed => Ok(Some(Self::compressed(file))),
            Ok(file) => Ok(Some(Self::Plain(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn compressed(file: File) -> Self {
        Self::Compressed(Box::new(MultiGzDecoder::new(BufReader::new(file))))
    }

    pub(super) fn file(&self) -> &File {
        match self {
            Self::Plain(file) => file,
            Self::Compressed(decoder) => decoder.get_ref().get_ref(),
        }
    }

    /// The next bytes behind `offset`, which is where the last call ended. What of a compressed file is damaged is its end.
    pub(super) fn read(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read_at(buffer, offset),
            Self::Compressed(decoder) => match decoder.read(buffer) {
                Err(error) if is_damage(&error) => Ok(0),
                result => result,
            },
        }
    }

    /// Begins again, at `offset`.
    pub(super) fn rewind_to(&mut self, offset: u64) -> io::Result<()> {
        if let Self::Compressed(decoder) = self {
            let mut file = decoder.get_ref().get_ref().try_clone()?;
            file.rewind()?;
            *self = Self::compressed(file);
            let mut skipped = 0;
            let mut block = vec![0; 64 << 10];
            while skipped < offset {
                let most = usize::try_from(offset - skipped).unwrap_or(usize::MAX);
                let most = block.len().min(most);
                match self.read(&mut block[..most], 0)? {
                    0 => break,
                    length => skipped += length as u64,
                }
            }
        }
        Ok(())
    }
}

fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof
    )
}
