//! How large a log may become, and the names and steps of a rotation in the json-file format. When to rotate is the
//! writer's decision; files of the local format are in `numbered`.
//!
//! Rotated files are `<path>.1` (the youngest), `<path>.2`, … and get `.gz` behind when somebody compressed them.

use crate::Error;
use rustix::fs::FlockOperation;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// How large a log may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationLimits {
    /// Rotate when the file has this many bytes; `None`: never.
    pub max_size_bytes: Option<u64>,
    /// How many files there are at most, the newest included; 0 counts as 1.
    pub max_files: u32,
}

/// More rotated files than this are never looked for.
const MOST_FILES: u32 = 10_000;

/// The name of the file that was rotated `index` times; 0 is the newest.
pub(crate) fn rotated_path(path: &Path, index: u32) -> PathBuf {
    if index == 0 {
        return path.to_owned();
    }
    let mut name = OsString::from(path);
    name.push(format!(".{index}"));
    PathBuf::from(name)
}

/// The same file compressed.
pub(crate) fn compressed_path(path: &Path, index: u32) -> PathBuf {
    let mut name = OsString::from(rotated_path(path, index));
    name.push(".gz");
    PathBuf::from(name)
}

/// Held while names change: by a rotation, and by who puts a compressed file in a plain one's place.
pub(crate) struct NamesLock(#[expect(dead_code, reason = "held until it is dropped")] File);

impl NamesLock {
    /// Locks the names of the log at `path`. `None`: somebody else has them, or nobody can.
    pub(crate) fn take(path: &Path) -> Option<Self> {
        let folder = File::open(path.parent()?).ok()?;
        rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).ok()?;
        Some(Self(folder))
    }
}

/// Moves every file one index up; the oldest falls away. Afterwards `path` is free. False: not now, for somebody else is
/// changing names, who needs two calls for it; a writer does not wait even for that.
pub(crate) fn rotate(path: &Path, max_files: u32) -> io::Result<bool> {
    let max_files = max_files.clamp(1, MOST_FILES);
    if max_files == 1 {
        return missing_is_fine(fs::remove_file(path)).map(|()| true);
    }
    let Some(_names) = NamesLock::take(path) else {
        return Ok(false);
    };
    let oldest = max_files - 1;
    // Both: a younger file may be compressed while the oldest is still plain, and then nothing is renamed over that.
    for fallen in [rotated_path(path, oldest), compressed_path(path, oldest)] {
        missing_is_fine(fs::remove_file(fallen))?;
    }
    // From the oldest down, so that a reader never finds two files in the wrong order.
    for index in (0..oldest).rev() {
        missing_is_fine(fs::rename(rotated_path(path, index), rotated_path(path, index + 1)))?;
        if index > 0 {
            let (from, to) = (compressed_path(path, index), compressed_path(path, index + 1));
            missing_is_fine(fs::rename(from, to))?;
        }
    }
    Ok(true)
}

/// Removes a log of the json-file format with all its rotated files; none at all is fine.
pub fn remove_all(path: &Path) -> Result<(), Error> {
    for index in 0..MOST_FILES {
        let mut found = false;
        for file in [rotated_path(path, index), compressed_path(path, index)] {
            match fs::remove_file(&file) {
                Ok(()) => found = true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::Remove { path: file, source }),
            }
        }
        // The newest may be missing for the moment of a rotation.
        if !found && index > 0 {
            break;
        }
    }
    Ok(())
}

/// A file that is not there need not be moved or removed.
pub(crate) fn missing_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
