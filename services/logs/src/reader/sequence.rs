//! The files of a log in their order, however the writer rotates meanwhile.

use super::lines::{Identity, LineFile};
use crate::Error;
use crate::rotation::rotated_path;
use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How often a look is repeated when a rotation came between, and how long that is left to end. It renames every file, so that a
/// log of very many files takes its time.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(1);

/// All files of the log, the oldest first.
pub(super) fn open_all(path: &Path) -> Result<VecDeque<LineFile>, Error> {
    open_newer(path, None)
}

/// The files that are newer than the one with this identity, the oldest first; all, when it was
/// none or is gone.
pub(super) fn open_after(
    path: &Path,
    identity: Option<Identity>,
) -> Result<VecDeque<LineFile>, Error> {
    if identity.is_some() && identity == identity_of(path) {
        return Ok(VecDeque::new());
    }
    open_newer(path, identity)
}

fn open_newer(path: &Path, after: Option<Identity>) -> Result<VecDeque<LineFile>, Error> {
    let mut files = VecDeque::new();
    for _ in 0..ATTEMPTS {
        files.clear();
        // A follower waits while the newest is missing: that is the moment of a rotation.
        let newest = identity_of(path);
        if newest.is_none() && after.is_some() {
            return Ok(files);
        }
        let in_order = collect(path, after, &mut files)?;
        // The newest is still the newest: no rotation moved files while we went through them.
        if in_order && identity_of(path) == newest {
            break;
        }
        thread::sleep(PAUSE);
    }
    Ok(files)
}

/// Opens the files from the newest down to the one after that identity. False: one was missing between others, because a rotation
/// moves them.
fn collect(
    path: &Path,
    after: Option<Identity>,
    files: &mut VecDeque<LineFile>,
) -> Result<bool, Error> {
    for index in 0.. {
        let Some(file) = open(&rotated_path(path, index))? else {
            if index == 0 {
                continue;
            }
            return Ok(identity_of(&rotated_path(path, index + 1)).is_none());
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

fn open(path: &Path) -> Result<Option<LineFile>, Error> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(no_follow).open(path);
    match opened.and_then(LineFile::new) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Open { path: path.to_owned(), source }),
    }
}

fn identity_of(path: &Path) -> Option<Identity> {
    fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}
