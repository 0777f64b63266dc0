//! The one error type of this crate: which shim could not be launched or reached, or what it answered.

use gantry_shim_protocol::rpc::{Code, Status};
use gantry_types::ErrorKind;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a shim did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("run shim {binary}: {source}")]
    Spawn { binary: PathBuf, source: io::Error },
    /// The shim's `start` ended with a failure; `output` is what it printed.
    #[error("shim {binary} did not start: {output}")]
    Start { binary: PathBuf, output: String },
    #[error("shim {binary} did not start within {} seconds", .limit.as_secs())]
    StartDeadline { binary: PathBuf, limit: Duration },
    #[error("read the shim's address from {path}: {source}")]
    Address { path: PathBuf, source: io::Error },
    #[error("connect to shim at {path}: {source}")]
    Connect { path: PathBuf, source: io::Error },
    #[error("socket {path} belongs to user {uid}, who must not run shims")]
    StrangeOwner { path: PathBuf, uid: u32 },
    #[error("the shim of container {id} closed its connection")]
    Disconnected { id: String },
    #[error("the shim of container {id} did not answer {method} within {} seconds", .limit.as_secs())]
    Deadline { id: String, method: &'static str, limit: Duration },
    /// The shim's own words.
    #[error("{}", .0.message)]
    Refused(Status),
    /// It does not follow the protocol.
    #[error(transparent)]
    Protocol(#[from] gantry_shim_protocol::Error),
    #[error("attach to container {id}: {reason}")]
    Attach { id: String, kind: ErrorKind, reason: &'static str },
    #[error("read from shims: {source}")]
    Reactor { source: io::Error },
}

impl From<gantry_shim_protocol::wire::Error> for Error {
    fn from(error: gantry_shim_protocol::wire::Error) -> Self {
        Self::Protocol(error.into())
    }
}

impl Error {
    /// The sort of failure; of a refusal, what its code says.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(status) => Code::from_number(status.code).kind(),
            Self::Protocol(error) => error.kind(),
            Self::Attach { kind, .. } => *kind,
            Self::Connect { .. }
            | Self::Disconnected { .. }
            | Self::Deadline { .. }
            | Self::StartDeadline { .. } => ErrorKind::Unavailable,
            Self::StrangeOwner { .. } => ErrorKind::Forbidden,
            Self::Spawn { .. }
            | Self::Start { .. }
            | Self::Address { .. }
            | Self::Reactor { .. } => ErrorKind::Internal,
        }
    }
}
