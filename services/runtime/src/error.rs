//! Everything that an operation of the runtime can fail with.

use std::io;
use std::path::PathBuf;

use gantry_oci::runtime::Status;
use gantry_types::ErrorKind;

use crate::failure::{Class, Failure};

/// The display texts are what users and Docker's clients see; causes are in `source`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("invalid container id {id:?}: use 1 to 1024 of letters, digits, '_', '+', '-' and '.'")]
    InvalidId { id: String },
    #[error("container with given ID already exists: {id}")]
    Exists { id: String },
    #[error("container does not exist: no record in {}", state_dir.display())]
    NotFound { state_dir: PathBuf },
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("parse {}", path.display())]
    Parse { path: PathBuf, source: serde_json::Error },
    #[error("read {}: it is larger than {limit_bytes} bytes", path.display())]
    TooLarge { path: PathBuf, limit_bytes: u64 },
    /// The bundle asks for something impossible.
    #[error("invalid configuration: {reason}")]
    InvalidConfig { reason: String },
    /// The bundle asks for something that this runtime cannot do yet.
    #[error("{what} is not supported")]
    Unsupported { what: String },
    /// A step of making the process failed, here or in the new process.
    #[error("unable to start container process: {0}")]
    Start(Box<str>, ErrorKind, Option<u8>),
    #[error("set up the container's cgroup")]
    Cgroup(#[source] gantry_cgroup::Error),
    /// Nobody but the machine's root meets this.
    #[error("cannot set linux.resources.{limit}: no cgroup is writable for this user")]
    NoCgroupFor { limit: &'static str, source: gantry_cgroup::Error },
    #[error(
        "container {id} has no cgroup, which pausing, limits and statistics need: none was writable for its user when it was created"
    )]
    NoCgroup { id: String },
    #[error(
        "container {id} was created without linux.intelRdt, so that its schemata cannot be changed"
    )]
    NoResctrl { id: String },
    #[error("compile the seccomp profile")]
    Seccomp(#[source] gantry_seccomp::Error),
    #[error("cannot start a container that has stopped")]
    StartStopped,
    #[error("cannot start an already running container")]
    StartRunning,
    #[error("cannot exec in a stopped container: container not running")]
    ExecStopped,
    #[error("cannot exec in container {id}, which is being created: wait until it runs")]
    ExecCreating { id: String },
    #[error("cannot exec in a paused container")]
    ExecPaused,
    #[error("container not running")]
    NotRunning,
    #[error("cannot delete container {id} that is not stopped: {}", status.as_str())]
    DeleteRunning { id: String, status: Status },
    #[error("cannot pause container {id}: it is {}", status.as_str())]
    PauseStatus { id: String, status: Status },
    #[error("cannot resume container {id}: it is {}, not paused", status.as_str())]
    ResumeStatus { id: String, status: Status },
    #[error("container {id} did not end within {seconds} s of SIGKILL")]
    Unkillable { id: String, seconds: u64 },
    #[error("container cannot be checkpointed in {} state", status.as_str())]
    CheckpointStatus { status: Status },
    /// What is said to be a checkpoint.
    #[error("the checkpoint {} cannot be used: {reason}", path.display())]
    Images { path: PathBuf, reason: String },
    /// The other program failed.
    #[error("criu failed to {what} the container: {reason}")]
    Criu { what: &'static str, reason: String },
    /// A system call on the container failed.
    #[error("{what}")]
    System { what: &'static str, source: io::Error },
    #[error("{stage} hook {path}: {reason}")]
    Hook { stage: &'static str, path: String, reason: String },
}

impl Error {
    /// What sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidId { .. }
            | Self::Images { .. }
            | Self::Parse { .. }
            | Self::InvalidConfig { .. }
            | Self::Seccomp(_) => ErrorKind::InvalidParameter,
            Self::Exists { .. }
            | Self::StartStopped
            | Self::StartRunning
            | Self::ExecStopped
            | Self::ExecCreating { .. }
            | Self::ExecPaused
            | Self::NotRunning
            | Self::DeleteRunning { .. }
            | Self::PauseStatus { .. }
            | Self::CheckpointStatus { .. }
            | Self::ResumeStatus { .. }
            | Self::NoResctrl { .. }
            | Self::NoCgroup { .. } => ErrorKind::Conflict,
            Self::NoCgroupFor { .. } => ErrorKind::Forbidden,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Unsupported { .. } => ErrorKind::NotImplemented,
            Self::Start(_, kind, _) => *kind,
            Self::Cgroup(source) => source.kind(),
            Self::Read { source, .. }
            | Self::Write { source, .. }
            | Self::System { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
                _ => ErrorKind::Internal,
            },
            Self::Criu { .. } | Self::Unkillable { .. } | Self::Hook { .. } => ErrorKind::Internal,
        }
    }

    /// The exit code that a `run` or `exec` of such a command has by convention: 127 when the program was not found, 126 when it
    /// cannot be executed.
    pub fn exec_code(&self) -> Option<u8> {
        match self {
            Self::Start(_, _, code) => *code,
            _ => None,
        }
    }
}

impl Error {
    /// A document that was refused before anything was touched.
    pub(crate) fn refused(failure: Failure) -> Self {
        match failure.class {
            Class::InvalidConfig => Self::InvalidConfig { reason: failure.message },
            _ => failure.into(),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        if failure.class == Class::Unsupported {
            return Self::Unsupported { what: failure.message };
        }
        Self::Start(failure.message.as_str().into(), failure.kind(), failure.exec_code())
    }
}
