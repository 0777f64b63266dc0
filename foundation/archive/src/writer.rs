//! Writing an archive entry by entry: ustar, with PAX records for what ustar cannot say. The same
//! entries give the same bytes, always.

use std::io::{self, Read, Write};

use gantry_types::Timestamp;

use crate::raw::{BLOCK, Block};
use crate::{EntryKind, Error, Header, Result};

/// Bytes copied at once.
const COPY_BYTES: usize = 128 << 10;

/// The largest number in a field of 12: eleven octal digits.
const MAX_LARGE: u64 = 0o77_777_777_777;

/// The largest number in a field of 8: seven octal digits.
const MAX_SMALL: u32 = 0o7_777_777;

/// A streaming writer of tar.
#[derive(Debug)]
pub struct Writer<W> {
    inner: W,
    buffer: Vec<u8>,
    bytes: u64,
}

impl<W: Write> Writer<W> {
    /// Writes to `inner`; it is best buffered.
    pub fn new(inner: W) -> Self {
        Self { inner, buffer: Vec::new(), bytes: 0 }
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a file with these bytes; the header's size is set to fit.
    pub fn append_bytes(&mut self, header: &Header, data: &[u8]) -> Result<()> {
        let header = Header { size: data.len() as u64, ..header.clone() };
        self.append(&header, data)
    }

    /// Adds an entry without data: anything but a file, or an empty file.
    pub fn append_header(&mut self, header: &Header) -> Result<()> {
        self.append(header, io::empty())
    }

    /// Adds an entry; `data` must give exactly as many bytes as the header says.
    ///
    /// # Errors
    /// A path, owner or number that tar cannot say ([`Error::Entry`]), or data that does not fit.
    pub fn append(&mut self, header: &Header, data: impl Read) -> Result<()> {
        self.begin(header)?;
        self.data(header, data)
    }

    /// Writes what stands before an entry's data.
    pub(crate) fn begin(&mut self, header: &Header) -> Result<()> {
        check(header)?;
        let records = records(header);
        if !records.is_empty() {
            self.write_block(&pax_block(header, records.len()))?;
            self.write_padded(&records)?;
        }
        self.write_block(&block(header))
    }

    /// Writes an entry's data, which must follow what [`Self::begin`] wrote.
    pub(crate) fn data(&mut self, header: &Header, data: impl Read) -> Result<()> {
        if header.kind == EntryKind::File { self.copy(header, data) } else { Ok(()) }
    }

    /// Writes the end of the archive and gives the receiver back.
    pub fn finish(mut self) -> Result<W> {
        self.write(&[0; 2 * BLOCK])?;
        self.inner.flush().map_err(|source| Error::Write { source })?;
        Ok(self.inner)
    }

    fn copy(&mut self, header: &Header, mut data: impl Read) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(COPY_BYTES, 0);
        let mut left = header.size;
        while left > 0 {
            let wanted = usize::try_from(left).map_or(COPY_BYTES, |left| left.min(COPY_BYTES));
            let count = match data.read(&mut buffer[..wanted]) {
                Ok(0) => return Err(Error::entry(&header.path, "ended before its size")),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::place("read", &header.path, error)),
            };
            self.write(&buffer[..count])?;
            left -= count as u64;
        }
        self.buffer = buffer;
        self.pad(header.size)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.inner.write_all(bytes).map_err(|source| Error::Write { source })?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn write_block(&mut self, block: &Block) -> Result<()> {
        self.write(block)
    }

    fn write_padded(&mut self, bytes: &[u8]) -> Result<()> {
        self.write(bytes)?;
        self.pad(bytes.len() as u64)
    }

    fn pad(&mut self, size: u64) -> Result<()> {
        let block = [0; BLOCK];
        let used = usize::try_from(size % BLOCK as u64).unwrap_or(0);
        if used == 0 { Ok(()) } else { self.write(&block[used..]) }
    }
}

fn check(header: &Header) -> Result<()> {
    let refuse = |fault| Err(Error::entry(&header.path, fault));
    let target: &[u8] = match &header.kind {
        EntryKind::Symlink { target } | EntryKind::HardLink { target } => target,
        _ => b"",
    };
    if header.path.is_empty() {
        return refuse("has no path");
    }
    if header.path.contains(&0) || target.contains(&0) {
        return refuse("has a NUL in its path or target");
    }
    if header.uid == u32::MAX || header.gid == u32::MAX {
        return refuse("has an owner that is out of range");
    }
    if header.mode > 0o7777 {
        return refuse("has a mode that is out of range");
    }
    if header.size > 0 && header.kind != EntryKind::File {
        return refuse("has data, but is not a file");
    }
    if let EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } =
        header.kind
        && major.max(minor) > MAX_SMALL
    {
        return refuse("has a device number that is out of range");
    }
    Ok(())
}

/// The path as it is written: a directory's ends with a slash.
fn written_path(header: &Header) -> Vec<u8> {
    let mut path = header.path.clone();
    if header.kind == EntryKind::Directory && !path.ends_with(b"/") {
        path.push(b'/');
    }
    path
}

/// Everything that does not fit into the header block.
fn records(header: &Header) -> Vec<u8> {
    let mut records = Vec::new();
    let path = written_path(header);
    if split(&path).is_none() {
        record(&mut records, b"path", &path);
    }
    if let EntryKind::Symlink { target } | EntryKind::HardLink { target } = &header.kind
        && target.len() > 100
    {
        record(&mut records, b"linkpath", target);
    }
    if header.size > MAX_LARGE {
        record(&mut records, b"size", header.size.to_string().as_bytes());
    }
    if header.uid > MAX_SMALL {
        record(&mut records, b"uid", header.uid.to_string().as_bytes());
    }
    if header.gid > MAX_SMALL {
        record(&mut records, b"gid", header.gid.to_string().as_bytes());
    }
    let Timestamp { seconds, nanos } = header.modified;
    if nanos > 0 || u64::try_from(seconds).map_or(true, |seconds| seconds > MAX_LARGE) {
        record(&mut records, b"mtime", decimal_time(header.modified).as_bytes());
    }
    for xattr in &header.xattrs {
        record(&mut records, &[b"SCHILY.xattr.", &xattr.name[..]].concat(), &xattr.value);
    }
    records
}

fn decimal_time(time: Timestamp) -> String {
    let Timestamp { seconds, nanos } = time;
    let text = match (seconds < 0, nanos) {
        (_, 0) => return seconds.to_string(),
        (false, _) => format!("{seconds}.{nanos:09}"),
        (true, _) => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanos),
    };
    text.trim_end_matches('0').to_owned()
}

/// One record; its length counts its own digits.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// Prefix and name of a path that fits into ustar's two fields.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= 100 {
        return Some((b"", path));
    }
    // The slash between them is not written; the name must not be empty.
    let latest = path.len().saturating_sub(2).min(155);
    let earliest = path.len() - 101;
    let slash = (earliest..=latest).find(|&at| path.get(at) == Some(&b'/'))?;
    (slash > 0).then(|| (&path[..slash], &path[slash + 1..]))
}

fn block(header: &Header) -> Block {
    let mut block = [0; BLOCK];
    let path = written_path(header);
    let (prefix, name) = split(&path).unwrap_or_else(|| (b"", &path[..100]));
    block[..name.len()].copy_from_slice(name);
    block[345..345 + prefix.len()].copy_from_slice(prefix);
    octal(&mut block[100..108], u64::from(header.mode));
    octal(&mut block[108..116], u64::from(header.uid.min(MAX_SMALL)));
    octal(&mut block[116..124], u64::from(header.gid.min(MAX_SMALL)));
    octal(&mut block[124..136], header.size.min(MAX_LARGE));
    let seconds = u64::try_from(header.modified.seconds).unwrap_or(0);
    octal(&mut block[136..148], seconds.min(MAX_LARGE));
    let (flag, target, device): (u8, &[u8], _) = match &header.kind {
        EntryKind::File => (b'0', b"", None),
        EntryKind::HardLink { target } => (b'1', target, None),
        EntryKind::Symlink { target } => (b'2', target, None),
        EntryKind::CharDevice { major, minor } => (b'3', b"", Some((*major, *minor))),
        EntryKind::BlockDevice { major, minor } => (b'4', b"", Some((*major, *minor))),
        EntryKind::Directory => (b'5', b"", None),
        EntryKind::Fifo => (b'6', b"", None),
    };
    block[156] = flag;
    let target = &target[..target.len().min(100)];
    block[157..157 + target.len()].copy_from_slice(target);
    if let Some((major, minor)) = device {
        octal(&mut block[329..337], u64::from(major));
        octal(&mut block[337..345], u64::from(minor));
    }
    seal(&mut block);
    block
}

/// The header of the records in front of an entry.
fn pax_block(header: &Header, size: usize) -> Block {
    let mut block = [0; BLOCK];
    let name = header.path.rsplit(|&byte| byte == b'/').find(|name| !name.is_empty());
    let name = name.unwrap_or(b"root");
    let path = [b"PaxHeaders.0/", &name[..name.len().min(80)]].concat();
    block[..path.len()].copy_from_slice(&path);
    octal(&mut block[100..108], 0o644);
    octal(&mut block[108..116], 0);
    octal(&mut block[116..124], 0);
    octal(&mut block[124..136], size as u64);
    octal(&mut block[136..148], 0);
    block[156] = b'x';
    seal(&mut block);
    block
}

/// Magic and checksum.
fn seal(block: &mut Block) {
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    octal(&mut block[148..155], sum);
}

/// Octal digits with leading zeros and a NUL at the end.
fn octal(field: &mut [u8], mut value: u64) {
    let digits = field.len() - 1;
    for digit in field[..digits].iter_mut().rev() {
        *digit = b'0' + u8::try_from(value & 7).unwrap_or(0);
        value >>= 3;
    }
    field[digits] = 0;
}

#[cfg(test)]
mod tests;
