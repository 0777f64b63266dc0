//! What one daemon has for itself alone: its two roots and its pidfile. Claimed before anything in them is touched,
//! held until the process ends.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::fresh_dirs::FreshDirs;
use crate::lock::{LockFile, Refused};
use crate::settings::Settings;

/// The lock's name in either root. One name, so that nobody's data root is another's exec root.
const LOCK: &str = "gantryd.lock";
/// As the engine makes its roots when it finds none.
const EXEC_ROOT_MODE: u32 = 0o711;
const DATA_ROOT_MODE: u32 = 0o710;
const PIDFILE_DIR_MODE: u32 = 0o755;

/// The locks that keep a second daemon away.
#[derive(Debug, Default)]
pub(crate) struct Claim {
    // Dropped in this order: a directory can go only after the lock in it.
    locks: Vec<(Place, LockFile)>,
    dirs: FreshDirs,
}

/// What is claimed, under the name of the flag that sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    ExecRoot,
    DataRoot,
    Pidfile,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExecRoot => "exec-root",
            Self::DataRoot => "data-root",
            Self::Pidfile => "pidfile",
        })
    }
}

impl Claim {
    /// Locks all three, or none; makes the directories that are missing.
    pub(crate) fn take(settings: &Settings) -> Result<Self, Error> {
        let mut claim = Self::default();
        claim.root(Place::ExecRoot, &settings.engine.exec_root, EXEC_ROOT_MODE)?;
        claim.root(Place::DataRoot, &settings.engine.data_root, DATA_ROOT_MODE)?;
        if let Some(dir) = settings.pidfile.parent() {
            claim.make(dir, PIDFILE_DIR_MODE)?;
        }
        claim.lock(Place::Pidfile, &settings.pidfile, &settings.pidfile)?;
        Ok(claim)
    }

    /// The directories that go again unless the daemon comes up.
    pub(crate) fn dirs(&mut self) -> &mut FreshDirs {
        &mut self.dirs
    }

    fn root(&mut self, place: Place, root: &Path, mode: u32) -> Result<(), Error> {
        self.make(root, mode)?;
        self.lock(place, root, &root.join(LOCK))
    }

    fn make(&mut self, dir: &Path, mode: u32) -> Result<(), Error> {
        let made = self.dirs.make(dir, mode);
        made.map_err(|source| Error::Directory { path: dir.to_owned(), source })
    }

    /// Locks `file`, which stands for `path`.
    fn lock(&mut self, place: Place, path: &Path, file: &Path) -> Result<(), Error> {
        if let Ok(found) = std::fs::metadata(file)
            && let Some((other, _)) = self.locks.iter().find(|(_, lock)| lock.is(&found))
        {
            return Err(Error::SharedPlace { place, other: *other, path: path.to_owned() });
        }
        let lock = LockFile::take(file).map_err(|refused| match refused {
            Refused::Held(pid) => Error::Held { place, path: path.to_owned(), holder: Holder(pid) },
            Refused::Failed(source) => Error::Lock { path: PathBuf::from(file), source },
        })?;
        self.locks.push((place, lock));
        Ok(())
    }
}

/// Another daemon, with its process id when that is known.
#[derive(Debug)]
pub(crate) struct Holder(Option<i32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another gantryd")?;
        self.0.map_or(Ok(()), |pid| write!(f, " (process {pid})"))
    }
}
