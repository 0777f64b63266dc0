//! Reading a blob while it is being written: who reads waits for who writes.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How far a writer is. Shared by the writer and its followers.
#[derive(Debug, Default)]
pub(super) struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    written_bytes: u64,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    GivenUp,
}

impl Progress {
    /// More bytes are in the file.
    pub(super) fn written(&self, count: usize) {
        self.lock().written_bytes += count as u64;
        self.changed.notify_all();
    }

    /// No more will come.
    pub(super) fn whole(&self) {
        self.end(End::Whole);
    }

    /// The rest will never come. Says nothing after [`Self::whole`].
    pub(super) fn given_up(&self) {
        self.end(End::GivenUp);
    }

    fn end(&self, end: End) {
        self.lock().end.get_or_insert(end);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is more than `read_bytes`; how much is there, 0 at the end.
    fn wait_for_more(&self, read_bytes: u64) -> io::Result<u64> {
        let mut state = self.lock();
        loop {
            if state.written_bytes > read_bytes {
                return Ok(state.written_bytes - read_bytes);
            }
            match state.end {
                Some(End::Whole) => return Ok(0),
                Some(End::GivenUp) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the transfer was given up",
                    ));
                }
                None => {}
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A reader of what a [`super::BlobWriter`] writes, to its end.
#[derive(Debug)]
pub struct Follower {
    pub(super) file: File,
    pub(super) progress: Arc<Progress>,
    pub(super) read_bytes: u64,
}

impl Read for Follower {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let there = self.progress.wait_for_more(self.read_bytes)?;
        let limit = usize::try_from(there).unwrap_or(usize::MAX).min(buffer.len());
        if limit == 0 {
            return Ok(0);
        }
        let count = self.file.read_at(&mut buffer[..limit], self.read_bytes)?;
        self.read_bytes += count as u64;
        Ok(count)
    }
}
