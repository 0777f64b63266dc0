//! The repositories that are kept: who has one, what a call that broke off has left in it, and which of them go.

use std::fmt::Write;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use gantry_archive::tree;
use sha2::{Digest as _, Sha256};

use crate::program::{Program, Reach};
use crate::{Error, Repositories, Result};

/// The most bytes of all that are kept; of more, those that nobody used for longest go.
const MAX_KEPT_BYTES: u64 = 20 << 30;
/// How long a repository is waited for before asking whether it is still wanted.
const PAUSE: Duration = Duration::from_millis(20);
/// How the names of files end that say who has a repository.
const LOCK: &str = "lock";

/// A repository that is kept. Nobody else has it as long as this is there.
pub(crate) struct Kept {
    pub(crate) path: PathBuf,
    /// It is as long as a byte while the repository is in use: who finds it so, comes after somebody who broke off.
    lock: File,
}

impl Kept {
    /// All that was done with it has ended well.
    pub(crate) fn is_whole(&self) -> Result<()> {
        self.lock.set_len(0).map_err(Error::file("unmark", &self.path))
    }
}

impl Repositories {
    /// Takes the repository of an address; it is made when it is new.
    ///
    /// # Errors
    /// Nobody wants it any more before it is free; it cannot be made.
    pub(crate) fn take(&self, program: &Program<'_>) -> Result<Kept> {
        fs::create_dir_all(&self.folder).map_err(Error::file("create", &self.folder))?;
        let path = self.folder.join(name_of(&program.wanted.url));
        let lock = loop {
            if let Some(lock) = lock_of(&path)? {
                break lock;
            }
            if !(program.is_wanted)() {
                return Err(Error::CalledOff);
            }
            thread::sleep(PAUSE);
        };
        let length = lock.metadata().map_err(Error::file("look at", &path))?.len();
        if length > 0 && path.exists() {
            clean(&path)?;
        }
        lock.set_len(1).map_err(Error::file("mark", &path))?;
        let kept = Kept { path, lock };
        if !kept.path.join("HEAD").exists() {
            fs::create_dir_all(&kept.path).map_err(Error::file("create", &kept.path))?;
            // What needs a login to be read is nobody else's.
            fs::set_permissions(&kept.path, fs::Permissions::from_mode(0o700))
                .map_err(Error::file("protect", &kept.path))?;
            let place = kept.path.to_string_lossy();
            program.must(
                "make a repository for",
                Reach::Host,
                &["init", "-q", "--bare", &place],
            )?;
        }
        Ok(kept)
    }

    /// Takes away those that nobody has; how many bytes they had.
    ///
    /// # Errors
    /// One of them cannot be removed.
    pub fn prune(&self) -> Result<u64> {
        let mut bytes = 0;
        for (_, size, path) in self.all() {
            bytes += if remove(&self.folder, &path)? { size } else { 0 };
        }
        Ok(bytes)
    }

    /// Takes away what nobody used for longest, where all is too much. Those in use stay.
    pub(crate) fn tidy(&self) -> Result<()> {
        self.tidy_to(MAX_KEPT_BYTES)
    }

    fn tidy_to(&self, limit_bytes: u64) -> Result<()> {
        let mut all = self.all();
        let mut bytes: u64 = all.iter().map(|(_, size, _)| size).sum();
        all.sort();
        for (_, size, path) in all {
            if bytes <= limit_bytes {
                break;
            }
            if remove(&self.folder, &path)? {
                bytes = bytes.saturating_sub(size);
            }
        }
        Ok(())
    }

    /// When each was used last, its bytes, and where it is.
    fn all(&self) -> Vec<(SystemTime, u64, PathBuf)> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
        let one = |path: PathBuf| {
            let used = fs::metadata(path.with_extension(LOCK)).and_then(|lock| lock.modified());
            let opened = File::open(&path).ok()?;
            let bytes = tree::size(opened.as_fd()).unwrap_or_default();
            Some((used.unwrap_or(SystemTime::UNIX_EPOCH), bytes, path))
        };
        paths.filter_map(one).collect()
    }
}

/// What a repository is called: any text is an address, and none may be a path.
fn name_of(url: &str) -> String {
    let mut name = String::new();
    for byte in Sha256::digest(url) {
        write!(name, "{byte:02x}").unwrap_or(());
    }
    name
}

/// The lock of a repository; none while somebody else has it. It goes with the file.
fn lock_of(path: &Path) -> Result<Option<File>> {
    let place = path.with_extension(LOCK);
    loop {
        let opened = OpenOptions::new().write(true).create(true).truncate(false).open(&place);
        let file = opened.map_err(Error::file("create", &place))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(Error::file("lock", &place)(error)),
        }
        // Somebody may have removed the repository with this file, and somebody else made another one.
        let own = file.metadata().map_err(Error::file("look at", &place))?;
        match fs::metadata(&place) {
            Ok(there) if (there.dev(), there.ino()) == (own.dev(), own.ino()) => {
                return Ok(Some(file));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Error::file("look at", &place)(error)),
        }
    }
}

/// Removes a repository that nobody has; whether it did.
fn remove(folder: &Path, path: &Path) -> Result<bool> {
    let (Some(_lock), Some(name)) = (lock_of(path)?, path.file_name()) else { return Ok(false) };
    let opened = File::open(folder).map_err(Error::file("open", folder))?;
    let failed = |error: gantry_archive::Error| {
        Error::file("remove", path)(std::io::Error::other(gantry_types::error_chain(&error)))
    };
    tree::remove(opened.as_fd(), name.as_encoded_bytes()).map_err(failed)?;
    let lock = path.with_extension(LOCK);
    // While it is held: who opens it now sees that it is not there any more.
    fs::remove_file(&lock).map_err(Error::file("remove", &lock))?;
    Ok(true)
}

/// Takes away what calls that were killed have left: locks of git's own, which nobody would ever take away, and halves of packs.
fn clean(repository: &Path) -> Result<()> {
    let mut pending = vec![repository.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).map_err(Error::file("read", &folder))? {
            let entry = entry.map_err(Error::file("read", &folder))?;
            let (path, name) = (entry.path(), entry.file_name());
            let kind = entry.file_type().map_err(Error::file("look at", &path))?;
            let name = name.as_encoded_bytes();
            if kind.is_dir() {
                pending.push(path);
            } else if name.ends_with(b".lock") || name.starts_with(b"tmp_") {
                fs::remove_file(&path).map_err(Error::file("remove", &path))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repositories(root: &Path, sizes: &[(&str, usize, u64)]) -> Repositories {
        for (name, size, used) in sizes {
            fs::create_dir(root.join(name)).unwrap();
            fs::write(root.join(name).join("pack"), vec![0; *size]).unwrap();
            let lock = File::create(root.join(name).with_extension(LOCK)).unwrap();
            lock.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(*used)).unwrap();
        }
        Repositories { folder: root.to_owned(), ..Repositories::default() }
    }

    fn left(root: &Path) -> Vec<String> {
        let entries = fs::read_dir(root).unwrap().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_nobody_used_for_longest_goes_and_what_is_in_use_stays() {
        let root = tempfile::tempdir().unwrap();
        let sizes = [("old", 100_000, 1), ("used", 100_000, 2), ("middle", 100_000, 3)];
        let repositories = repositories(root.path(), &sizes);
        repositories.tidy_to(1 << 20).unwrap();
        assert_eq!(left(root.path()).len(), 6);
        let used = lock_of(&root.path().join("used")).unwrap();
        assert!(used.is_some() && lock_of(&root.path().join("used")).unwrap().is_none());
        repositories.tidy_to(250_000).unwrap();
        assert_eq!(left(root.path()), ["middle", "middle.lock", "used", "used.lock"]);
        assert!(repositories.prune().unwrap() >= 100_000);
        assert_eq!(left(root.path()), ["used", "used.lock"]);
        drop(used);
        repositories.prune().unwrap();
        assert!(left(root.path()).is_empty());
    }

    #[test]
    fn a_lock_that_was_removed_is_nobody_s() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x");
        let first = lock_of(&path).unwrap().unwrap();
        fs::remove_file(path.with_extension(LOCK)).unwrap();
        let second = lock_of(&path).unwrap();
        assert!(second.is_some(), "another file, which nobody has");
        drop(first);
        assert!(lock_of(&path).unwrap().is_none(), "it is the second one's");
    }
}
