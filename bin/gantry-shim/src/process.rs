//! A process of the container: where it stands, its streams, and who waits for its end.

use crate::error::Error;
use crate::poller::Token;
use crate::streams::{StdioUris, Streams};
use gantry_oci::runtime;
use gantry_shim_protocol::task::TaskStatus;
use gantry_types::Timestamp;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// A call of Wait that has no answer yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiter {
    pub(crate) client: Token,
    pub(crate) stream_id: u32,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exit {
    pub(crate) pid: u32,
    /// 0 to 255; 128 + n when signal n ended it.
    pub(crate) status: u32,
    pub(crate) exited_at: Timestamp,
}

/// Where a process stands.
#[derive(Debug)]
pub(crate) enum Stage {
    /// Exec was called, Start was not.
    Prepared(Box<runtime::Process>),
    /// The container's first process waits for Start.
    Created(Alive),
    Running(Alive),
    /// It has ended and is recorded; its last output may still be on its way, until `patience` ends.
    Ended {
        exit: Exit,
        patience: Duration,
    },
    /// Everyone has been told.
    Exited(Exit),
}

/// A process that is there.
#[derive(Debug)]
pub(crate) struct Alive {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
}

#[derive(Debug)]
pub(crate) struct Process {
    /// Empty: the container's first process.
    pub(crate) exec_id: String,
    pub(crate) uris: StdioUris,
    pub(crate) stage: Stage,
    pub(crate) streams: Streams,
    pub(crate) waiters: Vec<Waiter>,
    /// The callers have forgotten it; it stays until its streams are closed.
    pub(crate) deleted: bool,
}

impl Process {
    pub(crate) fn is_init(&self) -> bool {
        self.exec_id.is_empty()
    }

    /// Its pid, 0 when it was never started.
    pub(crate) fn pid(&self) -> u32 {
        match &self.stage {
            Stage::Prepared(_) => 0,
            Stage::Created(alive) | Stage::Running(alive) => alive.pid,
            Stage::Ended { exit, .. } | Stage::Exited(exit) => exit.pid,
        }
    }

    /// How it ended, if it has.
    pub(crate) fn exit(&self) -> Option<Exit> {
        match &self.stage {
            Stage::Ended { exit, .. } | Stage::Exited(exit) => Some(*exit),
            _ => None,
        }
    }

    /// The process, if it is there, started or not.
    pub(crate) fn alive(&self) -> Result<&Alive, Error> {
        match &self.stage {
            Stage::Prepared(_) => Err(Error::NotStarted),
            Stage::Created(alive) | Stage::Running(alive) => Ok(alive),
            Stage::Ended { .. } | Stage::Exited(_) => Err(Error::Finished),
        }
    }

    pub(crate) fn status(&self, paused: bool) -> TaskStatus {
        match &self.stage {
            Stage::Prepared(_) | Stage::Created(_) => TaskStatus::Created,
            Stage::Running(_) if paused => TaskStatus::Paused,
            Stage::Running(_) => TaskStatus::Running,
            Stage::Ended { .. } | Stage::Exited(_) => TaskStatus::Stopped,
        }
    }
}
