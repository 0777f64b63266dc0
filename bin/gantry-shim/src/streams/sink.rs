//! A pipe that output goes into: a named pipe as containerd makes it, or a logger's. Bytes are moved by
//! the kernel where it can (`splice(2)`), else copied.
//!
//! Of a named pipe the shim holds both ends while the process lives: without a reader there is neither an
//! error nor an end, and what was written waits for the next one. When the output has ended the shim lets
//! go of the reading end, so that the reader sees the end behind the last byte. If then nobody reads and
//! something is left, the shim keeps it for a reader who comes, until the process is deleted.

use super::outlet::Outlet;
use crate::error::Error;
use crate::poller::{Event, EventFlags, Poller, Token, Watched};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, splice};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// What a reader may fall behind, besides the pipe itself.
const BACKLOG_BYTES: usize = 64 * 1024;
/// What is moved at once.
const SPLICE_BYTES: usize = 64 * 1024;
/// What came at once has to be so much that the next is moved and not copied: a moved piece takes a whole
/// page of the pipe, however small it is, and few lines would fill it.
const BULK_BYTES: usize = 4096;
/// The pipe's size when its process has ended and its reader is behind: room for a full pipe and a full
/// backlog, so that nobody has to wait for the reader.
const LAST_PIPE_BYTES: usize = 256 * 1024;
/// How often a pipe without a reader is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Sink {
    outlet: Outlet,
    /// The reading end of a named pipe, from which nothing is ever read.
    holder: Option<OwnedFd>,
    kind: Kind,
    /// Much came at once the last time.
    is_bulk: bool,
    /// The output has ended.
    ended: bool,
    /// The process was deleted.
    forgotten: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Named,
    Loggers,
}

/// How a move of bytes went.
pub(super) enum Moved {
    Some,
    /// The process's pipe has ended.
    End,
    /// There is nothing, or no room, or the kernel cannot.
    Copy,
}

impl Sink {
    pub(super) fn named(path: &Path, poller: &mut Poller) -> Result<Self, Error> {
        // The reader first: opening the writing end of a pipe without readers is refused.
        let holder = super::input::open_fifo(path, OFlags::RDONLY)?;
        let writer = super::input::open_fifo(path, OFlags::WRONLY)?;
        Ok(Self::new(writer, Some(holder), Kind::Named, poller))
    }

    pub(super) fn loggers(pipe: OwnedFd, poller: &mut Poller) -> Self {
        // Only a closed descriptor can fail here.
        rustix::io::ioctl_fionbio(&pipe, true).unwrap_or_default();
        Self::new(pipe, None, Kind::Loggers, poller)
    }

    fn new(pipe: OwnedFd, holder: Option<OwnedFd>, kind: Kind, poller: &mut Poller) -> Self {
        let outlet = Outlet::new(Watched::new(poller, pipe), BACKLOG_BYTES);
        Self { outlet, holder, kind, is_bulk: false, ended: false, forgotten: false }
    }

    pub(super) fn token(&self) -> Token {
        self.outlet.token()
    }

    pub(super) fn is_full(&self) -> bool {
        self.outlet.is_full()
    }

    pub(super) fn offer(&mut self, data: &[u8]) {
        self.is_bulk = data.len() >= BULK_BYTES;
        self.outlet.offer(&[], data);
    }

    /// Moves what `source`, a pipe, holds, if nothing else has to go first.
    pub(super) fn splice_from(&mut self, source: &OwnedFd) -> Moved {
        if !self.is_bulk || self.outlet.has_backlog() || self.outlet.is_broken() {
            return Moved::Copy;
        }
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        match splice(source, None, self.outlet.fd(), None, SPLICE_BYTES, flags) {
            Ok(0) => Moved::End,
            Ok(length) => {
                self.is_bulk = length >= BULK_BYTES;
                Moved::Some
            }
            // Full or empty is told by the copy, and so is a reader that left.
            Err(_) => Moved::Copy,
        }
    }

    /// Something happened at the pipe.
    pub(super) fn handle(&mut self, event: Event) {
        match self.kind {
            // Its reader may be leaving at this moment: what is written shall wait for the next.
            Kind::Named => {
                if self.holder.is_none() {
                    self.hold();
                }
                self.outlet.flush();
            }
            Kind::Loggers if event.flags.contains(EventFlags::ERR) => self.outlet.give_up(),
            Kind::Loggers => self.outlet.flush(),
        }
    }

    /// No more output will come.
    pub(super) fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) && self.outlet.has_backlog() {
            // Without the right to so much the reader is waited for.
            rustix::pipe::fcntl_setpipe_size(self.outlet.fd(), LAST_PIPE_BYTES).unwrap_or_default();
            self.outlet.flush();
        }
    }

    pub(super) fn forget(&mut self) {
        self.forgotten = true;
    }

    /// Whether nothing is left for it to do: everything is with a reader, or nobody will ever read it.
    pub(super) fn is_over(&mut self) -> bool {
        if self.outlet.is_broken() {
            return true;
        }
        if !self.ended {
            return false;
        }
        self.holder = None;
        if self.has_reader() {
            return !self.outlet.has_backlog();
        }
        let is_empty = !self.outlet.has_backlog() && self.holds_nothing();
        if is_empty || self.forgotten || self.kind == Kind::Loggers {
            return true;
        }
        self.hold();
        false
    }

    /// When [`Sink::is_over`] should be asked again although nothing happened.
    pub(super) fn look_again(&self) -> Option<Duration> {
        (self.ended && self.holder.is_some()).then_some(LOOK_AGAIN)
    }

    /// Waits for room when there is a backlog.
    pub(super) fn watch(&mut self, poller: &Poller) {
        // A logger that ends is heard of in any case; so is the last reader of a pipe whose end we gave up.
        let leaving = (self.kind == Kind::Loggers || (self.ended && self.holder.is_none()))
            .then_some(EventFlags::empty());
        self.outlet.watch(leaving, poller);
    }

    pub(super) fn unwatch(&mut self, poller: &Poller) {
        self.outlet.unwatch(poller);
    }

    /// Whether anybody, we included, has the reading end open.
    fn has_reader(&self) -> bool {
        let mut fds = [PollFd::new(self.outlet.fd(), PollFlags::empty())];
        loop {
            match poll(&mut fds, Some(&Timespec::default())) {
                Err(Errno::INTR) => {}
                _ => return !fds[0].revents().contains(PollFlags::ERR),
            }
        }
    }

    fn holds_nothing(&self) -> bool {
        rustix::io::ioctl_fionread(self.outlet.fd()).is_ok_and(|bytes| bytes == 0)
    }

    /// Takes the reading end again. What is in the pipe stays there, since its other end is ours.
    fn hold(&mut self) {
        let path = format!("/proc/self/fd/{}", self.outlet.fd().as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        // Without it a write fails, and the pipe is given up.
        self.holder = rustix::fs::open(path, flags, Mode::empty()).ok();
    }
}
