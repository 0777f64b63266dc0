//! A container's logger: a program that the shim runs, which reads the process's output from pipes. How
//! it is named is told in `gantry_shim_protocol::stdio`.
//!
//! It must not harm its container: one that ends early loses the rest of the output, and nothing else
//! happens; one that stops reading stops the process as a full pipe does, and one that does not end when
//! its input has ended is ended.

use super::Owner;
use crate::child::{Program, open_null};
use crate::error::{Error, complain};
use crate::poller::{EventFlags, Poller, Token, Watched};
use gantry_shim_protocol::stdio;
use gantry_sys::clone::Child;
use gantry_types::Signal;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long it may take until it is ready.
const READY_LIMIT: Duration = Duration::from_secs(10);
/// How long it may take to end when it should, until it is asked to by SIGTERM.
const END_LIMIT: Duration = Duration::from_secs(10);
/// How long it may take then, until it is killed.
const TERM_LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Logger {
    program: PathBuf,
    child: Child,
    stage: Stage,
    /// What it tells its readiness by, until it has.
    ready: Option<Watched<OwnedFd>>,
    /// Why it cannot be used.
    refusal: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is not ready; it has time until then.
    Starting(Duration),
    Reading,
    /// It should end; it has time until then.
    Finishing(Duration),
    /// It was asked to end.
    Asked(Duration),
    Killed,
    Ended,
}

impl Logger {
    /// Starts it. Gives what it reads from: stdout and stderr.
    pub(super) fn start(
        logger: &stdio::Logger,
        owner: Owner<'_>,
        poller: &mut Poller,
    ) -> Result<(Self, [OwnedFd; 2]), Error> {
        let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(Error::errno("make a pipe"));
        let [stdout, stderr, ready] = [pipe()?, pipe()?, pipe()?];
        let null = open_null()?;
        let child = Program {
            path: &logger.program,
            arguments: logger.arguments.iter().map(OsString::from).collect(),
            variables: variables(logger, owner),
            directory: Path::new("/"),
            descriptors: vec![
                null.as_fd(),
                null.as_fd(),
                null.as_fd(),
                stdout.0.as_fd(),
                stderr.0.as_fd(),
                ready.1.as_fd(),
            ],
        }
        .spawn()?;
        // Ours would keep them open for ever.
        drop((stdout.0, stderr.0, ready.1));
        let mut ready = super::watched(ready.0, poller)?;
        ready.watch(poller, Some(EventFlags::IN));
        let this = Self {
            program: logger.program.clone(),
            child,
            stage: Stage::Starting(gantry_sys::clock::monotonic() + READY_LIMIT),
            ready: Some(ready),
            refusal: None,
        };
        Ok((this, [stdout.1, stderr.1]))
    }

    /// Whether it tells of its readiness by this descriptor.
    pub(super) fn owns(&self, token: Token) -> bool {
        self.ready.as_ref().is_some_and(|ready| ready.token() == token)
    }

    /// It is ready when it has written a byte or closed the pipe, and still lives.
    pub(super) fn look(&mut self, poller: &Poller) {
        let Some(ready) = &self.ready else { return };
        match rustix::io::read(ready.get(), &mut [0; 1]) {
            Err(Errno::INTR | Errno::AGAIN) => return,
            // One that was refused says nothing new.
            Ok(0) if !self.is_decided() && self.is_ending() => {
                self.refuse("it ended before it was ready".to_owned());
            }
            _ => {}
        }
        self.stop_looking(poller);
        if matches!(self.stage, Stage::Starting(_)) {
            self.stage = Stage::Reading;
        }
    }

    pub(super) fn stop_looking(&mut self, poller: &Poller) {
        if let Some(ready) = self.ready.take() {
            drop(ready.release(poller));
        }
    }

    /// Whether it is ready, or was refused.
    pub(super) fn is_decided(&self) -> bool {
        !matches!(self.stage, Stage::Starting(_))
    }

    /// Why it cannot be used.
    pub(super) fn outcome(&mut self) -> Result<(), Error> {
        match self.refusal.take() {
            Some(reason) => Err(Error::Logger { program: self.program.clone(), reason }),
            None => Ok(()),
        }
    }

    /// Whether it closed its descriptors by ending: the kernel takes a process's memory, and with it the
    /// name of its program, before them. (That it has ended can be told a moment later only.)
    fn is_ending(&self) -> bool {
        let gone = [Errno::NOENT, Errno::SRCH].map(|errno| Some(errno.raw_os_error()));
        std::fs::read_link(format!("/proc/{}/exe", self.child.pid))
            .is_err_and(|error| gone.contains(&error.raw_os_error()))
    }

    /// It is not waited for any more.
    pub(super) fn refuse(&mut self, reason: String) {
        self.end_now();
        self.refusal = Some(reason);
    }

    /// Ends it and reaps it.
    pub(super) fn end_now(&mut self) {
        if self.runs() {
            self.signal(Signal::KILL);
            // Nothing holds up the end of a killed process for long.
            drop(gantry_sys::pidfd::wait(self.child.pidfd.as_fd()));
            self.stage = Stage::Ended;
        }
    }

    pub(super) fn runs(&self) -> bool {
        self.stage != Stage::Ended
    }

    /// Takes note of the end of a child; false: it is another one.
    pub(super) fn ended(&mut self, pid: u32, status: u32) -> bool {
        if !self.runs() || self.child.pid.unsigned_abs() != pid {
            return false;
        }
        if self.has_said_nothing() {
            self.refusal = Some("it ended before it was ready".to_owned());
        } else if matches!(self.stage, Stage::Starting(_) | Stage::Reading) {
            let program = self.program.display();
            complain(&format!(
                "logger {program} ended with status {status} before its container: its output is lost from now on"
            ));
        }
        self.stage = Stage::Ended;
        true
    }

    /// Whether it has not told that it is ready.
    fn has_said_nothing(&self) -> bool {
        let Some(ready) = self.ready.as_ref().filter(|_| !self.is_decided()) else { return false };
        !rustix::io::read(ready.get(), &mut [0; 1]).is_ok_and(|length| length > 0)
    }

    /// Looks whether it has ended, and reaps it.
    pub(super) fn reap(&mut self) {
        if self.runs()
            && let Ok(Some(ended)) = gantry_sys::pidfd::try_wait(self.child.pidfd.as_fd())
        {
            self.ended(self.child.pid.unsigned_abs(), ended.code().into());
        }
    }

    /// Looks whether it ends when it `should_end`: its input has ended, or its process was deleted. Gives the
    /// time until it is reminded.
    pub(super) fn tend(&mut self, should_end: bool, now: Duration) -> Option<Duration> {
        let due = |until: Duration| until <= now;
        self.stage = match self.stage {
            Stage::Starting(until) if due(until) => {
                self.refuse(format!(
                    "it was not ready within {} seconds: it has to close descriptor 5",
                    READY_LIMIT.as_secs()
                ));
                Stage::Ended
            }
            Stage::Reading if should_end => Stage::Finishing(now + END_LIMIT),
            Stage::Finishing(until) if due(until) => {
                self.signal(Signal::TERM);
                Stage::Asked(now + TERM_LIMIT)
            }
            Stage::Asked(until) if due(until) => {
                let program = self.program.display();
                complain(&format!("logger {program} does not end and is killed"));
                self.signal(Signal::KILL);
                Stage::Killed
            }
            other => other,
        };
        match self.stage {
            Stage::Starting(until) | Stage::Finishing(until) | Stage::Asked(until) => {
                Some(until.saturating_sub(now))
            }
            Stage::Reading | Stage::Killed | Stage::Ended => None,
        }
    }

    fn signal(&self, signal: Signal) {
        // It may have ended in the meantime.
        drop(gantry_sys::pidfd::send_signal(self.child.pidfd.as_fd(), signal));
    }
}

/// Nothing of the shim's environment; names of the container that options cannot forge.
fn variables(logger: &stdio::Logger, owner: Owner<'_>) -> Vec<OsString> {
    let entry = |name: &str, value: &str| OsString::from(format!("{name}={value}"));
    [entry("CONTAINER_ID", owner.id), entry("CONTAINER_NAMESPACE", owner.namespace)]
        .into_iter()
        .chain(logger.variables.iter().map(|(name, value)| entry(name, value)))
        .collect()
}
