//! The gate between `create` and `start`: two fifos beside the container's record.
//!
//! The waiting process holds both open. `start` writes one byte into `exec.fifo`, then reads `exec.status` until its end: the end comes
//! when the process executes its program, because both descriptors are close-on-exec. Before it, the process may leave a failure there.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::io::Errno;

use crate::failure::Failure;

/// The fifos as the waiting process holds them: open for both directions, so that neither end ever blocks or breaks.
#[derive(Debug)]
pub(crate) struct Gate {
    go: File,
    status: File,
}

/// What became of a push at the gate.
#[derive(Debug)]
pub(crate) enum Pushed {
    /// The process went on and executed its program, or died on the way.
    Through,
    Failed(Failure),
    /// No process waits there any more.
    Nobody,
    /// Somebody opened the gate before.
    Again,
}

impl Gate {
    pub(crate) fn make(state_dir: &Path) -> io::Result<Self> {
        Ok(Self {
            go: make_fifo(&go_path(state_dir))?,
            status: make_fifo(&status_path(state_dir))?,
        })
    }

    /// Waits for `start`.
    pub(crate) fn wait(&self) -> io::Result<()> {
        (&self.go).read_exact(&mut [0])
    }

    /// Tells `start` that the program did not come to run.
    pub(crate) fn report(&self, failure: &Failure) -> io::Result<()> {
        // A fifo takes this much at once without blocking.
        (&self.status).write_all(&failure.encode())
    }
}

/// Whether the container still waits to be started.
pub(crate) fn is_closed(state_dir: &Path) -> bool {
    go_path(state_dir).exists()
}

/// Lets the waiting process go, and waits until its program runs or it has failed.
pub(crate) fn push(state_dir: &Path) -> io::Result<Pushed> {
    let flags = OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let go = match open(go_path(state_dir), flags | OFlags::WRONLY, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(Pushed::Again),
        Err(Errno::NXIO) => return Ok(Pushed::Nobody),
        Err(error) => return Err(error.into()),
    };
    let status = open(status_path(state_dir), flags | OFlags::RDONLY, Mode::empty())?;
    // Of two that push at once, one gets to remove the name.
    match rustix::fs::unlink(go_path(state_dir)) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(Pushed::Again),
        Err(error) => return Err(error.into()),
    }
    match (&go).write_all(&[0]) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Pushed::Nobody),
        result => result?,
    }
    let said = read_to_end(status)?;
    Ok(if said.is_empty() { Pushed::Through } else { Pushed::Failed(Failure::decode(&said)) })
}

/// Reads until no process holds the other end.
fn read_to_end(status: OwnedFd) -> io::Result<Vec<u8>> {
    let flags = rustix::fs::fcntl_getfl(&status)?;
    rustix::fs::fcntl_setfl(&status, flags.difference(OFlags::NONBLOCK))?;
    let mut said = Vec::new();
    File::from(status).read_to_end(&mut said)?;
    Ok(said)
}

fn make_fifo(path: &Path) -> io::Result<File> {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::empty())?.into())
}

fn go_path(state_dir: &Path) -> PathBuf {
    state_dir.join("exec.fifo")
}

fn status_path(state_dir: &Path) -> PathBuf {
    state_dir.join("exec.status")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_lets_one_waiter_through_once() {
        let dir = tempfile::tempdir().unwrap();
        let gate = Gate::make(dir.path()).unwrap();
        assert!(is_closed(dir.path()));
        let waiter = std::thread::spawn(move || gate.wait().unwrap());
        assert!(matches!(push(dir.path()).unwrap(), Pushed::Through));
        waiter.join().unwrap();
        assert!(!is_closed(dir.path()));
        assert!(matches!(push(dir.path()).unwrap(), Pushed::Again));
    }

    #[test]
    fn a_failure_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let gate = Gate::make(dir.path()).unwrap();
        let waiter = std::thread::spawn(move || {
            gate.wait().unwrap();
            gate.report(&Failure::invalid("no program")).unwrap();
        });
        assert!(
            matches!(push(dir.path()).unwrap(), Pushed::Failed(f) if f.message == "no program")
        );
        waiter.join().unwrap();
    }

    #[test]
    fn nobody_waits_behind_a_gate_whose_process_has_gone() {
        let dir = tempfile::tempdir().unwrap();
        drop(Gate::make(dir.path()).unwrap());
        assert!(matches!(push(dir.path()).unwrap(), Pushed::Nobody));
    }
}
