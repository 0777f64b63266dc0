//! The directories: where a volume's files are, and steps on them that survive a crash.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};

use crate::{Error, Result, VolumeName};

const DATA: &str = "_data";
const STAGING: &str = "staging";
const STAGED: &str = "staged";

#[derive(Debug)]
pub(crate) struct Dirs {
    pub(crate) root: PathBuf,
}

impl Dirs {
    /// Makes the root when it is missing. Docker's rights: others may pass, and not look.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let root = root.join("volumes");
        make(&root, 0o701)?;
        Ok(Self { root })
    }

    pub(crate) fn of(&self, name: &VolumeName) -> PathBuf {
        self.root.join(name.as_str())
    }

    pub(crate) fn data(&self, name: &VolumeName) -> PathBuf {
        self.of(name).join(DATA)
    }

    pub(crate) fn staging(&self, name: &VolumeName) -> PathBuf {
        self.of(name).join(STAGING)
    }

    pub(crate) fn staged(&self, name: &VolumeName) -> PathBuf {
        self.of(name).join(STAGED)
    }

    pub(crate) fn make_volume(&self, name: &VolumeName) -> Result<()> {
        make(&self.of(name), 0o701)?;
        make(&self.data(name), 0o755)
    }

    /// A volume's files. What a container may have put in the directory's place is followed nowhere.
    pub(crate) fn open_data(&self, name: &VolumeName) -> Result<OwnedFd> {
        open_dir(&self.data(name))
    }

    /// Removes a directory of the root with all that is in it.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        let root = open_dir(&self.root)?;
        gantry_archive::tree::remove(root.as_fd(), name.as_bytes()).map_err(|source| {
            Error::store("remove", self.root.join(name))(io::Error::other(source))
        })
    }

    /// The names in the root.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let read = || -> io::Result<Vec<String>> {
            let entries = std::fs::read_dir(&self.root)?;
            let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
            Ok(names.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect())
        };
        read().map_err(Error::store("read", &self.root))
    }
}

/// Removes what lies beside a volume's files.
pub(crate) fn remove_beside(path: &Path) -> Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let parent = open_dir(parent)?;
    gantry_archive::tree::remove(parent.as_fd(), name.as_encoded_bytes())
        .map_err(|source| Error::store("remove", path)(io::Error::other(source)))
}

/// A directory, whatever the umask is.
pub(crate) fn make(path: &Path, mode: u32) -> Result<()> {
    let made = DirBuilder::new().mode(mode).create(path);
    match made {
        Ok(()) => std::fs::set_permissions(path, PermissionsExt::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => Err(error),
    }
    .map_err(Error::store("make the directory", path))
}

pub(crate) fn open_dir(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    open(path, flags, Mode::empty()).map_err(|error| Error::store("open", path)(error.into()))
}

/// Whether nothing is in it.
pub(crate) fn is_empty(path: &Path) -> Result<bool> {
    let mut entries = std::fs::read_dir(path).map_err(Error::store("read", path))?;
    Ok(entries.next().is_none())
}

/// Its entry in the directory above is on the disk when this returns.
pub(crate) fn flush_dir(path: &Path) -> Result<()> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(Error::store("flush", path))
}
