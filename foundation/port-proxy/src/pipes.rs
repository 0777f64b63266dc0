//! Pipes between two sockets, kept for the next one who needs one.

use std::io;
use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// Bytes under way in one direction; the kernel may give fewer.
pub(crate) const CAPACITY: usize = 256 << 10;
/// More empty ones are closed.
const MOST_KEPT: usize = 64;

#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) read: OwnedFd,
    pub(crate) write: OwnedFd,
}

#[derive(Debug, Default)]
pub(crate) struct Pipes {
    kept: Vec<Pipe>,
}

impl Pipes {
    pub(crate) fn take(&mut self) -> io::Result<Pipe> {
        if let Some(pipe) = self.kept.pop() {
            return Ok(pipe);
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Beyond the user's limit it stays as it is.
        let _smaller = fcntl_setpipe_size(&write, CAPACITY);
        Ok(Pipe { read, write })
    }

    /// An empty one, for the next.
    pub(crate) fn give_back(&mut self, pipe: Pipe) {
        if self.kept.len() < MOST_KEPT {
            self.kept.push(pipe);
        }
    }
}
