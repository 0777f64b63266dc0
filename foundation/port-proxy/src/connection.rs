//! One TCP connection: from a caller to a container and back, each way by a pipe of its own.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::{
    set_socket_keepalive, set_socket_linger, set_tcp_nodelay, socket_error,
};
use rustix::net::{
    AddressFamily, Shutdown, SocketFlags, SocketType, connect, shutdown, socket_with,
};
use rustix::pipe::{SpliceFlags, splice};

use crate::Limits;
use crate::pipes::{CAPACITY, Pipe, Pipes};

/// Rounds of one connection before the others have their turn.
const ROUNDS: usize = 16;

#[derive(Debug)]
pub(crate) struct Connection {
    /// The port that it came to.
    pub(crate) port: u64,
    pub(crate) caller: OwnedFd,
    pub(crate) container: OwnedFd,
    there: Way,
    back: Way,
    is_connected: bool,
    /// When a socket had news.
    last: Instant,
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    pipe: Option<Pipe>,
    /// Bytes in the pipe.
    held: usize,
    /// The source has said all.
    has_ended: bool,
    /// The destination knows.
    is_done: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Until a socket has news.
    Waits,
    /// There is more to do right now.
    GoesOn,
    /// Both sides have said all.
    Ended,
}

impl Connection {
    /// Begins to call the container.
    pub(crate) fn begin(port: u64, caller: OwnedFd, backend: SocketAddr) -> io::Result<Self> {
        let family = if backend.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let container = socket_with(family, SocketType::STREAM, flags, None)?;
        for socket in [&caller, &container] {
            set_tcp_nodelay(socket, true)?;
            set_socket_keepalive(socket, true)?;
        }
        match connect(&container, &backend) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => {
                reset(&caller);
                return Err(errno.into());
            }
        }
        let (there, back) = (Way::default(), Way::default());
        let last = Instant::now();
        Ok(Self { port, caller, container, there, back, is_connected: false, last })
    }

    /// Moves what can be moved.
    ///
    /// # Errors
    /// One side failed: both are to be reset.
    pub(crate) fn advance(&mut self, pipes: &mut Pipes) -> io::Result<Progress> {
        self.last = Instant::now();
        if !self.is_connected {
            socket_error(&self.container)??;
            if rustix::net::getpeername(&self.container).is_err() {
                return Ok(Progress::Waits);
            }
            self.is_connected = true;
        }
        let there = self.there.advance(&self.caller, &self.container, pipes)?;
        let back = self.back.advance(&self.container, &self.caller, pipes)?;
        Ok(match (there, back) {
            (Progress::Ended, Progress::Ended) => Progress::Ended,
            (Progress::GoesOn, _) | (_, Progress::GoesOn) => Progress::GoesOn,
            _ => Progress::Waits,
        })
    }

    /// Whether it may go when its place is needed.
    pub(crate) fn is_stale(&self, limits: &Limits) -> bool {
        let is_half_closed = self.there.is_done || self.back.is_done;
        let most = if is_half_closed { limits.half_closed } else { limits.quiet };
        self.last.elapsed() >= most
    }

    /// Tells both sides that what they sent may be lost.
    pub(crate) fn reset(&self) {
        reset(&self.caller);
        reset(&self.container);
    }
}

fn reset(socket: &OwnedFd) {
    // Without it, the close says that all was sent; nothing more can be done about that.
    set_socket_linger(socket, Some(Duration::ZERO)).unwrap_or_default();
}

impl Way {
    fn advance(&mut self, from: &OwnedFd, to: &OwnedFd, pipes: &mut Pipes) -> io::Result<Progress> {
        for _ in 0..ROUNDS {
            if self.is_done {
                return Ok(Progress::Ended);
            }
            let moved = self.fill(from, pipes)? | self.empty(to)?;
            if self.held == 0 {
                if let Some(pipe) = self.pipe.take() {
                    pipes.give_back(pipe);
                }
                if self.has_ended {
                    // Who is gone already needs not be told.
                    shutdown(to, Shutdown::Write).unwrap_or_default();
                    self.is_done = true;
                }
            }
            if !moved {
                return Ok(if self.is_done { Progress::Ended } else { Progress::Waits });
            }
        }
        Ok(Progress::GoesOn)
    }

    /// Whether anything came, the end included.
    fn fill(&mut self, from: &OwnedFd, pipes: &mut Pipes) -> io::Result<bool> {
        if self.has_ended || self.held >= CAPACITY {
            return Ok(false);
        }
        let pipe = match self.pipe.take() {
            Some(pipe) => pipe,
            None => pipes.take()?,
        };
        let pipe = self.pipe.insert(pipe);
        match move_bytes(from, &pipe.write, CAPACITY - self.held)? {
            None => Ok(false),
            Some(0) => {
                self.has_ended = true;
                Ok(true)
            }
            Some(count) => {
                self.held += count;
                Ok(true)
            }
        }
    }

    fn empty(&mut self, to: &OwnedFd) -> io::Result<bool> {
        let (Some(pipe), 1..) = (&self.pipe, self.held) else { return Ok(false) };
        let Some(count) = move_bytes(&pipe.read, to, self.held)? else { return Ok(false) };
        self.held = self.held.saturating_sub(count);
        Ok(count > 0)
    }
}

/// None when it would have to wait.
fn move_bytes(from: impl AsFd, to: impl AsFd, most: usize) -> io::Result<Option<usize>> {
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    match rustix::io::retry_on_intr(|| splice(&from, None, &to, None, most, flags)) {
        Ok(count) => Ok(Some(count)),
        Err(Errno::AGAIN) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}
