//! The names of rotated files and the steps of a rotation. When to rotate is the writer's decision.

use crate::Error;
use std::ffi::OsString;
use std::fs;
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

/// Moves every file one index up; the oldest falls away. Afterwards `path` is free.
pub(crate) fn rotate(path: &Path, max_files: u32) -> io::Result<()> {
    let max_files = max_files.clamp(1, MOST_FILES);
    if max_files == 1 {
        return missing_is_fine(fs::remove_file(path));
    }
    // From the oldest down, so that a reader never finds two files in the wrong order.
    for index in (0..max_files - 1).rev() {
        missing_is_fine(fs::rename(rotated_path(path, index), rotated_path(path, index + 1)))?;
    }
    Ok(())
}

/// Removes a log with all its rotated files; none at all is fine.
pub fn remove_all(path: &Path) -> Result<(), Error> {
    for index in 0..MOST_FILES {
        let file = rotated_path(path, index);
        match fs::remove_file(&file) {
            Ok(()) => {}
            // The newest may be missing for the moment of a rotation.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if index > 0 {
                    break;
                }
            }
            Err(source) => return Err(Error::Remove { path: file, source }),
        }
    }
    Ok(())
}

fn missing_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
