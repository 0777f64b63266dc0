//! A copier that fills the copy and seals it while its maker goes on. It interrupts the work to make a network namespace when it is asked for one:
//! both take the kernel long, and a machine with two processors has one to spare.
//!
//! It has its own memory: with its maker's each change of that would have to be told to the processor that it works on.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};
use rustix::process::Pid;

use super::blank::Blank;
use crate::clone::{Child, Fork, fork_for_calls};
use crate::net::make_namespace;
use crate::unix_socket::{receive_with_fd, send_with_fd};
use crate::{pidfd, process, schedule};

/// How much is copied between two looks at what is asked for, and when nothing will be any more.
const CHUNK_BYTES: usize = 128 << 10;
const LARGE_CHUNK_BYTES: usize = 1 << 20;
// What the maker says.
const NETWORK: u8 = b'N';
const NOTHING_MORE: u8 = b'E';
// What the copier says: that the copy is sealed, the namespace, or the number of the error instead.
const SEALED: u8 = b'S';
const MADE: u8 = b'M';
const REFUSED: u8 = b'R';

/// A copier at work. Dropped, it is waited for.
#[derive(Debug)]
pub(super) struct Copier {
    socket: OwnedFd,
    /// It is asked once.
    is_asked: bool,
    is_sealed: bool,
    /// None in a duplicate of the maker.
    child: Option<Child>,
}

/// What a copier is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Copy,
    /// And to be asked for a network namespace, or for nothing more.
    CopyAndAnswer,
}

/// What the copier says.
enum Word {
    Sealed,
    Made(OwnedFd),
    Refused(Errno),
}

impl Copier {
    /// Copies `length` bytes of a file, and seals the copy, which only the copier can write then.
    pub(super) fn start((from, to): (&File, Blank), length: u64, task: Task) -> io::Result<Self> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let idle = schedule::idle_processors();
        let is_asked = task == Task::Copy;
        let child = match fork_for_calls()? {
            Fork::Child => {
                // While the copier holds it open, the maker's death does not end the line.
                drop(ours);
                let copied = copy((from.as_fd(), &to), length, (theirs.as_fd(), is_asked));
                process::exit_now(copied.is_err().into())
            }
            Fork::Parent(child) => child,
        };
        if let (Some(worker), Some(idle)) = (Pid::from_raw(child.pid), idle) {
            schedule::keep_on(worker, &idle);
        }
        Ok(Self { socket: ours, is_asked, is_sealed: false, child: Some(child) })
    }

    /// Asks for a new network namespace; false when it does not wait to be asked.
    pub(super) fn ask_for_network(&mut self) -> io::Result<bool> {
        if self.is_asked {
            return Ok(false);
        }
        self.ask(NETWORK)?;
        Ok(true)
    }

    /// Waits for it.
    pub(super) fn network(&mut self) -> io::Result<OwnedFd> {
        loop {
            match self.hear()? {
                Word::Sealed => self.is_sealed = true,
                Word::Made(namespace) => return Ok(namespace),
                Word::Refused(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until the copy is sealed.
    pub(super) fn wait_sealed(&mut self) -> io::Result<()> {
        self.ask_nothing_more();
        while !self.is_sealed {
            // Nobody wants a namespace any more.
            self.is_sealed = matches!(self.hear()?, Word::Sealed);
        }
        Ok(())
    }

    /// For a copy of the maker, which has nothing to wait for.
    pub(super) fn forget(mut self) {
        self.child = None;
    }

    fn ask(&mut self, what: u8) -> io::Result<()> {
        self.is_asked = true;
        send_with_fd(self.socket.as_fd(), &[what], None)
    }

    /// The end of the line would say the same, but a copy of the maker may have another of it.
    fn ask_nothing_more(&mut self) {
        if !self.is_asked {
            // One that has died does not wait.
            self.ask(NOTHING_MORE).ok();
        }
    }

    fn hear(&self) -> io::Result<Word> {
        let mut words = [0; 1 + size_of::<i32>()];
        match receive_with_fd(self.socket.as_fd(), &mut words)? {
            (1, None) if words[0] == SEALED => Ok(Word::Sealed),
            (1, Some(made)) if words[0] == MADE => Ok(Word::Made(made)),
            (5, None) if words[0] == REFUSED => {
                let [_, number @ ..] = words;
                Ok(Word::Refused(Errno::from_raw_os_error(i32::from_ne_bytes(number))))
            }
            _ => Err(io::Error::other("the process that copies the program has died")),
        }
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            self.ask_nothing_more();
            drop(pidfd::wait(child.pidfd.as_fd()));
        }
    }
}

/// The copier's life, without the heap.
fn copy(
    (from, to): (BorrowedFd<'_>, &Blank),
    length: u64,
    (line, mut is_asked): (BorrowedFd<'_>, bool),
) -> io::Result<()> {
    let writer = to.writer()?;
    let mut left = length;
    while left > 0 {
        is_asked = is_asked || answer(line, RecvFlags::DONTWAIT)?;
        let most = if is_asked { LARGE_CHUNK_BYTES } else { CHUNK_BYTES };
        let chunk = usize::try_from(left).unwrap_or(usize::MAX).min(most);
        match rustix::fs::sendfile(&writer, from, None, chunk)? {
            0 => return Err(Errno::IO.into()),
            sent => left = left.saturating_sub(sent as u64),
        }
    }
    to.seal(writer)?;
    send_with_fd(line, &[SEALED], None)?;
    while !is_asked {
        is_asked = answer(line, RecvFlags::empty())?;
    }
    Ok(())
}

/// Does what is asked for, if anything is; false when nothing was.
fn answer(line: BorrowedFd<'_>, flags: RecvFlags) -> io::Result<bool> {
    let mut word = [0];
    match recv(line, &mut word, flags) {
        Ok((1, _)) if word == [NETWORK] => {}
        Ok(_) => return Ok(true),
        Err(Errno::AGAIN | Errno::INTR) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    match make_namespace() {
        Ok(made) => send_with_fd(line, &[MADE], Some(made.as_fd()))?,
        Err(error) => {
            let [a, b, c, d] = error.raw_os_error().to_ne_bytes();
            send_with_fd(line, &[REFUSED, a, b, c, d], None)?;
        }
    }
    Ok(true)
}
