//! A process of the container: where it stands, its streams, and who waits for its end.

use crate::error::Error;
use crate::poller::Token;
use crate::streams::{StdioUris, Streams};
use gantry_oci::runtime;
use gantry_runtime::RootfsMount;
use gantry_shim_protocol::rpc::Response;
use gantry_shim_protocol::task::TaskStatus;
use gantry_types::Timestamp;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
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
    /// Create or Exec was called and is not answered: callers do not know it.
    Making,
    /// Exec was called, Start was not.
    Prepared(Box<runtime::Process>),
    /// The container's first process is in images until Start.
    Checkpointed(Box<Images>),
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

/// What a container is restored from.
#[derive(Debug)]
pub(crate) struct Images {
    pub(crate) directory: PathBuf,
    pub(crate) work: Option<PathBuf>,
    pub(crate) mounts: Vec<RootfsMount>,
}

/// A process that is there.
#[derive(Debug)]
pub(crate) struct Alive {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
}

/// The answer to Delete, while the logger has not ended.
#[derive(Debug)]
pub(crate) struct Leaving {
    pub(crate) caller: Waiter,
    pub(crate) response: Response,
    /// How long the end of the output is waited for.
    pub(crate) patience: Duration,
}

#[derive(Debug)]
pub(crate) struct Process {
    /// Empty: the container's first process.
    pub(crate) exec_id: String,
    pub(crate) uris: StdioUris,
    pub(crate) stage: Stage,
    pub(crate) streams: Streams,
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) leaving: Option<Leaving>,
    /// It is not the first process of a pid namespace: the kernel ends nobody with it.
    pub(crate) shares_pids: bool,
    /// The callers have forgotten it; it stays until its streams are closed.
    pub(crate) deleted: bool,
}

impl Process {
    /// A process that the callers know from now on.
    pub(crate) fn new(exec_id: String, uris: StdioUris, stage: Stage, streams: Streams) -> Self {
        Self {
            exec_id,
            uris,
            stage,
            streams,
            waiters: Vec::new(),
            leaving: None,
            shares_pids: false,
            deleted: false,
        }
    }

    pub(crate) fn is_init(&self) -> bool {
        self.exec_id.is_empty()
    }

    /// Whether it is the one of this id whose Create or Exec is under way.
    pub(crate) fn is_in_making(&self, exec_id: &str) -> bool {
        matches!(self.stage, Stage::Making) && self.exec_id == exec_id
    }

    /// Its pid, 0 when it was never started.
    pub(crate) fn pid(&self) -> u32 {
        match &self.stage {
            Stage::Making | Stage::Prepared(_) | Stage::Checkpointed(_) => 0,
            Stage::Created(alive) | Stage::Running(alive) => alive.pid,
            Stage::Ended { exit, .. } | Stage::Exited(exit) => exit.pid,
        }
    }

    /// Its pid while it is there and the number is nobody else's.
    pub(crate) fn living_pid(&self) -> Option<u32> {
        self.alive().ok().map(|alive| alive.pid)
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
            Stage::Making | Stage::Prepared(_) | Stage::Checkpointed(_) => Err(Error::NotStarted),
            Stage::Created(alive) | Stage::Running(alive) => Ok(alive),
            Stage::Ended { .. } | Stage::Exited(_) => Err(Error::Finished),
        }
    }

    pub(crate) fn status(&self, paused: bool) -> TaskStatus {
        match &self.stage {
            Stage::Making | Stage::Prepared(_) | Stage::Checkpointed(_) | Stage::Created(_) => {
                TaskStatus::Created
            }
            Stage::Running(_) if paused => TaskStatus::Paused,
            Stage::Running(_) => TaskStatus::Running,
            Stage::Ended { .. } | Stage::Exited(_) => TaskStatus::Stopped,
        }
    }
}
