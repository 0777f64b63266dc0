//! A process's output: from its pipe or terminal to the log, a file, a named pipe, and attachers.

use super::input::open_fifo;
use super::outlet::Outlet;
use super::{Streams, watched};
use crate::error::Error;
use crate::poller::{EventFlags, Poller, Token, Watched};
use gantry_logs::Stream;
use gantry_shim_protocol::attach::OutputStream;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// What a reader of a named pipe may fall behind, besides the pipe itself.
const FIFO_BACKLOG_BYTES: usize = 64 * 1024;

const STREAMS: [(OutputStream, Stream); 2] =
    [(OutputStream::Stdout, Stream::Stdout), (OutputStream::Stderr, Stream::Stderr)];

/// Where an output goes.
#[derive(Debug)]
pub(super) enum Target {
    Null,
    /// To attachers, and to the log with this index.
    Relay {
        log: Option<usize>,
    },
    /// To whoever reads the named pipe; `None` when that is over.
    Fifo(Option<Outlet>),
    File(File),
}

impl Target {
    pub(super) fn fifo(path: &Path, poller: &mut Poller) -> Result<Self, Error> {
        // Both ends in one descriptor: without a reader there is neither an error nor a signal.
        let fd = Watched::new(poller, open_fifo(path, OFlags::RDWR)?);
        Ok(Self::Fifo(Some(Outlet::new(fd, FIFO_BACKLOG_BYTES))))
    }

    pub(super) fn file(path: &Path) -> Result<Self, Error> {
        let opened = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path);
        Ok(Self::File(opened.map_err(Error::file("open", path))?))
    }
}

#[derive(Debug)]
pub(super) struct Output {
    target: Target,
    source: Option<Watched<OwnedFd>>,
    ended: bool,
}

impl Output {
    pub(super) fn new(target: Target) -> Self {
        Self { target, source: None, ended: false }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.target, Target::Null)
    }

    pub(super) fn is_relay(&self) -> bool {
        matches!(self.target, Target::Relay { .. })
    }

    /// Takes our end of the process's pipe or terminal.
    pub(super) fn connect(&mut self, fd: OwnedFd, poller: &mut Poller) -> Result<(), Error> {
        self.source = Some(watched(fd, poller)?);
        Ok(())
    }

    /// Nothing will ever come.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn reads_from(&self, token: Token) -> bool {
        self.source.as_ref().is_some_and(|source| source.token() == token)
    }

    pub(super) fn owns(&self, token: Token) -> bool {
        self.reads_from(token) || self.sink().is_some_and(|sink| sink.token() == token)
    }

    fn sink(&self) -> Option<&Outlet> {
        match &self.target {
            Target::Fifo(sink) => sink.as_ref(),
            _ => None,
        }
    }

    pub(super) fn has_full_sink(&self) -> bool {
        self.sink().is_some_and(Outlet::is_full)
    }

    pub(super) fn has_sink_waiting(&self) -> bool {
        self.sink().is_some_and(Outlet::has_backlog)
    }

    pub(super) fn sink_stalled_since(&self) -> Option<Duration> {
        self.sink().filter(|sink| sink.has_backlog()).map(Outlet::last_progress)
    }

    pub(super) fn flush_sink(&mut self, poller: &Poller) {
        if let Target::Fifo(Some(sink)) = &mut self.target {
            sink.flush();
            self.close_sink_at_end(poller);
        }
    }

    /// The reader of a named pipe sees the end when everything was written.
    fn close_sink_at_end(&mut self, poller: &Poller) {
        if self.ended && !self.has_sink_waiting() {
            self.drop_sink(poller);
        }
    }

    pub(super) fn drop_sink(&mut self, poller: &Poller) {
        if let Target::Fifo(sink) = &mut self.target
            && let Some(mut sink) = sink.take()
        {
            sink.unwatch(poller);
        }
    }

    pub(super) fn update_interest(&mut self, room: bool, poller: &Poller) {
        if let Some(source) = &mut self.source {
            // Not even an end is waited for while there is no room: it would be reported again and again.
            source.watch(poller, room.then_some(EventFlags::IN));
        }
        if let Target::Fifo(Some(sink)) = &mut self.target {
            sink.watch(None, poller);
        }
    }
}

impl Streams {
    /// Copies once from output `index`; false when there was nothing.
    pub(super) fn copy_output(&mut self, index: usize, buffer: &mut [u8], poller: &Poller) -> bool {
        let Some(source) = &self.outputs[index].source else {
            return false;
        };
        match rustix::io::read(source.get(), &mut *buffer) {
            Ok(length) if length > 0 => {
                self.distribute(index, &buffer[..length]);
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => false,
            // A terminal whose processes are gone reports an I/O error, a pipe its end.
            Ok(_) | Err(_) => {
                self.end_output(index, poller);
                false
            }
        }
    }

    fn distribute(&mut self, index: usize, data: &[u8]) {
        let (stream, log_stream) = STREAMS[index];
        match &mut self.outputs[index].target {
            Target::Null => {}
            Target::Relay { log } => {
                for attacher in &mut self.attachers {
                    attacher.offer(stream, self.terminal, data);
                }
                if let Some((_, writer)) = log.and_then(|log| self.logs.get_mut(log)) {
                    // A full disk costs lines of the log; the container goes on, and so does the log
                    // when there is room again.
                    drop(writer.write(gantry_sys::clock::now(), log_stream, data));
                }
            }
            Target::Fifo(sink) => {
                if let Some(sink) = sink {
                    sink.offer(&[], data);
                }
            }
            // As with the log.
            Target::File(file) => drop(file.write_all(data)),
        }
    }

    /// Output `index` has ended.
    pub(super) fn end_output(&mut self, index: usize, poller: &Poller) {
        let output = &mut self.outputs[index];
        output.ended = true;
        if let Some(source) = output.source.take() {
            drop(source.release(poller));
            if let Target::Relay { log: Some(log) } = output.target
                && let Some((_, writer)) = self.logs.get_mut(log)
            {
                drop(writer.end(gantry_sys::clock::now(), STREAMS[index].1));
            }
        }
        output.close_sink_at_end(poller);
    }
}
