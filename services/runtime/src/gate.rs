//! The gate between `create` and `start`: two fifos beside the container's record.
//!
//! The waiting process holds both open. `start` writes one byte into `exec.fifo`, then reads `exec.status` until its end: the end comes
//! when the process executes its program, because both descriptors are close-on-exec. Before it, the process may leave a failure there.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, flock, mknodat, open};
use rustix::io::Errno;

use crate::channel::{Channel, Word};
use crate::failure::Failure;

/// Names in the state directory.
pub(crate) const GO_NAME: &str = "exec.fifo";
pub(crate) const STATUS_NAME: &str = "exec.status";

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
    /// No process waits there any more: it has died, or somebody who opened the gate before has.
    Nobody,
    /// Somebody opened the gate before, or is about to.
    Again,
}

impl Gate {
    pub(crate) fn make(state_dir: &Path) -> io::Result<Self> {
        Ok(Self {
            go: make_fifo(&go_path(state_dir))?,
            status: make_fifo(&status_path(state_dir))?,
        })
    }

    /// What the waiting process needs of the gate.
    pub(crate) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.go.as_fd(), self.status.as_fd()]
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

/// How a container gets from being created to being started.
#[derive(Debug)]
pub(crate) enum Beginning {
    /// Whoever finds the container's record starts it.
    AtGate(Gate),
    /// Its creator does. Without the lock where the record cannot be locked.
    ByCreator(Option<Hold>),
    /// Nobody has to: it goes on when all is set up.
    AtOnce(Hold),
}

impl Beginning {
    /// Whether the process has a copy of the lock on the record.
    pub(crate) fn holds_record(&self) -> bool {
        matches!(self, Self::ByCreator(Some(_)) | Self::AtOnce(_))
    }
}

/// A lock on the record, which a process that does not wait at a gate shares with its maker until it executes its program or ends: the
/// record names it before.
#[derive(Debug)]
pub(crate) struct Hold(File);

impl Hold {
    /// Before the record names a process.
    pub(crate) fn take(record: &Path) -> io::Result<Self> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = open(record, flags, Mode::RUSR | Mode::WUSR)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self(file.into()))
    }

    /// Lets go for the process too, whose program runs. It closes its end of the channel and its copy of the lock when it executes that,
    /// but one after the other: whoever hears of the first may look at the record before the second.
    pub(crate) fn release(self) -> io::Result<()> {
        Ok(flock(&self.0, FlockOperation::Unlock)?)
    }

    pub(crate) fn is_held(record: &Path) -> io::Result<bool> {
        let file = open(record, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::AGAIN) => Ok(true),
            locked => locked.map(|()| false).map_err(io::Error::from),
        }
    }
}

/// What a process waits for when all is set up.
pub(crate) enum Waiting<'a> {
    AtGate(&'a Gate),
    /// The word of its creator, at the other end of this channel.
    ForCreator(Channel, Option<&'a Hold>),
    /// Nothing; its creator hears of a failure.
    ForNobody(Channel, &'a Hold),
}

impl<'a> Waiting<'a> {
    pub(crate) fn new(beginning: &'a Beginning, channel: Channel) -> Self {
        match beginning {
            Beginning::AtGate(gate) => Self::AtGate(gate),
            Beginning::ByCreator(hold) => Self::ForCreator(channel, hold.as_ref()),
            Beginning::AtOnce(hold) => Self::ForNobody(channel, hold),
        }
    }

    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Self::AtGate(gate) => gate.descriptors().to_vec(),
            Self::ForCreator(channel, None) => vec![channel.as_fd()],
            Self::ForCreator(channel, Some(hold)) | Self::ForNobody(channel, hold) => {
                vec![hold.0.as_fd(), channel.as_fd()]
            }
        }
    }

    pub(crate) fn wait(&self) -> io::Result<()> {
        match self {
            Self::AtGate(gate) => gate.wait(),
            Self::ForCreator(channel, _) => match channel.receive()? {
                Word::Go => Ok(()),
                // A container whose creator dies before its start has nobody to start it.
                _ => Err(io::ErrorKind::BrokenPipe.into()),
            },
            Self::ForNobody(..) => Ok(()),
        }
    }

    /// Tells whoever started the process that the program did not come to run.
    pub(crate) fn report(&self, failure: Failure) -> io::Result<()> {
        match self {
            Self::AtGate(gate) => gate.report(&failure),
            Self::ForCreator(channel, _) | Self::ForNobody(channel, _) => {
                channel.send(&Word::Failed(failure))
            }
        }
    }
}

/// Whether the container still waits to be started. Not the name counts but who waits behind it: a `start` may have been killed before
/// it could remove the name.
pub(crate) fn is_closed(state_dir: &Path) -> bool {
    open(go_path(state_dir), PUSHER | OFlags::WRONLY, Mode::empty()).is_ok()
}

/// Never waits for the other end.
const PUSHER: OFlags = OFlags::NONBLOCK.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// Lets the waiting process go, and waits until its program runs or it has failed.
///
/// Whoever is killed on the way leaves a gate that the next can push: the process is told first, and the name goes last.
pub(crate) fn push(state_dir: &Path) -> io::Result<Pushed> {
    let status = match open(status_path(state_dir), PUSHER | OFlags::RDONLY, Mode::empty()) {
        // Its creator starts it.
        Err(Errno::NOENT) => return Ok(Pushed::Again),
        opened => opened?,
    };
    // Of two that push at once one does. The lock ends with its holder, however that ends.
    match flock(&status, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::AGAIN) => return Ok(Pushed::Again),
        locked => locked?,
    }
    let go = match open(go_path(state_dir), PUSHER | OFlags::WRONLY, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(Pushed::Again),
        Err(Errno::NXIO) => return Ok(Pushed::Nobody),
        Err(error) => return Err(error.into()),
    };
    match (&go).write_all(&[0]) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Pushed::Nobody),
        result => result?,
    }
    let said = read_to_end(status)?;
    match rustix::fs::unlink(go_path(state_dir)) {
        // The container may have been deleted meanwhile.
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
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
    state_dir.join(GO_NAME)
}

fn status_path(state_dir: &Path) -> PathBuf {
    state_dir.join(STATUS_NAME)
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
    fn a_record_is_held_until_the_hold_is_released_whoever_has_a_copy() {
        let dir = tempfile::tempdir().unwrap();
        let record = dir.path().join("record");
        let hold = Hold::take(&record).unwrap();
        assert!(Hold::is_held(&record).unwrap());
        let of_the_process = Hold(hold.0.try_clone().unwrap());
        hold.release().unwrap();
        assert!(!Hold::is_held(&record).unwrap());
        drop(of_the_process);
    }

    #[test]
    fn a_record_is_held_until_all_copies_of_the_hold_are_gone() {
        let dir = tempfile::tempdir().unwrap();
        let record = dir.path().join("record");
        let hold = Hold::take(&record).unwrap();
        let of_the_process = Hold(hold.0.try_clone().unwrap());
        drop(hold);
        assert!(Hold::is_held(&record).unwrap());
        drop(of_the_process);
        // A process that another test is just making has a copy too, until it executes its program.
        let is_free = (0..10_000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            !Hold::is_held(&record).unwrap()
        });
        assert!(is_free);
    }

    #[test]
    fn a_push_that_was_cut_short_can_be_made_good() {
        let dir = tempfile::tempdir().unwrap();
        let gate = Gate::make(dir.path()).unwrap();
        // What a pusher that is killed right after its word leaves: the name.
        let go = open(go_path(dir.path()), PUSHER | OFlags::WRONLY, Mode::empty()).unwrap();
        File::from(go).write_all(&[0]).unwrap();
        gate.wait().unwrap();
        assert!(is_closed(dir.path()), "the process has not executed anything yet");
        let waiter = std::thread::spawn(move || drop(gate));
        assert!(matches!(push(dir.path()).unwrap(), Pushed::Through | Pushed::Nobody));
        waiter.join().unwrap();
        assert!(!is_closed(dir.path()));
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
