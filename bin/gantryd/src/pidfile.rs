//! The pidfile: says who runs, and keeps a second daemon away.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Our own pidfile; removed when dropped.
#[derive(Debug)]
pub(crate) struct Pidfile(PathBuf);

impl Pidfile {
    /// Writes the file, unless it names another daemon that still runs.
    pub(crate) fn write(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Pidfile { path: path.to_owned(), source };
        if let Some(pid) = running(path) {
            return Err(Error::StillRunning { pid, path: path.to_owned() });
        }
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(failed)?;
        }
        std::fs::write(path, format!("{}\n", std::process::id())).map_err(failed)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.0.display(), "cannot remove the pidfile");
        }
    }
}

/// The process that the file names, if it runs and is a gantryd: after a crash the number may be somebody else's.
fn running(path: &Path) -> Option<i32> {
    let pid: i32 = std::fs::read_to_string(path).ok()?.trim().parse().ok()?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.trim() == "gantryd" && pid.cast_unsigned() != std::process::id()).then_some(pid)
}
