//! An archive put together again: what is beside the layer's files, and what is in them.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use gantry_erofs::Image;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::outline::{Part, Parts, damaged, length};

/// Where the data of a layer's files is.
pub(super) enum Source {
    /// In one image.
    Image(Image),
    /// In files below a directory; and the one that was named last, with its length.
    Directory(OwnedFd, Option<(File, u64)>),
}

impl Source {
    /// Bytes of what data comes from now.
    fn bytes(&self) -> u64 {
        match self {
            Self::Image(image) => image.bytes(),
            Self::Directory(_, current) => current.as_ref().map_or(0, |(_, length)| *length),
        }
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Image(image) => image.read(at, buffer).map_err(io::Error::other),
            Self::Directory(_, Some((file, _))) => file.read_exact_at(buffer, at),
            Self::Directory(_, None) => Err(damaged("its data is in no file")),
        }
    }

    /// Goes to a file.
    fn open(&mut self, path: &[u8]) -> io::Result<()> {
        let Self::Directory(directory, current) = self else {
            return Err(damaged("it names a file, and the layer is an image"));
        };
        // Looked at before it is opened: opening a device does things.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let within = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        let open = |flags| openat2(&*directory, path, flags, Mode::empty(), within);
        if !File::from(open(flags)?).metadata()?.is_file() {
            return Err(damaged("a file of its layer is none"));
        }
        let file = File::from(open(OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC)?);
        let length = file.metadata()?.len();
        *current = Some((file, length));
        Ok(())
    }
}

/// A layer's archive as it came in, read from the layer. Each byte is where it was; a damaged layer is an error, as far
/// as its form tells, and else another archive, which its digest tells.
pub struct Archive {
    parts: Parts,
    source: Source,
    part: Part,
    length: u64,
    read_bytes: u64,
}

impl Archive {
    pub(super) fn new(split: File, source: Source) -> io::Result<Self> {
        let length = length(&split)?;
        let parts = Parts::new(split)?;
        Ok(Self { parts, source, part: Part::Literal(0), length, read_bytes: 0 })
    }

    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Passes over its first bytes, before anything was read.
    ///
    /// # Errors
    /// There are not so many, or the layer is damaged.
    pub fn skip(&mut self, mut bytes: u64) -> io::Result<()> {
        let mut passed = [0; 4096];
        while bytes > 0 {
            if let Part::Data { image_at, length } = self.part {
                let count = length.min(bytes);
                self.part = Part::Data { image_at: image_at + count, length: length - count };
                self.read_bytes += count;
                bytes -= count;
                if self.part == (Part::Data { image_at: image_at + count, length: 0 }) {
                    self.part = Part::Literal(0);
                }
                continue;
            }
            let limit = usize::try_from(bytes).unwrap_or(passed.len()).min(passed.len());
            // At most to the end of what is literal, so that data is passed over and not read.
            match self.some(&mut passed[..limit], true)? {
                Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(count) => bytes -= count as u64,
                None => {}
            }
        }
        Ok(())
    }

    /// The next part, which is in the layer and no longer than what the archive still has.
    fn next_part(&mut self) -> io::Result<Part> {
        let mut part = self.parts.next()?;
        while let Part::File(count) = part {
            let mut path = vec![0; count];
            self.parts.literal(&mut path)?;
            self.source.open(&path)?;
            part = self.parts.next()?;
        }
        let left = self.length - self.read_bytes;
        let is_sound = match part {
            Part::End => left == 0,
            Part::Literal(count) => count as u64 <= left,
            Part::File(_) => false,
            Part::Data { image_at, length } => {
                length <= left
                    && image_at.checked_add(length).is_some_and(|end| end <= self.source.bytes())
            }
        };
        if is_sound { Ok(part) } else { Err(damaged("a part of it leads nowhere")) }
    }

    /// Some bytes, 0 only at the end. With `stops`, nothing where data begins.
    fn some(&mut self, buffer: &mut [u8], stops: bool) -> io::Result<Option<usize>> {
        loop {
            let count = match self.part {
                Part::End => return Ok(Some(0)),
                Part::Literal(0) | Part::File(_) | Part::Data { length: 0, .. } => {
                    self.part = self.next_part()?;
                    if stops && matches!(self.part, Part::Data { .. }) {
                        return Ok(None);
                    }
                    continue;
                }
                Part::Literal(left) => {
                    let count = left.min(buffer.len());
                    self.parts.literal(&mut buffer[..count])?;
                    self.part = Part::Literal(left - count);
                    count
                }
                Part::Data { image_at, length } => {
                    let count =
                        usize::try_from(length).map_or(buffer.len(), |left| left.min(buffer.len()));
                    self.source.read(image_at, &mut buffer[..count])?;
                    let (image_at, length) = (image_at + count as u64, length - count as u64);
                    self.part = Part::Data { image_at, length };
                    count
                }
            };
            self.read_bytes += count as u64;
            return Ok(Some(count));
        }
    }
}

impl Read for Archive {
    /// Fills the buffer, but at the end: most parts are smaller than what their readers want.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.some(&mut buffer[filled..], false)? {
                Some(0) | None => break,
                Some(count) => filled += count,
            }
        }
        Ok(filled)
    }
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive")
            .field("length", &self.length)
            .field("read_bytes", &self.read_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use gantry_erofs::{Metadata, Tree, Writer};
    use gantry_types::Timestamp;

    use super::super::outline::Outline;
    use super::*;

    fn image() -> Image {
        let modified = Timestamp { seconds: 1, nanos: 2 };
        let metadata = Metadata { mode: 0o755, uid: 0, gid: 0, modified, attributes: Vec::new() };
        let file = tempfile::tempfile().unwrap();
        let writer = Writer::new(file.try_clone().unwrap(), [7; 16]);
        writer.finish(&Tree::new(metadata, 1 << 20)).unwrap();
        Image::open(file).unwrap()
    }

    /// An archive of 1000 bytes, told as the caller likes.
    fn told(tell: impl Fn(&mut Outline) -> io::Result<()>) -> Archive {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("split");
        let mut outline = Outline::new(File::create(&path).unwrap(), 1000).unwrap();
        tell(&mut outline).unwrap();
        outline.finish().unwrap();
        Archive::new(File::open(&path).unwrap(), Source::Image(image())).unwrap()
    }

    #[test]
    fn parts_that_lead_nowhere_are_damage() {
        let sound = |outline: &mut Outline| {
            outline.literal(&[3; 600])?;
            outline.data(1024, 400)
        };
        assert_eq!(io::copy(&mut told(sound), &mut io::sink()).unwrap(), 1000);
        told(sound).skip(1000).unwrap();
        let parts =
            [(u64::MAX - 10, 100), (1 << 40, 100), (1024, 401), (0, u64::MAX - 1000), (1024, 0)];
        for (image_at, length) in parts {
            let damaged = |outline: &mut Outline| {
                outline.literal(&[3; 600])?;
                outline.data(image_at, length)
            };
            assert!(io::copy(&mut told(damaged), &mut io::sink()).is_err(), "{image_at} {length}");
            assert!(told(damaged).skip(1000).is_err(), "{image_at} {length}");
        }
        let long = |outline: &mut Outline| outline.literal(&[3; 1001]);
        let mut bytes = Vec::new();
        assert!(told(long).read_to_end(&mut bytes).is_err() && bytes.is_empty());
        let file = |outline: &mut Outline| {
            outline.file(b"name")?;
            outline.literal(&[3; 1000])
        };
        assert!(io::copy(&mut told(file), &mut io::sink()).is_err(), "an image has no files");
    }
}
