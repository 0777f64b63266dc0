//! A process's output: from its pipe or terminal to the log, a file, a pipe of others, and attachers.

use super::sink::{Moved, Sink};
use super::{Streams, watched};
use crate::error::Error;
use crate::poller::{Event, EventFlags, Poller, Token, Watched};
use gantry_logs::Stream;
use gantry_shim_protocol::attach::OutputStream;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

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
    /// To whoever reads the pipe; `None` when that is over.
    Pipe(Option<Box<Sink>>),
    File(File),
}

impl Target {
    pub(super) fn fifo(path: &Path, poller: &mut Poller) -> Result<Self, Error> {
        Ok(Self::Pipe(Some(Box::new(Sink::named(path, poller)?))))
    }

    pub(super) fn logger(pipe: OwnedFd, poller: &mut Poller) -> Self {
        Self::Pipe(Some(Box::new(Sink::loggers(pipe, poller))))
    }

    pub(super) fn file(path: &Path) -> Result<Self, Error> {
        // Neither the opening nor a write waits for anybody.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .custom_flags(flags.bits().cast_signed())
            .open(path)
            .map_err(Error::file("open", path))?;
        let kind = file.metadata().map_err(Error::file("look at", path))?.file_type();
        if !kind.is_file() && !kind.is_char_device() {
            let reason = format!("{} is neither a file nor a character device", path.display());
            return Err(Error::Invalid { reason });
        }
        Ok(Self::File(file))
    }
}

#[derive(Debug)]
pub(super) struct Output {
    target: Target,
    source: Option<Watched<OwnedFd>>,
    /// The process's pipe was full once, and got larger.
    enlarged: bool,
    ended: bool,
}

/// What a pipe holds as it was made.
const PIPE_BYTES: usize = 64 * 1024;
/// What it may hold when its process writes much: the two then take turns less often. The kernel's limit for everybody.
const LARGE_PIPE_BYTES: usize = 1 << 20;

impl Output {
    pub(super) fn new(target: Target) -> Self {
        Self { target, source: None, enlarged: false, ended: false }
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

    /// Waits for another process.
    pub(super) fn disconnect(&mut self, poller: &Poller) {
        (self.ended, self.enlarged) = (false, false);
        if let Some(source) = self.source.take() {
            drop(source.release(poller));
        }
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

    fn sink(&self) -> Option<&Sink> {
        match &self.target {
            Target::Pipe(sink) => sink.as_deref(),
            _ => None,
        }
    }

    fn sink_mut(&mut self) -> Option<&mut Sink> {
        match &mut self.target {
            Target::Pipe(sink) => sink.as_deref_mut(),
            _ => None,
        }
    }

    pub(super) fn has_full_sink(&self) -> bool {
        self.sink().is_some_and(Sink::is_full)
    }

    pub(super) fn has_sink(&self) -> bool {
        self.sink().is_some()
    }

    pub(super) fn flush_sink(&mut self, event: Event, poller: &Poller) {
        if let Some(sink) = self.sink_mut() {
            sink.handle(event);
            self.tend_sink(poller);
        }
    }

    /// The process was deleted.
    pub(super) fn forget(&mut self, poller: &Poller) {
        if let Some(sink) = self.sink_mut() {
            sink.forget();
            self.tend_sink(poller);
        }
    }

    /// Lets go of a pipe that has everything; gives the time until one without a reader is looked at again.
    pub(super) fn tend_sink(&mut self, poller: &Poller) -> Option<Duration> {
        let sink = self.sink_mut()?;
        if !sink.is_over() {
            sink.watch(poller);
            return sink.look_again();
        }
        sink.unwatch(poller);
        self.target = Target::Pipe(None);
        None
    }

    pub(super) fn update_interest(&mut self, room: bool, poller: &Poller) {
        if let Some(source) = &mut self.source {
            // Not even an end is waited for while there is no room: it would be reported again and again.
            source.watch(poller, room.then_some(EventFlags::IN));
        }
        if let Some(sink) = self.sink_mut() {
            sink.watch(poller);
        }
    }
}

impl Streams {
    /// Copies once from output `index`; false when there was nothing.
    pub(super) fn copy_output(&mut self, index: usize, buffer: &mut [u8], poller: &Poller) -> bool {
        let Output { target, source: Some(source), enlarged, .. } = &mut self.outputs[index] else {
            return false;
        };
        if !self.terminal
            && let Target::Pipe(Some(sink)) = target
        {
            match sink.splice_from(source.get()) {
                Moved::Some => return true,
                Moved::End => {
                    self.end_output(index, poller);
                    return false;
                }
                Moved::Copy => {}
            }
        }
        match rustix::io::read(source.get(), &mut *buffer) {
            Ok(length) if length > 0 => {
                if length >= PIPE_BYTES && !std::mem::replace(enlarged, true) {
                    // Without the right to so much, or with a terminal, it stays as it is.
                    rustix::pipe::fcntl_setpipe_size(source.get(), LARGE_PIPE_BYTES)
                        .unwrap_or_default();
                }
                self.distribute(index, &buffer[..length]);
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => false,
            // A terminal whose processes are gone reports an I/O error, a pipe its end.
            ended => {
                if ended.is_err() && !self.terminal {
                    self.figures.failed_read();
                }
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
                    let written = writer.write(gantry_sys::clock::now(), log_stream, data);
                    self.figures.wrote(log_stream, data, written.is_ok());
                }
            }
            Target::Pipe(sink) => {
                if let Some(sink) = sink {
                    sink.offer(data);
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
                let written = writer.end(gantry_sys::clock::now(), STREAMS[index].1);
                self.figures.wrote(STREAMS[index].1, &[], written.is_ok());
            }
        }
        if let Some(sink) = output.sink_mut() {
            sink.end();
            output.tend_sink(poller);
        }
    }
}
