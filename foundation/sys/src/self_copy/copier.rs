//! A copier that fills the copy and seals it while its maker goes on. It interrupts the work to make a network namespace when it is asked for one:
//! both take the kernel long, and a machine with two processors has one to spare.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};

use crate::aside::Aside;
use crate::net::make_namespace;
use crate::unix_socket::{receive_with_fd, send_with_fd};

/// How much is copied between two looks at what is asked for.
const CHUNK_BYTES: usize = 128 << 10;
const NETWORK: u8 = b'N';
const NOTHING_MORE: u8 = b'E';

/// A copier at work. Dropped, it is waited for.
#[derive(Debug)]
pub(super) struct Copier {
    // Before the copier, which it lets end.
    line: Line,
    aside: Aside<Job>,
}

/// What a copier is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Copy,
    /// And to be asked for a network namespace, or for nothing more.
    CopyAndAnswer,
}

/// The way to ask the copier. It is asked once.
#[derive(Debug)]
struct Line {
    socket: OwnedFd,
    is_asked: bool,
}

#[derive(Debug)]
struct Job {
    from: RawFd,
    to: RawFd,
    length: u64,
    task: Task,
    line: RawFd,
    /// The maker's end of the line. While the copier holds it open, the maker's death does not end the line.
    others_line: RawFd,
}

impl Copier {
    /// Copies `length` bytes between two files, and seals the second. The copier has descriptors of its own of both.
    pub(super) fn start((from, to): (&File, &File), length: u64, task: Task) -> io::Result<Self> {
        let (socket, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let job = Job {
            from: from.as_raw_fd(),
            to: to.as_raw_fd(),
            length,
            task,
            line: theirs.as_raw_fd(),
            others_line: socket.as_raw_fd(),
        };
        let is_asked = task == Task::Copy;
        Ok(Self { line: Line { socket, is_asked }, aside: Aside::start(0, work, job)? })
    }

    /// Asks for a new network namespace; false when it does not wait to be asked.
    pub(super) fn ask_for_network(&mut self) -> io::Result<bool> {
        if self.line.is_asked {
            return Ok(false);
        }
        self.line.ask(NETWORK)?;
        Ok(true)
    }

    /// Waits for it.
    pub(super) fn network(&self) -> io::Result<OwnedFd> {
        let mut errno = [0; size_of::<i32>()];
        match receive_with_fd(self.line.socket.as_fd(), &mut errno)? {
            (_, Some(made)) => Ok(made),
            (0, None) => Err(io::Error::other("the process that was to make it has died")),
            (_, None) => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno))),
        }
    }

    /// Waits for the copier's end; an error when it could not do its work.
    pub(super) fn wait(self) -> io::Result<()> {
        let Self { line, aside } = self;
        drop(line);
        match aside.wait()? {
            (_, 0) => Ok(()),
            _ => Err(io::Error::other("the program's copy could not be completed")),
        }
    }

    /// For a copy of the maker, which has nothing to wait for.
    pub(super) fn forget(self) {
        let Self { mut line, aside } = self;
        line.is_asked = true;
        aside.forget();
    }
}

impl Line {
    fn ask(&mut self, what: u8) -> io::Result<()> {
        self.is_asked = true;
        send_with_fd(self.socket.as_fd(), &[what], None)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Its end would say the same, but a copy of the maker may have another of it.
        if !self.is_asked {
            drop(self.ask(NOTHING_MORE));
        }
    }
}

/// The copier's life.
extern "C" fn work(job: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the maker passes a job that lives as long as this.
    let job = unsafe { &*job.cast::<Job>() };
    match copy(job) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

/// Without the heap: the errors are plain numbers.
fn copy(job: &Job) -> io::Result<()> {
    // SAFETY: the maker's files were open, and these are this process's own copies of their descriptors.
    let from = unsafe { BorrowedFd::borrow_raw(job.from) };
    // SAFETY: as above.
    let to = unsafe { BorrowedFd::borrow_raw(job.to) };
    // SAFETY: the maker may close it, but not this copy.
    let line = unsafe { BorrowedFd::borrow_raw(job.line) };
    // SAFETY: this process's own copy, which nothing of it refers to.
    unsafe { rustix::io::close(job.others_line) };
    let (mut left, mut is_asked) = (job.length, job.task == Task::Copy);
    while left > 0 {
        is_asked = is_asked || answer(line, RecvFlags::DONTWAIT)?;
        let chunk = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        match rustix::fs::sendfile(to, from, None, chunk)? {
            0 => return Err(Errno::IO.into()),
            sent => left = left.saturating_sub(sent as u64),
        }
    }
    super::seal_unmapped(to)?;
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
        Ok(made) => send_with_fd(line, &[0], Some(made.as_fd()))?,
        Err(error) => send_with_fd(line, &error.raw_os_error().to_ne_bytes(), None)?,
    }
    Ok(true)
}
