//! The files of the json-file format, whose names change with every rotation.

use super::super::LogFile;
use super::super::content::Content;
use super::super::lines::{Identity, LineFile};
use crate::Error;
use crate::rotation::{compressed_path, rotated_path};
use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How often a look is repeated when a rotation came between, and how long that is left to end. It renames every file, so that a
/// log of very many files takes its time.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(1);

/// The files that are newer than the one with this identity, the oldest first; all, when it was
/// none or is gone.
pub(super) fn open_after(
    path: &Path,
    identity: Option<Identity>,
) -> Result<VecDeque<LogFile>, Error> {
    if identity.is_some() && identity == identity_of(path) {
        return Ok(VecDeque::new());
    }
    open_newer(path, identity)
}

pub(super) fn open_newer(path: &Path, after: Option<Identity>) -> Result<VecDeque<LogFile>, Error> {
    let mut files = VecDeque::new();
    for _ in 0..ATTEMPTS {
        files.clear();
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
    Ok(files.into_iter().map(LogFile::Lines).collect())
}

/// Opens the files from the newest down to the one after that identity. False: one was missing between others, because a rotation
/// moves them.
fn collect(
    path: &Path,
    after: Option<Identity>,
    files: &mut VecDeque<LineFile>,
) -> Result<bool, Error> {
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
        let is_seen = files.front().is_some_and(|last| last.identity() == file.identity());
        if !is_seen {
            files.push_front(file);
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
    fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}
