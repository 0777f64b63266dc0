//! The files of the local format, by their numbers.

use super::super::LogFile;
use super::super::blocks::BlockFile;
use super::super::content::Content;
use crate::Error;
use crate::numbered::{self, Numbered};
use std::collections::VecDeque;
use std::io;
use std::path::Path;

/// The files with this number and larger ones, the oldest first.
pub(super) fn open_from(folder: &Path, first: u64) -> Result<VecDeque<LogFile>, Error> {
    let failed = |source| Error::Open { path: folder.to_owned(), source };
    let mut files = VecDeque::new();
    for file in numbered::list(folder).map_err(failed)? {
        if file.number < first {
            continue;
        }
        // One that is not there any more in either form fell away.
        if let Some(content) = open_either(folder, file).map_err(failed)? {
            files.push_back(LogFile::Blocks(BlockFile::new(file.number, content)));
        }
    }
    Ok(files)
}

/// The plain file may become a compressed one at any moment.
fn open_either(folder: &Path, file: Numbered) -> io::Result<Option<Content>> {
    if let Some(content) = Content::open(&file.path(folder), file.compressed)? {
        return Ok(Some(content));
    }
    Content::open(&Numbered { compressed: true, ..file }.path(folder), true)
}
