//! The files of a log in their order, however the writer rotates meanwhile and whoever compresses them. A log may have thousands: a
//! few are opened at a time, the oldest that are wanted first.

mod indexed;
mod numbers;

use super::LogFile;
use crate::{Error, Format};
use std::collections::VecDeque;
use std::io;
use std::path::Path;

/// How many files are open at a time, beside the one that is read.
const OPEN_FILES: usize = 16;

/// Some files, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    pub(super) files: VecDeque<LogFile>,
    /// There are newer ones, for which there was no room.
    pub(super) more: bool,
}

/// Files that are found from the newest to the oldest, as far as the last `missing` entries reach, where somebody counts.
#[derive(Debug, Default)]
struct Backwards {
    found: Sequence,
    missing: Option<u64>,
}

impl Backwards {
    /// One that is older than all before, put at the place where reading begins. Whether still older ones are wanted.
    fn take(&mut self, mut file: LogFile) -> io::Result<bool> {
        if let Some(missing) = &mut self.missing {
            *missing -= match &mut file {
                LogFile::Lines(file) => file.seek_to_last(*missing)?,
                LogFile::Blocks(file) => file.seek_to_last(*missing)?,
            };
        }
        self.found.files.push_front(file);
        // Whichever is opened again later is read as a whole then: it is newer than where the tail begins.
        if self.found.files.len() > OPEN_FILES {
            self.found.files.pop_back();
            self.found.more = true;
        }
        Ok(self.missing != Some(0))
    }
}

/// The oldest files of the log, or of its last entries.
pub(super) fn open(format: Format, path: &Path, last: Option<u64>) -> Result<Sequence, Error> {
    match (format, last) {
        (Format::JsonFile, last) => indexed::open_newer(path, None, last),
        (Format::Local, None) => numbers::open_from(path, 0),
        (Format::Local, Some(last)) => numbers::open_last(path, last),
    }
}

/// The files of a log in the local format from this number on. Second, the newest one's number.
pub(super) fn open_from(path: &Path, first: u64) -> Result<(Sequence, Option<u64>), Error> {
    let newest = numbers::newest(path)?;
    // Numbers that began anew are not looked for behind those of before.
    let first = if newest.is_some_and(|newest| newest < first) { 0 } else { first };
    Ok((numbers::open_from(path, first)?, newest))
}

/// The files that are newer than `current`; all, when it was none or is gone.
pub(super) fn open_after(
    format: Format,
    path: &Path,
    current: Option<&LogFile>,
) -> Result<Sequence, Error> {
    match format {
        Format::JsonFile => {
            let identity = current.and_then(LogFile::identity);
            indexed::open_after(path, identity)
        }
        Format::Local => {
            let number = current.and_then(LogFile::number);
            numbers::open_from(path, number.map_or(0, |number| number + 1))
        }
    }
}
