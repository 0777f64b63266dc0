//! Why the packages of a root file system cannot be listed.

use std::io;

use gantry_types::ErrorKind;

/// See the head of this file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory cannot be read.
    #[error("read {path:?} to list its packages")]
    Read {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// There is too much.
    #[error("the root file system has more {what} than the {limit} that are listed")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many may be there.
        limit: u64,
    },
    /// Nobody wants the list any more.
    #[error("the list of packages was given up")]
    Unwanted,
}

impl Error {
    pub(crate) fn read(path: &str, source: impl Into<io::Error>) -> Self {
        Self::Read { path: path.to_owned(), source: source.into() }
    }

    /// The sort of failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Limit { .. } => ErrorKind::TooLarge,
            Self::Read { .. } | Self::Unwanted => ErrorKind::Internal,
        }
    }
}
