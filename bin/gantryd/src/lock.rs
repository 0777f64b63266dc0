//! A file that one process holds for as long as it lives. Who holds it, the kernel knows (`flock(2)`); the process id in
//! it is for people.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Only root may open the file: whoever can open it can lock it, and would keep the daemon from starting.
const MODE: u32 = 0o600;
/// How often the file may be removed under our hands, each time by a daemon that ends, before we give up.
const ATTEMPTS: usize = 16;
/// A process id and its line end are shorter.
const MAX_PID_BYTES: u64 = 16;

/// A locked file with our process id in it. Unlocked and removed when dropped; after a crash the file stays and is
/// locked by nobody.
#[derive(Debug)]
pub(crate) struct LockFile {
    path: PathBuf,
    file: File,
}

/// Why a file could not be locked.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Another process holds it; its id, when the file tells it.
    Held(Option<i32>),
    Failed(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl LockFile {
    /// Makes the file if need be, locks it without waiting, and writes our process id into it.
    pub(crate) fn take(path: &Path) -> Result<Self, Refused> {
        for _ in 0..ATTEMPTS {
            let mut options = OpenOptions::new();
            let mut file = options
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(MODE)
                .open(path)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::other("it is not a regular file").into());
            }
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(Refused::Held(holder(&file))),
                Err(error) => return Err(Refused::Failed(error.into())),
            }
            // Between our two steps its last holder may have removed it: then another daemon can lock a new one.
            if !is_at(&file, path) {
                continue;
            }
            file.set_len(0)?;
            writeln!(file, "{}", std::process::id())?;
            return Ok(Self { path: path.to_owned(), file });
        }
        Err(io::Error::other("it is removed again and again").into())
    }

    /// Whether this is the file that `metadata` is of.
    pub(crate) fn is(&self, metadata: &Metadata) -> bool {
        self.file.metadata().is_ok_and(|own| same(&own, metadata))
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Still locked. What somebody else put there is not ours to remove.
        if is_at(&self.file, &self.path)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "cannot remove the lock file");
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(there)) => same(&open, &there),
        _ => false,
    }
}

fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn holder(file: &File) -> Option<i32> {
    let mut text = String::new();
    file.take(MAX_PID_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok().filter(|pid| *pid > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_held_by_one_and_removed_at_the_end() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("lock");
        let held = LockFile::take(&path).unwrap();
        let own = std::process::id().cast_signed();
        assert!(matches!(LockFile::take(&path), Err(Refused::Held(Some(pid))) if pid == own));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{own}\n"));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, MODE);
        drop(held);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_file_says_does_not_matter() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("lock");
        for text in [String::new(), "1\n".to_owned(), "x".repeat(5000)] {
            std::fs::write(&path, text).unwrap();
            drop(LockFile::take(&path).unwrap());
        }
        // An unreadable holder is a holder without a number.
        let held = LockFile::take(&path).unwrap();
        std::fs::write(&path, [0xff; 40]).unwrap();
        assert!(matches!(LockFile::take(&path), Err(Refused::Held(None))));
        drop(held);
    }

    #[test]
    fn a_file_that_somebody_put_in_place_of_ours_stays() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("lock");
        let first = LockFile::take(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = LockFile::take(&path).unwrap();
        drop(first);
        assert!(matches!(LockFile::take(&path), Err(Refused::Held(_))));
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn only_files_are_locked() {
        assert!(matches!(LockFile::take(Path::new("/dev/null")), Err(Refused::Failed(_))));
        assert!(Path::new("/dev/null").exists());
    }
}
