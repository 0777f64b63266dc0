//! Something that output is written to and that may fall behind: an attacher's socket or a pipe.

use super::spill::{BLOCK_BYTES, Spill};
use crate::poller::{EventFlags, Poller, Token, Watched};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

/// What a buffer keeps of its capacity when it is empty.
const IDLE_CAPACITY_BYTES: usize = 4096;
/// How long somebody may be behind before the disk takes what memory does not: who reads on at once is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What becomes of bytes when the backlog in memory is full.
#[derive(Debug)]
enum Overflow {
    /// The other side is waited for.
    Waits,
    /// A file in this folder will take them.
    Folder(PathBuf),
    /// They go here as long as there is anything in it; the folder is for the next time.
    File(Spill, PathBuf),
}

#[derive(Debug)]
pub(super) struct Outlet {
    fd: Watched<OwnedFd>,
    backlog: VecDeque<u8>,
    /// A backlog from here on is full.
    limit_bytes: usize,
    overflow: Overflow,
    /// Since when there is a backlog.
    behind_since: Duration,
    /// When it last took something, while there is a backlog.
    last_progress: Duration,
    /// The other side has left.
    broken: bool,
}

impl Outlet {
    /// Over a descriptor that does not block.
    pub(super) fn new(fd: Watched<OwnedFd>, limit_bytes: usize) -> Self {
        Self {
            fd,
            backlog: VecDeque::new(),
            limit_bytes,
            overflow: Overflow::Waits,
            behind_since: Duration::ZERO,
            last_progress: Duration::ZERO,
            broken: false,
        }
    }

    /// From now on what memory does not take goes to a file in this folder, so that nobody waits.
    pub(super) fn overflow_into(&mut self, folder: PathBuf) {
        self.overflow = Overflow::Folder(folder);
    }

    pub(super) fn token(&self) -> Token {
        self.fd.token()
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        self.fd.get()
    }

    pub(super) fn is_full(&self) -> bool {
        match &self.overflow {
            Overflow::File(spill, _) => spill.is_full(),
            _ if self.backlog.len() < self.limit_bytes => false,
            Overflow::Waits => true,
            Overflow::Folder(_) => !self.patience_left(gantry_sys::clock::monotonic()).is_zero(),
        }
    }

    /// Whether its backlog is on the disk.
    pub(super) fn has_overflown(&self) -> bool {
        matches!(self.overflow, Overflow::File(..))
    }

    /// How long a full backlog is waited for until the disk takes the rest; `None` when nothing of that sort is to come.
    pub(super) fn time_to_overflow(&self, now: Duration) -> Option<Duration> {
        let due =
            matches!(self.overflow, Overflow::Folder(_)) && self.backlog.len() >= self.limit_bytes;
        due.then(|| self.patience_left(now))
    }

    fn patience_left(&self, now: Duration) -> Duration {
        (self.behind_since + PATIENCE).saturating_sub(now)
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
            self.behind_since = self.last_progress;
        }
        let data = &data[written.saturating_sub(header.len())..];
        let header = &header[written.min(header.len())..];
        if !self.spill(header, data) {
            self.backlog.extend(header);
            self.backlog.extend(data);
        }
    }

    /// Puts it on the disk, if that is where it belongs. Who cannot be kept up with there is given up: nobody waits for a disk that is
    /// full.
    fn spill(&mut self, header: &[u8], data: &[u8]) -> bool {
        if let Overflow::Folder(folder) = &mut self.overflow
            && self.backlog.len() >= self.limit_bytes
        {
            let folder = std::mem::take(folder);
            // Where no such file can be made, it is as if nobody had asked for it.
            self.overflow =
                Spill::open(&folder).map_or(Overflow::Waits, |spill| Overflow::File(spill, folder));
        }
        let Overflow::File(spill, _) = &mut self.overflow else { return false };
        if spill.put([header, data]).is_err() {
            self.give_up();
        }
        true
    }

    /// Nobody will take anything any more.
    pub(super) fn give_up(&mut self) {
        self.broken = true;
        self.backlog = VecDeque::new();
        self.overflow = Overflow::Waits;
    }

    /// Writes from the backlog.
    pub(super) fn flush(&mut self) {
        while !self.backlog.is_empty() && !self.broken {
            let (front, back) = self.backlog.as_slices();
            match rustix::io::writev(self.fd.get(), &[IoSlice::new(front), IoSlice::new(back)]) {
                Ok(length) => {
                    self.backlog.drain(..length);
                    self.last_progress = gantry_sys::clock::monotonic();
                    self.take_back();
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

    /// When memory is empty the next comes from the disk.
    fn take_back(&mut self) {
        let Overflow::File(spill, folder) = &mut self.overflow else { return };
        if !self.backlog.is_empty() {
            return;
        }
        self.backlog.resize(BLOCK_BYTES, 0);
        let taken = spill.take(self.backlog.make_contiguous());
        self.backlog.truncate(*taken.as_ref().unwrap_or(&0));
        if spill.is_empty() {
            self.overflow = Overflow::Folder(std::mem::take(folder));
            // A new beginning, with the patience of one.
            self.behind_since = self.last_progress;
        }
        // A disk that cannot be read.
        self.broken |= taken.is_err();
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
