//! Why TLS cannot be set up.

use std::path::{Path, PathBuf};

use gantry_types::ErrorKind;

pub type Result<T> = std::result::Result<T, Error>;

/// The texts are contract: clients print them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is not what it should be.
    #[error("{path}: {reason}")]
    File { path: PathBuf, reason: String },
    #[error("set up TLS")]
    Protocol { source: rustls::Error },
}

impl Error {
    pub fn file(path: &Path, reason: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), reason: reason.into() }
    }

    /// The sort of failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::File { .. } => ErrorKind::InvalidParameter,
            Self::Protocol { .. } => ErrorKind::Internal,
        }
    }
}
