//! Running programs: another runtime, or a container's logger. Which, with what words, is not decided
//! here. Nothing of the shim's reaches them but what they are given.

use crate::error::Error;
use gantry_sys::clone::{Child, Fork, Namespaces, clone_into};
use gantry_sys::exec::{CStringList, execve};
use gantry_types::SEARCH_PATH;
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A program and what it gets.
pub(crate) struct Program<'a> {
    /// An absolute path.
    pub(crate) path: &'a Path,
    /// Behind the program's name.
    pub(crate) arguments: Vec<OsString>,
    /// `NAME=value`.
    pub(crate) variables: Vec<OsString>,
    pub(crate) directory: &'a Path,
    /// Its descriptors from 0 on; at least three.
    pub(crate) descriptors: Vec<BorrowedFd<'a>>,
}

impl Program<'_> {
    /// Starts it. A program that cannot be executed is an error.
    pub(crate) fn spawn(&self) -> Result<Child, Error> {
        self.try_spawn().map_err(Error::file("run", self.path))
    }

    fn try_spawn(&self) -> io::Result<Child> {
        // Everything is made before the fork.
        let bytes = |text: &OsStr| CString::new(text.as_bytes());
        let path = bytes(self.path.as_os_str())?;
        let directory = bytes(self.directory.as_os_str())?;
        let name = self.path.as_os_str().as_bytes().to_vec();
        let words = self.arguments.iter().map(|word| word.as_bytes().to_vec());
        let arguments = CStringList::new([name].into_iter().chain(words))?;
        let variables =
            CStringList::new(self.variables.iter().map(|entry| entry.as_bytes().to_vec()))?;
        // Closed by a successful exec, else it says why there was none.
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let child = match clone_into(Namespaces::NONE, None)? {
            Fork::Parent(child) => child,
            Fork::Child => {
                let least = i32::try_from(self.descriptors.len()).unwrap_or(i32::MAX);
                // Out of the way of the numbers that are handed over.
                if let Ok(writer) = rustix::io::fcntl_dupfd_cloexec(&writer, least) {
                    let error = match self.prepare(&directory) {
                        Ok(()) => execve(&path, &arguments, &variables),
                        Err(error) => error,
                    };
                    let code = error.raw_os_error().unwrap_or(0).to_ne_bytes();
                    // The parent may be gone; there is nobody else to tell.
                    rustix::io::write(&writer, &code).unwrap_or_default();
                }
                gantry_sys::process::exit_now(127);
            }
        };
        drop(writer);
        let mut code = [0; 4];
        match rustix::io::retry_on_intr(|| rustix::io::read(&reader, &mut code)) {
            Ok(4) => {
                drop(gantry_sys::pidfd::wait(child.pidfd.as_fd()));
                Err(io::Error::from_raw_os_error(i32::from_ne_bytes(code)))
            }
            _ => Ok(child),
        }
    }

    /// The child's steps before it becomes the program.
    fn prepare(&self, directory: &CStr) -> io::Result<()> {
        gantry_sys::signals::reset_all()?;
        rustix::process::chdir(directory)?;
        gantry_sys::fds::hand_over(0, &self.descriptors)
    }
}

/// A stream for those who have none.
pub(crate) fn open_null() -> Result<OwnedFd, Error> {
    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(Error::errno("open /dev/null"))
}

/// The program that a name means: a path as it is, else the first in the search path.
pub(crate) fn find(name: &str) -> Result<PathBuf, Error> {
    let path = Path::new(name);
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    if name.contains('/') {
        let reason = format!("the runtime's program {name} is neither a name nor an absolute path");
        return Err(Error::Invalid { reason });
    }
    let executable = |path: &PathBuf| {
        rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
    };
    let search = std::env::var_os("PATH").unwrap_or_else(|| OsString::from(SEARCH_PATH));
    std::env::split_paths(&search)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(executable)
        .ok_or_else(|| Error::NoProgram { name: name.to_owned() })
}
