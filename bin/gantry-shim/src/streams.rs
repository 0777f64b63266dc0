//! The streams of one process: its pipes or terminal on one side, the log, pipes of others and attachers on
//! the other. Copies without allocating; who falls behind is buffered within limits.
//!
//! Nobody's slowness loses output. What an attacher does not take waits on the disk, beside the process's log, and the
//! process goes on; while that is full, or where there is no log, or a pipe's buffer is full, the process's output
//! is not read. A dead attacher is known by its closed connection; one that only hangs is waited for: a minute, when it is so far
//! behind, or as long as the process's output says.

mod attacher;
mod figures;
mod input;
mod logger;
mod outlet;
mod output;
mod sink;
mod spill;

pub(crate) use attacher::Attacher;

use crate::child::open_null;
use crate::error::Error;
use crate::poller::{Event, EventFlags, Poller, Token, Watched};
use crate::server::earlier;
use figures::Figures;
use gantry_logs::{Format, LogWriter, RotationLimits};
use gantry_runtime::Stdio;
use gantry_shim_protocol::attach::Reply;
use gantry_shim_protocol::stdio::{self, LogFormat, LogTarget};
use input::Input;
use logger::Logger;
use output::{Output, Target};
use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::termios::Winsize;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

const ONE_LOGGER: &str =
    "a logger (binary://) is named by stdout; stderr is empty then, or the same";
/// How many attachers one process may have.
const MAX_ATTACHERS: usize = 128;

/// The stdio fields of Create and Exec.
#[derive(Debug, Clone, Default)]
pub(crate) struct StdioUris {
    pub(crate) stdin: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) terminal: bool,
}

/// Whose process it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    /// The container.
    pub(crate) id: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) bundle: &'a Path,
    pub(crate) pipes: Option<PipesOwner>,
}

/// Who shall own the process's ends of its pipes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PipesOwner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

#[derive(Debug)]
pub(crate) struct Streams {
    terminal: bool,
    /// stdout (or the terminal) and stderr.
    outputs: [Output; 2],
    input: Input,
    logs: Vec<(PathBuf, LogWriter)>,
    figures: Figures,
    logger: Option<Logger>,
    pipes_owner: Option<PipesOwner>,
    attachers: Vec<Attacher>,
    /// How long an attacher may take nothing while its buffer is full; `None`: as long as it likes.
    stall_limit: Option<Duration>,
    /// The process has its ends.
    connected: bool,
    /// Everything is out: attachers go when their buffers are empty.
    closing: bool,
    /// The terminal's master, for its size.
    master: Option<OwnedFd>,
}

impl Streams {
    /// Opens what the URIs name: logs, files, pipes. The process's own ends come with
    /// [`Streams::process_ends`].
    pub(crate) fn open(
        uris: &StdioUris,
        owner: Owner<'_>,
        poller: &mut Poller,
    ) -> Result<Self, Error> {
        let mut logs = Vec::new();
        let stdout = stdio::Output::parse(&uris.stdout)?;
        // A terminal has one output.
        let stderr =
            if uris.terminal { stdio::Output::Null } else { stdio::Output::parse(&uris.stderr)? };
        let stall_limit =
            [&stdout, &stderr].into_iter().filter_map(stdio::Output::stall_limit).min();
        let input = Input::open(&uris.stdin, poller)?;
        let (logger, [stdout, stderr]) = if let stdio::Output::Binary(program) = &stdout {
            // containerd names it for stdout, and it gets stderr as well.
            if !matches!(&stderr, stdio::Output::Null) && stderr != stdout {
                return Err(Error::Invalid { reason: ONE_LOGGER.to_owned() });
            }
            let (logger, pipes) = Logger::start(program, owner, poller)?;
            (Some(logger), pipes.map(|pipe| Target::logger(pipe, poller)))
        } else {
            let mut open = |output| open_target(output, &mut logs, poller);
            (None, [open(stdout)?, open(stderr)?])
        };
        Ok(Self {
            terminal: uris.terminal,
            outputs: [Output::new(stdout), Output::new(stderr)],
            input,
            logs,
            figures: Figures::new(owner.bundle),
            logger,
            pipes_owner: owner.pipes,
            attachers: Vec::new(),
            stall_limit,
            connected: false,
            closing: false,
            master: None,
        })
    }

    /// The ends for the process; ours are watched from now on. With a terminal the runtime makes them,
    /// and [`Streams::adopt_terminal`] follows.
    pub(crate) fn process_ends(&mut self, poller: &mut Poller) -> Result<Stdio, Error> {
        self.connected = true;
        if self.terminal {
            return Ok(Stdio::Terminal);
        }
        let stdin = if self.input.is_null() {
            open_null()?
        } else {
            let (theirs, ours) = pipe()?;
            give(&theirs, self.pipes_owner)?;
            self.input.connect(ours, poller)?;
            theirs
        };
        let owner = self.pipes_owner;
        let [stdout, stderr] = &mut self.outputs;
        let mut output = |output: &mut Output| -> Result<OwnedFd, Error> {
            if output.is_null() {
                output.end();
                return open_null();
            }
            let (ours, theirs) = pipe()?;
            give(&theirs, owner)?;
            output.connect(ours, poller)?;
            Ok(theirs)
        };
        let ends = Stdio::Fds { stdin, stdout: output(stdout)?, stderr: output(stderr)? };
        self.update_interest(poller);
        Ok(ends)
    }

    /// Takes the master of the terminal that the runtime made.
    pub(crate) fn adopt_terminal(
        &mut self,
        master: OwnedFd,
        poller: &mut Poller,
    ) -> Result<(), Error> {
        let copy = |fd: &OwnedFd| {
            rustix::io::fcntl_dupfd_cloexec(fd, 3).map_err(Error::errno("duplicate the terminal"))
        };
        // One epoll entry for each direction needs one descriptor for each.
        self.outputs[0].connect(copy(&master)?, poller)?;
        self.outputs[1].end();
        if !self.input.is_null() {
            self.input.connect(copy(&master)?, poller)?;
        }
        self.master = Some(master);
        self.update_interest(poller);
        Ok(())
    }

    /// Lets go of what [`Streams::process_ends`] made for a process that did not come to be.
    pub(crate) fn disconnect(&mut self, poller: &Poller) {
        self.connected = false;
        self.input.disconnect(poller);
        for output in &mut self.outputs {
            output.disconnect(poller);
        }
        self.update_interest(poller);
    }

    /// Tells the terminal its size. Where there is none nothing happens, as in containerd's own shim: clients resize without asking.
    pub(crate) fn resize(&self, rows: u16, columns: u16) -> Result<(), Error> {
        let Some(master) = self.master.as_ref() else { return Ok(()) };
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(master, size).map_err(Error::errno("resize the terminal"))
    }

    /// Whether this process's streams come through the shim, so that one can attach.
    pub(crate) fn attachable(&self) -> Reply {
        let relayed = self.input.is_relay() || self.outputs.iter().any(Output::is_relay);
        if self.closing {
            Reply::NoSuchProcess
        } else if !relayed {
            Reply::NotRelayed
        } else if self.attachers.len() >= MAX_ATTACHERS {
            Reply::TooMany
        } else {
            Reply::Accepted
        }
    }

    /// Adds an attacher that was told it is accepted.
    pub(crate) fn attach(&mut self, mut attacher: Attacher, poller: &Poller) {
        // Who is impatient does not want them kept either.
        if self.stall_limit.is_none()
            && let Some(folder) = self.logs.first().and_then(|(path, _)| path.parent())
        {
            attacher.overflow_into(folder.to_owned());
        }
        self.attachers.push(attacher);
        self.update_interest(poller);
    }

    /// Whether one of the descriptors here has this token.
    pub(crate) fn owns(&self, token: Token) -> bool {
        self.outputs.iter().any(|output| output.owns(token))
            || self.input.owns(token)
            || self.logger.as_ref().is_some_and(|logger| logger.owns(token))
            || self.attachers.iter().any(|attacher| attacher.token() == token)
    }

    /// Something happened at one of the descriptors. `buffer` is for copying.
    pub(crate) fn handle(&mut self, event: Event, buffer: &mut [u8], poller: &Poller) {
        if let Some(index) = self.outputs.iter().position(|output| output.reads_from(event.token)) {
            self.copy_output(index, buffer, poller);
        } else if let Some(output) = self.outputs.iter_mut().find(|output| output.owns(event.token))
        {
            output.flush_sink(event, poller);
        } else if let Some(logger) = self.logger.as_mut().filter(|it| it.owns(event.token)) {
            logger.look(poller);
        } else if self.input.owns(event.token) {
            self.input.handle(event, buffer, poller);
        } else {
            self.handle_attacher(event, poller);
            if event.flags.contains(EventFlags::IN) {
                self.take_input_of(event.token, buffer, poller);
            }
        }
        if self.attachers.iter().any(Attacher::is_gone) {
            self.pump_leavers(buffer, poller);
        }
        self.update_interest(poller);
    }

    /// The process is to read end-of-file when it has read what is on its way.
    pub(crate) fn close_input(&mut self, poller: &Poller) {
        self.input.close(poller);
        self.update_interest(poller);
    }

    /// Copies what the process wrote before it was killed; whoever holds its pipes open beyond that is
    /// not waited for.
    pub(crate) fn drain(&mut self, buffer: &mut [u8], poller: &Poller) {
        // A pipe holds 1 MiB at most unless somebody asked for more.
        let rounds = (1 << 20) / buffer.len() + 1;
        for index in 0..self.outputs.len() {
            for _ in 0..rounds {
                if !self.copy_output(index, buffer, poller) {
                    break;
                }
            }
        }
    }

    /// Whether all output of the process is out (or it never had its ends).
    pub(crate) fn output_ended(&self) -> bool {
        !self.connected || self.outputs.iter().all(Output::has_ended)
    }

    /// Nothing more will come: attachers and pipes close when they are empty.
    pub(crate) fn close(&mut self, poller: &Poller) {
        self.closing = true;
        self.input.abandon(poller);
        for index in 0..self.outputs.len() {
            self.end_output(index, poller);
        }
        self.update_interest(poller);
    }

    /// The callers have forgotten the process: a pipe that nobody reads from is not kept for a reader who
    /// might come.
    pub(crate) fn forget(&mut self, poller: &Poller) {
        if let Some(logger) = &mut self.logger {
            // Who deletes the process waits for it, and it may be stuck with some of the output.
            logger.tend(true, gantry_sys::clock::monotonic());
        }
        for output in &mut self.outputs {
            output.forget(poller);
        }
    }

    /// There will be no process.
    pub(crate) fn abandon(&mut self, poller: &Poller) {
        self.close(poller);
        self.forget(poller);
        if let Some(logger) = &mut self.logger {
            logger.stop_looking(poller);
            logger.end_now();
        }
    }

    /// Whether nothing is left to be delivered after [`Streams::close`].
    pub(crate) fn is_closed(&self) -> bool {
        self.closing
            && self.attachers.is_empty()
            && !self.outputs.iter().any(Output::has_sink)
            && !self.logger_runs()
    }

    pub(crate) fn logger_runs(&self) -> bool {
        self.logger.as_ref().is_some_and(Logger::runs)
    }

    /// Whether the logger, if there is one, is ready or was refused.
    pub(crate) fn logger_is_decided(&self) -> bool {
        self.logger.as_ref().is_none_or(Logger::is_decided)
    }

    pub(crate) fn logger_outcome(&mut self) -> Result<(), Error> {
        self.logger.as_mut().map_or(Ok(()), Logger::outcome)
    }

    /// Waits no longer for a logger that is not ready.
    pub(crate) fn refuse_logger(&mut self) {
        if let Some(logger) = self.logger.as_mut().filter(|logger| !logger.is_decided()) {
            logger.refuse("its container goes".to_owned());
        }
    }

    pub(crate) fn reap_logger(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.reap();
        }
    }

    /// Takes note of the end of a child; false: it is none of ours.
    pub(crate) fn logger_ended(&mut self, pid: u32, status: u32) -> bool {
        self.logger.as_mut().is_some_and(|logger| logger.ended(pid, status))
    }

    /// Looks after attachers that stall, pipes that wait for a reader and a logger that should end; gives
    /// the time until the next has to be looked at.
    pub(crate) fn tend(&mut self, now: Duration, poller: &Poller) -> Option<Duration> {
        let mut next = self.check_stalls(now, poller);
        for output in &mut self.outputs {
            next = earlier(next, output.tend_sink(poller));
        }
        if let Some(logger) = &mut self.logger {
            let input_ended = !self.outputs.iter().any(Output::has_sink);
            next = earlier(next, logger.tend(input_ended, now));
        }
        next
    }

    fn check_stalls(&mut self, now: Duration, poller: &Poller) -> Option<Duration> {
        let (closing, stall_limit) = (self.closing, self.stall_limit);
        let mut next: Option<Duration> = None;
        let mut check = |stalled_since: Option<Duration>, limit: Option<Duration>| {
            let (Some(since), Some(limit)) = (stalled_since, limit) else { return true };
            let left = since.saturating_add(limit).saturating_sub(now);
            if !left.is_zero() {
                next = Some(next.map_or(left, |next| next.min(left)));
            }
            !left.is_zero()
        };
        let before = self.attachers.len();
        let mut goes_on = false;
        self.attachers.retain_mut(|attacher| {
            let limit = stall_limit.or_else(|| attacher.patience(closing));
            let keep = check(attacher.stalled_since(closing), limit);
            // As long as that is not full it holds nobody up.
            goes_on |= attacher.time_to_overflow(now).is_some_and(|left| left.is_zero());
            if !keep {
                attacher.hang_up(poller);
            }
            keep
        });
        if goes_on || self.attachers.len() != before {
            self.update_interest(poller);
        }
        let overflows = self.attachers.iter().filter_map(|it| it.time_to_overflow(now));
        earlier(next, overflows.filter(|left| !left.is_zero()).min())
    }

    /// Waits for what makes sense now, at every descriptor.
    fn update_interest(&mut self, poller: &Poller) {
        if self.closing {
            self.attachers.retain_mut(|attacher| {
                let waits = attacher.has_backlog() && !attacher.is_gone();
                if !waits {
                    attacher.hang_up(poller);
                }
                waits
            });
        }
        // Attachers get both outputs; a pipe of others has to do with its own alone.
        let room = !self.attachers.iter().any(Attacher::is_full);
        for output in &mut self.outputs {
            output.update_interest(room && !output.has_full_sink(), poller);
        }
        self.input.update_interest(poller);
        let input_wanted = self.input.can_take();
        for attacher in &mut self.attachers {
            attacher.update_interest(input_wanted, poller);
        }
    }
}

fn open_target(
    output: stdio::Output,
    logs: &mut Vec<(PathBuf, LogWriter)>,
    poller: &mut Poller,
) -> Result<Target, Error> {
    Ok(match output {
        stdio::Output::Null => Target::Null,
        stdio::Output::Relay(log) | stdio::Output::ImpatientRelay { log, .. } => {
            Target::Relay { log: log.map(|log| open_log(log, logs)).transpose()? }
        }
        stdio::Output::Fifo(path) => Target::fifo(&path, poller)?,
        stdio::Output::File(path) => Target::file(&path)?,
        // A logger for stderr alone.
        stdio::Output::Binary(_) => return Err(Error::Invalid { reason: ONE_LOGGER.to_owned() }),
    })
}

/// The log's place in `logs`; both outputs may name the same.
fn open_log(log: LogTarget, logs: &mut Vec<(PathBuf, LogWriter)>) -> Result<usize, Error> {
    if let Some(index) = logs.iter().position(|(path, _)| *path == log.path) {
        return Ok(index);
    }
    let limits = RotationLimits { max_size_bytes: log.max_size_bytes, max_files: log.max_files };
    let format = match log.format {
        LogFormat::JsonFile => Format::JsonFile,
        LogFormat::Local => Format::Local,
    };
    let writer = LogWriter::open(format, &log.path, limits)?;
    logs.push((log.path, writer));
    Ok(logs.len() - 1)
}

/// Makes a process's end of a pipe somebody's.
fn give(end: &OwnedFd, owner: Option<PipesOwner>) -> Result<(), Error> {
    let Some(PipesOwner { uid, gid }) = owner else {
        return Ok(());
    };
    let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
    rustix::fs::fchown(end, Some(uid), Some(gid))
        .map_err(Error::errno("give a pipe to the user of IoUid and IoGid"))
}

/// A pipe: what is read from and what is written to.
fn pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    pipe_with(PipeFlags::CLOEXEC).map_err(Error::errno("make a pipe"))
}

/// Our end of a pipe or terminal never blocks; the process's end is another file description.
fn watched(fd: OwnedFd, poller: &mut Poller) -> Result<Watched<OwnedFd>, Error> {
    let flags = rustix::fs::fcntl_getfl(fd.as_fd()).map_err(Error::errno("prepare a pipe"))?;
    rustix::fs::fcntl_setfl(fd.as_fd(), flags | OFlags::NONBLOCK)
        .map_err(Error::errno("prepare a pipe"))?;
    Ok(Watched::new(poller, fd))
}

/// The other end has left or the descriptor failed.
fn is_hang_up(flags: EventFlags) -> bool {
    flags.intersects(EventFlags::HUP | EventFlags::ERR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_attempt_gets_ends_that_work() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        let mut poller = Poller::new().unwrap();
        let stdout = format!("file://{}", path.display());
        let uris = StdioUris { stdout, ..Default::default() };
        let owner = Owner { id: "c", namespace: "n", bundle: directory.path(), pipes: None };
        let mut streams = Streams::open(&uris, owner, &mut poller).unwrap();
        let mut buffer = [0; 4096];
        drop(streams.process_ends(&mut poller).unwrap());
        streams.disconnect(&poller);
        streams.drain(&mut buffer, &poller);
        let Stdio::Fds { stdout, .. } = streams.process_ends(&mut poller).unwrap() else {
            panic!("there is no terminal");
        };
        assert!(!streams.output_ended());
        rustix::io::write(&stdout, b"text").unwrap();
        drop(stdout);
        streams.drain(&mut buffer, &poller);
        assert!(streams.output_ended());
        assert_eq!(std::fs::read_to_string(path).unwrap(), "text");
    }
}
