//! The files of a log in the local format: a folder of numbers that only grow, `0000000001`, `0000000002.gz`, …
//!
//! No file is ever renamed while somebody writes to it, so that a reader, the compression and a rotation
//! need not know of one another.

use crate::rotation::missing_is_fine;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// More files than this are never listed: nobody makes so many.
const MOST_FILES: usize = 20_000;

/// One file of the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Numbered {
    pub(crate) number: u64,
    pub(crate) compressed: bool,
}

impl Numbered {
    pub(crate) fn path(self, folder: &Path) -> PathBuf {
        let Self { number, compressed } = self;
        folder.join(format!("{number:010}{}", if compressed { ".gz" } else { "" }))
    }

    fn parse(name: &str) -> Option<Self> {
        let (digits, compressed) = match name.strip_suffix(".gz") {
            Some(digits) => (digits, true),
            None => (name, false),
        };
        let is_number = digits.len() >= 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_number.then(|| digits.parse().ok()).flatten()?;
        Some(Self { number, compressed })
    }
}

/// The files of a folder, the oldest first, each number once; of one that is there in both forms the plain one.
/// A folder that is not there is empty.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<Numbered>> {
    let mut files = list_both(folder)?;
    files.dedup_by_key(|file| file.number);
    Ok(files)
}

/// The same with both forms, the plain one first.
pub(crate) fn list_both(folder: &Path) -> io::Result<Vec<Numbered>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries.take(MOST_FILES) {
        files.extend(entry?.file_name().to_str().and_then(Numbered::parse));
    }
    files.sort_unstable();
    Ok(files)
}

/// Removes all but the newest `keep` numbers up to `newest`.
pub(crate) fn remove_old(folder: &Path, newest: u64, keep: u32) -> io::Result<()> {
    for file in list_both(folder)? {
        if file.number + u64::from(keep.max(1)) <= newest {
            missing_is_fine(fs::remove_file(file.path(folder)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["0000000002", "0000000001.gz", "0000000002.gz", "x", "1", "0000000003.tmp"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let file = |number, compressed| Numbered { number, compressed };
        assert_eq!(list(folder.path()).unwrap(), [file(1, true), file(2, false)]);
        remove_old(folder.path(), 3, 2).unwrap();
        assert_eq!(list_both(folder.path()).unwrap(), [file(2, false), file(2, true)]);
        assert!(folder.path().join("x").exists());
        assert_eq!(list(&folder.path().join("none")).unwrap(), []);
    }
}
