//! Why the files of a repository cannot be had.

use std::io;
use std::path::PathBuf;

use gantry_types::ErrorKind;

/// See the variants.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no program.
    #[error("the host has no git program, which a repository is fetched by: install git there")]
    NoProgram,
    /// The program failed.
    #[error("cannot {action} {url}: {reason}")]
    Failed {
        /// What it was to do.
        action: &'static str,
        /// The repository, without what may be a password.
        url: String,
        /// What it said.
        reason: String,
    },
    /// No such branch, tag or commit.
    #[error("{url} has no branch, tag or commit {reference:?}")]
    NoReference {
        /// The repository.
        url: String,
        /// What was looked for.
        reference: String,
    },
    /// More than there may be.
    #[error("{url}: {what} of the commit are over the limit of {limit}")]
    Limit {
        /// The repository.
        url: String,
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: u64,
    },
    /// Nobody wants it any more.
    #[error("the fetch was called off")]
    CalledOff,
    /// A file of the host.
    #[error("{action} {path:?}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// The sort of failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoReference { .. } => ErrorKind::NotFound,
            Self::Limit { .. } => ErrorKind::TooLarge,
            Self::Failed { .. } => ErrorKind::InvalidParameter,
            _ => ErrorKind::Internal,
        }
    }
}
