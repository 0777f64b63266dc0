//! The files of the local format, by their numbers.

use super::super::LogFile;
use super::super::blocks::BlockFile;
use super::super::content::Content;
use super::{Backwards, OPEN_FILES, Sequence};
use crate::Error;
use crate::numbered::{self, Numbered};
use std::io;
use std::path::Path;

/// The files with this number and larger ones.
pub(super) fn open_from(folder: &Path, first: u64) -> Result<Sequence, Error> {
    let mut sequence = Sequence::default();
    for file in list(folder)?.into_iter().filter(|file| file.number >= first) {
        if sequence.files.len() == OPEN_FILES {
            sequence.more = true;
            break;
        }
        sequence.files.extend(open(folder, file)?);
    }
    Ok(sequence)
}

/// The files of the last `count` entries, each at its place.
pub(super) fn open_last(folder: &Path, count: u64) -> Result<Sequence, Error> {
    let mut backwards = Backwards { missing: Some(count), ..Backwards::default() };
    for file in list(folder)?.into_iter().rev() {
        let Some(file) = open(folder, file)? else { continue };
        let failed = |source| Error::Read { path: folder.to_owned(), source };
        if !backwards.take(file).map_err(failed)? {
            break;
        }
    }
    Ok(backwards.found)
}

/// The largest number.
pub(super) fn newest(folder: &Path) -> Result<Option<u64>, Error> {
    Ok(list(folder)?.last().map(|file| file.number))
}

fn list(folder: &Path) -> Result<Vec<Numbered>, Error> {
    let failed = |source| Error::Open { path: folder.to_owned(), source };
    numbered::list(folder).map_err(failed)
}

/// One that is not there any more in either form fell away.
fn open(folder: &Path, file: Numbered) -> Result<Option<LogFile>, Error> {
    let failed = |source| Error::Open { path: folder.to_owned(), source };
    let content = open_either(folder, file).map_err(failed)?;
    Ok(content.map(|content| LogFile::Blocks(BlockFile::new(file.number, content))))
}

/// The plain file may become a compressed one at any moment.
fn open_either(folder: &Path, file: Numbered) -> io::Result<Option<Content>> {
    if let Some(content) = Content::open(&file.path(folder), file.compressed)? {
        return Ok(Some(content));
    }
    Content::open(&Numbered { compressed: true, ..file }.path(folder), true)
}
