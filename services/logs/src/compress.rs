//! Compression of files that were rotated away. Whoever has time for it calls this: no writer needs it, and a reader finds
//! each file in either form.

use crate::numbered::{self, Numbered};
use crate::rotation::{NamesLock, compressed_path, missing_is_fine, rotated_path};
use crate::{Error, Format};
use flate2::{Compression, GzBuilder};
use gantry_sys::identity;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A field of our own in a file's header (RFC 1952, 2.3.1.1), behind which the length follows.
const ORIGIN_FIELD: [u8; 2] = *b"Gi";
/// Where it begins: behind the fixed part and the length of all fields.
const ORIGIN_AT: u64 = 12;
/// More bytes than this are no identity of a file.
const MOST_ORIGIN_BYTES: usize = 256;
/// Rotated files of the json-file format that are looked for.
const MOST_FILES: u32 = 10_000;
/// A log may be compressed as fast as this, to leave the processors to those whose log it is.
const LEVEL: u32 = 1;

/// Compresses the rotated files of a log that are still plain. Gives how many it compressed.
pub fn compress_rotated(format: Format, path: &Path) -> Result<usize, Error> {
    let result = match format {
        Format::Local => numbered_files(path),
        Format::JsonFile => indexed_files(path),
    };
    result.map_err(|source| Error::Compress { path: path.to_owned(), source })
}

fn numbered_files(folder: &Path) -> io::Result<usize> {
    let mut files = numbered::list(folder)?;
    // The newest is being written.
    files.pop();
    let mut count = 0;
    for file in files.into_iter().filter(|file| !file.compressed) {
        let plain = file.path(folder);
        let compressed = Numbered { compressed: true, ..file }.path(folder);
        let Some((temporary, _)) = compress(&plain)? else { continue };
        if !plain.exists() {
            // It fell away meanwhile.
            fs::remove_file(&temporary)?;
            continue;
        }
        fs::rename(&temporary, &compressed)?;
        missing_is_fine(fs::remove_file(&plain))?;
        count += 1;
    }
    Ok(count)
}

fn indexed_files(path: &Path) -> io::Result<usize> {
    let mut count = 0;
    for index in 1..MOST_FILES {
        let plain = rotated_path(path, index);
        if !plain.exists() {
            if compressed_path(path, index).exists() {
                continue;
            }
            break;
        }
        let Some((temporary, origin)) = compress(&plain)? else { continue };
        if replace(path, &temporary, &origin)? {
            count += 1;
        } else {
            fs::remove_file(&temporary)?;
        }
    }
    Ok(count)
}

/// Puts a compressed file in the place of the one that it was, wherever that is now. False: it fell away, or the names are
/// being changed; then another call will do it.
fn replace(path: &Path, temporary: &Path, origin: &[u8]) -> io::Result<bool> {
    let Some(_names) = NamesLock::take(path) else {
        return Ok(false);
    };
    for index in 1..MOST_FILES {
        let plain = rotated_path(path, index);
        match identity::of_path(&plain) {
            Ok(found) if found == origin => {
                fs::rename(temporary, compressed_path(path, index))?;
                fs::remove_file(&plain)?;
                return Ok(true);
            }
            Ok(_) => {}
            Err(_) if compressed_path(path, index).exists() => {}
            Err(_) => break,
        }
    }
    Ok(false)
}

/// Writes the compressed file beside the plain one. `None`: the plain one is not there any more.
fn compress(plain: &Path) -> io::Result<Option<(PathBuf, Vec<u8>)>> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let mut source = match OpenOptions::new().read(true).custom_flags(no_follow).open(plain) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let origin = identity::of_file(&source)?;
    // One name for all attempts: what a crash leaves is written over.
    let temporary = plain.with_file_name(".compressing");
    missing_is_fine(fs::remove_file(&temporary))?;
    let target = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&temporary)?;
    let length = u16::try_from(origin.len()).map_err(io::Error::other)?;
    let field = [&ORIGIN_FIELD[..], &length.to_le_bytes(), &origin].concat();
    let mut encoder = GzBuilder::new().extra(field).write(target, Compression::new(LEVEL));
    let mut block = vec![0; 128 << 10];
    let written = loop {
        match source.read(&mut block) {
            // It is on the disk before the plain one goes.
            Ok(0) => break encoder.finish().and_then(|file| file.sync_data()),
            Ok(length) => {
                if let Err(error) = io::Write::write_all(&mut encoder, &block[..length]) {
                    break Err(error);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    if let Err(error) = written {
        // A full disk: the plain file stays.
        missing_is_fine(fs::remove_file(&temporary))?;
        return Err(error);
    }
    Ok(Some((temporary, origin)))
}

/// Which file a compressed one was.
pub(crate) fn origin(file: &File) -> Option<Vec<u8>> {
    let mut head = [0; 4];
    file.read_exact_at(&mut head, ORIGIN_AT).ok()?;
    let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
    if !head.starts_with(&ORIGIN_FIELD) || length > MOST_ORIGIN_BYTES {
        return None;
    }
    let mut identity = vec![0; length];
    file.read_exact_at(&mut identity, ORIGIN_AT + 4).ok()?;
    Some(identity)
}
