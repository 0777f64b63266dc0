//! The files of the json-file format, whose names change with every rotation.

use super::super::LogFile;
use super::super::content::Content;
use super::super::lines::{Identity, LineFile};
use super::{Backwards, Sequence};
use crate::Error;
use crate::rotation::{compressed_path, rotated_path};
use gantry_sys::identity;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How often a look is repeated when a rotation came between, and how long that is left to end. It renames every file, so that a
/// log of very many files takes its time.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(1);

/// The files that are newer than the one with this identity, the oldest first; all, when it was
/// none or is gone.
pub(super) fn open_after(path: &Path, identity: Option<&Identity>) -> Result<Sequence, Error> {
    if identity.is_some() && identity == identity_of(path).as_ref() {
        return Ok(Sequence::default());
    }
    open_newer(path, identity, None)
}

/// With `last`, only those of the last so many entries, each at its place.
pub(super) fn open_newer(
    path: &Path,
    after: Option<&Identity>,
    last: Option<u64>,
) -> Result<Sequence, Error> {
    let mut files = Backwards::default();
    for _ in 0..ATTEMPTS {
        files = Backwards { missing: last, ..Backwards::default() };
        // A follower waits while the newest is missing: that is the moment of a rotation.
        let newest = identity_of(path);
        if newest.is_none() && after.is_some() {
            break;
        }
        let in_order = collect(path, after, &mut files)?;
        // The newest is still the newest: no rotation moved files while we went through them.
        if in_order && identity_of(path) == newest {
            break;
        }
        thread::sleep(PAUSE);
    }
    Ok(files.found)
}

/// Opens the files from the newest down to the one after that identity. False: one was missing between others, because a rotation
/// moves them.
fn collect(path: &Path, after: Option<&Identity>, files: &mut Backwards) -> Result<bool, Error> {
    let mut seen = None;
    for index in 0.. {
        let Some(file) = open(path, index)? else {
            if index == 0 {
                continue;
            }
            let next = [rotated_path(path, index + 1), compressed_path(path, index + 1)];
            return Ok(next.iter().all(|path| identity_of(path).is_none()));
        };
        if Some(file.identity()) == after {
            break;
        }
        // It moved on while we did.
        if seen.as_ref() == Some(file.identity()) {
            continue;
        }
        seen = Some(file.identity().clone());
        let failed = |source| Error::Read { path: path.to_owned(), source };
        if !files.take(LogFile::Lines(file)).map_err(failed)? {
            break;
        }
    }
    Ok(true)
}

fn open(path: &Path, index: u32) -> Result<Option<LineFile>, Error> {
    let plain = rotated_path(path, index);
    let opened = Content::open(&plain, false).and_then(|content| match content {
        None if index > 0 => Content::open(&compressed_path(path, index), true),
        content => Ok(content),
    });
    let file = opened.and_then(|content| content.map(LineFile::new).transpose());
    file.map_err(|source| Error::Open { path: plain, source })
}

fn identity_of(path: &Path) -> Option<Identity> {
    identity::of_path(path).ok()
}
