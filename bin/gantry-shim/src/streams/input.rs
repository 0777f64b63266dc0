//! A process's input: from attachers or a named pipe into its stdin, never more than it takes.

use super::{is_hang_up, watched};
use crate::error::Error;
use crate::poller::{Event, EventFlags, Poller, Token, Watched};
use gantry_shim_protocol::stdio;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::Path;

/// How much is on its way at once.
pub(super) const BLOCK_BYTES: usize = 16 * 1024;

#[derive(Debug)]
enum Source {
    Null,
    Attachers { once: bool },
    Fifo(Fifo),
}

/// A named pipe that somebody writes into.
#[derive(Debug)]
struct Fifo {
    reader: Option<Watched<OwnedFd>>,
    /// Keeps the pipe from ending when its writer goes away; dropped by [`Input::close`].
    holder: Option<OwnedFd>,
}

/// Where the process's end stands.
#[derive(Debug)]
enum Sink {
    /// The process is not there yet.
    Awaited,
    Open(Watched<OwnedFd>),
    Closed,
}

#[derive(Debug)]
pub(super) struct Input {
    source: Source,
    sink: Sink,
    /// What the process has not taken yet.
    pending: Vec<u8>,
    /// Close when nothing is pending.
    ending: bool,
}

impl Input {
    pub(super) fn open(uri: &str, poller: &mut Poller) -> Result<Self, Error> {
        let source = match stdio::Input::parse(uri)? {
            stdio::Input::Null => Source::Null,
            stdio::Input::Relay { once } => Source::Attachers { once },
            stdio::Input::Fifo(path) => {
                // The reader first: opening the writing end of a pipe without readers is refused.
                let reader = open_fifo(&path, OFlags::RDONLY)?;
                let holder = open_fifo(&path, OFlags::WRONLY)?;
                let reader = Some(Watched::new(poller, reader));
                Source::Fifo(Fifo { reader, holder: Some(holder) })
            }
        };
        Ok(Self { source, sink: Sink::Awaited, pending: Vec::new(), ending: false })
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.source, Source::Null)
    }

    pub(super) fn is_relay(&self) -> bool {
        matches!(self.source, Source::Attachers { .. })
    }

    /// Takes our end of the process's stdin.
    pub(super) fn connect(&mut self, fd: OwnedFd, poller: &mut Poller) -> Result<(), Error> {
        // It may have been closed before the process was there.
        if matches!(self.sink, Sink::Awaited) && !self.ending {
            self.sink = Sink::Open(watched(fd, poller)?);
        }
        Ok(())
    }

    /// Waits for another process.
    pub(super) fn disconnect(&mut self, poller: &Poller) {
        if matches!(self.sink, Sink::Open(_))
            && let Sink::Open(fd) = std::mem::replace(&mut self.sink, Sink::Awaited)
        {
            drop(fd.release(poller));
        }
    }

    pub(super) fn owns(&self, token: Token) -> bool {
        let fifo = match &self.source {
            Source::Fifo(Fifo { reader: Some(reader), .. }) => reader.token() == token,
            _ => false,
        };
        fifo || matches!(&self.sink, Sink::Open(fd) if fd.token() == token)
    }

    /// Whether the process would take input now.
    pub(super) fn can_take(&self) -> bool {
        matches!(self.sink, Sink::Open(_)) && self.pending.is_empty() && !self.ending
    }

    /// Whether the process may take input now or later.
    pub(super) fn may_take(&self) -> bool {
        !matches!(self.sink, Sink::Closed) && !self.ending && !self.is_null()
    }

    /// Passes `bytes` on; call it only when [`Input::can_take`].
    pub(super) fn put(&mut self, bytes: &[u8], poller: &Poller) {
        self.pending.extend_from_slice(bytes);
        self.flush(poller);
    }

    pub(super) fn handle(&mut self, event: Event, buffer: &mut [u8], poller: &Poller) {
        if matches!(&self.sink, Sink::Open(fd) if fd.token() == event.token) {
            self.flush(poller);
            // The process closed its end; what is pending has nowhere to go.
            if is_hang_up(event.flags) {
                self.abandon(poller);
            }
            return;
        }
        let Source::Fifo(fifo) = &mut self.source else {
            return;
        };
        let limit = buffer.len().min(BLOCK_BYTES);
        let read = match &fifo.reader {
            Some(reader) => rustix::io::read(reader.get(), &mut buffer[..limit]),
            None => return,
        };
        match read {
            Ok(0) => self.close(poller),
            Ok(length) => self.put(&buffer[..length], poller),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.close(poller),
        }
    }

    /// An attacher's input has ended.
    pub(super) fn attacher_ended(&mut self, poller: &Poller) {
        if matches!(self.source, Source::Attachers { once: true }) {
            self.close(poller);
        }
    }

    /// Ends the input behind what is on its way.
    pub(super) fn close(&mut self, poller: &Poller) {
        if let Source::Fifo(fifo) = &mut self.source
            && fifo.holder.take().is_some()
        {
            // What stands in the pipe comes first; its end is read like that of any pipe.
            return;
        }
        self.ending = true;
        self.flush(poller);
    }

    /// Ends the input now.
    pub(super) fn abandon(&mut self, poller: &Poller) {
        if let Source::Fifo(fifo) = &mut self.source {
            fifo.holder = None;
            if let Some(reader) = fifo.reader.take() {
                drop(reader.release(poller));
            }
        }
        if let Sink::Open(fd) = std::mem::replace(&mut self.sink, Sink::Closed) {
            drop(fd.release(poller));
        }
        self.pending = Vec::new();
    }

    fn flush(&mut self, poller: &Poller) {
        let Sink::Open(fd) = &self.sink else {
            if self.ending {
                self.abandon(poller);
            }
            return;
        };
        while !self.pending.is_empty() {
            match rustix::io::write(fd.get(), &self.pending) {
                Ok(length) => drop(self.pending.drain(..length)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => return self.abandon(poller),
            }
        }
        if self.ending {
            self.abandon(poller);
        }
    }

    pub(super) fn update_interest(&mut self, poller: &Poller) {
        let can_take = self.can_take();
        if let Source::Fifo(Fifo { reader: Some(reader), .. }) = &mut self.source {
            reader.watch(poller, can_take.then_some(EventFlags::IN));
        }
        if let Sink::Open(fd) = &mut self.sink {
            // Without OUT this still hears of the process closing its end.
            let flags = if self.pending.is_empty() { EventFlags::empty() } else { EventFlags::OUT };
            fd.watch(poller, Some(flags));
        }
    }
}

/// A named pipe; anything else at `path` is refused, and a missing one is not made.
pub(super) fn open_fifo(path: &Path, access: OFlags) -> Result<OwnedFd, Error> {
    let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let fd = rustix::fs::open(path, flags, Mode::empty())
        .map_err(|errno| Error::file("open named pipe", path)(errno.into()))?;
    let stat =
        rustix::fs::fstat(&fd).map_err(|errno| Error::file("look at", path)(errno.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Fifo {
        return Err(Error::Invalid { reason: format!("{} is not a named pipe", path.display()) });
    }
    Ok(fd)
}
