//! The files of a log in their order, however the writer rotates meanwhile and whoever compresses them.

mod indexed;
mod numbers;

use super::LogFile;
use crate::{Error, Format};
use std::collections::VecDeque;
use std::path::Path;

/// All files of the log, the oldest first.
pub(super) fn open_all(format: Format, path: &Path) -> Result<VecDeque<LogFile>, Error> {
    match format {
        Format::JsonFile => indexed::open_newer(path, None),
        Format::Local => numbers::open_from(path, 0),
    }
}

/// The files that are newer than `current`, the oldest first; all, when it was none or is gone.
pub(super) fn open_after(
    format: Format,
    path: &Path,
    current: Option<&LogFile>,
) -> Result<VecDeque<LogFile>, Error> {
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
