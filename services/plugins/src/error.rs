//! What asking a plugin can fail with.

use std::io;
use std::path::PathBuf;

use gantry_types::ErrorKind;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why. The texts are contract: clients print them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("plugin {0:?} not found")]
    NotFound(String),
    #[error("{path} does not say where the plugin {plugin} listens: {reason}")]
    Spec { plugin: String, path: PathBuf, reason: String },
    #[error("the plugin {plugin} is no {kind}")]
    OtherKind { plugin: String, kind: String },
    #[error("reach the plugin {plugin} at {address}")]
    Connect { plugin: String, address: String, source: io::Error },
    #[error("ask the plugin {plugin}")]
    Exchange { plugin: String, source: io::Error },
    #[error("write a question to the plugin {plugin}")]
    Request { plugin: String, source: serde_json::Error },
    #[error("the answer of the plugin {plugin} to {method} makes no sense")]
    Malformed { plugin: String, method: String, source: serde_json::Error },
    #[error("{plugin}: {method}: {reason}")]
    Failed { plugin: String, method: String, reason: String },
}

impl Error {
    /// What sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::OtherKind { .. } => ErrorKind::InvalidParameter,
            Self::Connect { .. } | Self::Exchange { .. } => ErrorKind::Unavailable,
            Self::Spec { .. }
            | Self::Request { .. }
            | Self::Malformed { .. }
            | Self::Failed { .. } => ErrorKind::Internal,
        }
    }
}
