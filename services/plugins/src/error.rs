//! What asking a plugin can fail with, and keeping one.

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
    #[error("invalid plugin configuration: {reason}")]
    Config { reason: String },
    #[error("cannot set {word:?}: {reason}")]
    Setting { word: String, reason: String },
    #[error("plugin {0:?} already exists")]
    Exists(String),
    #[error("multiple IDs found with provided prefix: {0}")]
    Ambiguous(String),
    #[error("plugin {0:?} is being changed by somebody else: try again when that is done")]
    Busy(String),
    #[error("read the archive of a plugin")]
    Archive(#[source] Box<gantry_archive::Error>),
    #[error("{action} {path}")]
    Store { action: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Database(Box<gantry_db::Error>),
}

impl From<gantry_db::Error> for Error {
    fn from(error: gantry_db::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

impl Error {
    /// What sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::OtherKind { .. }
            | Self::Config { .. }
            | Self::Setting { .. }
            | Self::Ambiguous(_) => ErrorKind::InvalidParameter,
            Self::Exists(_) | Self::Busy(_) => ErrorKind::Conflict,
            Self::Archive(error) => error.kind(),
            Self::Database(error) => error.kind(),
            Self::Store { source, .. }
                if matches!(
                    source.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                ) =>
            {
                ErrorKind::StorageFull
            }
            Self::Connect { .. } | Self::Exchange { .. } => ErrorKind::Unavailable,
            Self::Spec { .. }
            | Self::Request { .. }
            | Self::Store { .. }
            | Self::Malformed { .. }
            | Self::Failed { .. } => ErrorKind::Internal,
        }
    }
}
