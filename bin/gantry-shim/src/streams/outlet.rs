//! Something that output is written to and that may fall behind: an attacher's socket or a pipe.

use crate::poller::{EventFlags, Poller, Token, Watched};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// What a buffer keeps of its capacity when it is empty.
const IDLE_CAPACITY_BYTES: usize = 4096;

#[derive(Debug)]
pub(super) struct Outlet {
    fd: Watched<OwnedFd>,
    backlog: VecDeque<u8>,
    /// A backlog from here on is full.
    limit_bytes: usize,
    /// When it last took something, while there is a backlog.
    last_progress: Duration,
    /// The other side has left.
    broken: bool,
}

impl Outlet {
    /// Over a descriptor that does not block.
    pub(super) fn new(fd: Watched<OwnedFd>, limit_bytes: usize) -> Self {
        let last_progress = Duration::ZERO;
        Self { fd, backlog: VecDeque::new(), limit_bytes, last_progress, broken: false }
    }

    pub(super) fn token(&self) -> Token {
        self.fd.token()
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        self.fd.get()
    }

    pub(super) fn is_full(&self) -> bool {
        self.backlog.len() >= self.limit_bytes
    }

    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Since when nothing was taken, while there is a backlog.
    pub(super) fn last_progress(&self) -> Duration {
        self.last_progress
    }

    /// Writes `header` and `data`, and keeps what the other side does not take now.
    pub(super) fn offer(&mut self, header: &[u8], data: &[u8]) {
        if self.broken {
            return;
        }
        let mut written = 0;
        if self.backlog.is_empty() {
            match rustix::io::writev(self.fd.get(), &[IoSlice::new(header), IoSlice::new(data)]) {
                Ok(length) => written = length,
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => {
                    self.broken = true;
                    return;
                }
            }
            if written == header.len() + data.len() {
                return;
            }
            self.last_progress = gantry_sys::clock::monotonic();
        }
        self.backlog.extend(&header[written.min(header.len())..]);
        self.backlog.extend(&data[written.saturating_sub(header.len())..]);
    }

    /// Nobody will take anything any more.
    pub(super) fn give_up(&mut self) {
        self.broken = true;
        self.backlog = VecDeque::new();
    }

    /// Writes from the backlog.
    pub(super) fn flush(&mut self) {
        while !self.backlog.is_empty() && !self.broken {
            let (front, back) = self.backlog.as_slices();
            match rustix::io::writev(self.fd.get(), &[IoSlice::new(front), IoSlice::new(back)]) {
                Ok(length) => {
                    self.backlog.drain(..length);
                    self.last_progress = gantry_sys::clock::monotonic();
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.broken = true,
            }
        }
        if self.broken {
            self.backlog.clear();
        }
        self.backlog.shrink_to(IDLE_CAPACITY_BYTES);
    }

    /// Waits for room when there is a backlog, and for `others` in any case.
    pub(super) fn watch(&mut self, others: Option<EventFlags>, poller: &Poller) {
        let out = self.has_backlog().then_some(EventFlags::OUT);
        let interest = match (out, others) {
            (Some(out), others) => Some(out | others.unwrap_or(EventFlags::empty())),
            (None, others) => others,
        };
        self.fd.watch(poller, interest);
    }

    pub(super) fn unwatch(&mut self, poller: &Poller) {
        self.fd.watch(poller, None);
    }
}
