//! Directories that go by the numbers of their descriptors, for options that have no room for paths.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::process::{chdir, fchdir};

use crate::failure::{During, Failure};

/// While this lives, the working directory is one in which the numbers are names.
pub(super) struct Numbered {
    directories: Vec<OwnedFd>,
    /// The working directory to go back to.
    before: OwnedFd,
}

impl Numbered {
    pub(super) fn open(paths: &[String]) -> Result<Self, Failure> {
        let open = |path: &str| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open(path, flags, Mode::empty()).during_with(|| format!("open {path}"))
        };
        let directories = paths.iter().map(|path| open(path)).collect::<Result<_, _>>()?;
        let numbered = Self { directories, before: open(".")? };
        chdir("/proc/self/fd").during("go to /proc/self/fd")?;
        Ok(numbered)
    }

    /// The numbers, separated by colons.
    pub(super) fn list(&self) -> String {
        let number = |directory: &OwnedFd| directory.as_raw_fd().to_string();
        self.directories.iter().map(number).collect::<Vec<_>>().join(":")
    }
}

impl Drop for Numbered {
    fn drop(&mut self) {
        // It was the working directory a moment ago; if it cannot be entered any more, nobody can be told.
        let _gone = fchdir(&self.before);
    }
}
