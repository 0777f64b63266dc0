//! What can go wrong with registries. Docker's users know many of the texts: they are contract.

use std::io;
use std::path::PathBuf;

use gantry_types::{Digest, ErrorKind};

/// Why a registry did not give, or take, what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection, or it broke before an answer.
    #[error("cannot reach the registry at {url}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// Why it failed.
        source: Box<ureq::Error>,
    },
    /// The repository is not there, or not for this user: registries do not say which.
    #[error(
        "{action} access denied for {repository}, repository does not exist or may require 'docker login': {reason}"
    )]
    Denied {
        /// `pull` or `push`.
        action: &'static str,
        /// The repository as people write it.
        repository: String,
        /// The registry's own words.
        reason: String,
    },
    /// The credentials are wrong.
    #[error("unauthorized: {reason}")]
    Unauthorized {
        /// The registry's own words.
        reason: String,
    },
    /// The repository has no manifest of that name.
    #[error("manifest for {reference} not found: {reason}")]
    NoManifest {
        /// The reference as people write it.
        reference: String,
        /// The registry's own words.
        reason: String,
    },
    /// The registry lacks content that a document of its own points to.
    #[error("the registry has no blob {digest} in {repository}")]
    NoBlob {
        /// The digest.
        digest: Digest,
        /// The repository as people write it.
        repository: String,
    },
    /// The limit on pulls, or on requests, is reached.
    #[error("toomanyrequests: {reason}")]
    TooManyRequests {
        /// The registry's own words.
        reason: String,
    },
    /// Another answer than those that the specification knows here.
    #[error("the registry answered {url} with status {status}: {reason}")]
    Refused {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The registry's own words.
        reason: String,
    },
    /// The answer is not what it should be.
    #[error("the registry's answer to {url} is not usable: {reason}")]
    Unusable {
        /// What was asked.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// Content does not have the digest by which it was asked for.
    #[error("content of {what} has digest {actual}, not {expected}")]
    DigestMismatch {
        /// What was asked for.
        what: String,
        /// The digest that was promised.
        expected: Digest,
        /// The digest that it has.
        actual: Digest,
    },
    /// Content is longer than promised.
    #[error("blob {digest} is longer than the {size_bytes} bytes that its manifest promises")]
    TooLong {
        /// The digest.
        digest: Digest,
        /// The promised length.
        size_bytes: u64,
    },
    /// Content broke off, again and again.
    #[error("blob {digest} broke off after {got_bytes} of {size_bytes} bytes")]
    BrokeOff {
        /// The digest.
        digest: Digest,
        /// How much came.
        got_bytes: u64,
        /// The promised length.
        size_bytes: u64,
        /// The last failure.
        source: io::Error,
    },
    /// The receiver of the content failed.
    #[error("take in blob {digest}")]
    Sink {
        /// The digest.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
    /// The registry offers no search.
    #[error(
        "no search at {url}: this registry offers none; its repositories have to be known by name"
    )]
    NoSearch {
        /// What was asked.
        url: String,
    },
    /// The content that was to be sent failed.
    #[error("read the blob that is sent")]
    Source {
        /// Why.
        source: io::Error,
    },
    /// A file that is at a URL of its own did not come.
    #[error("cannot download {url}: {reason}")]
    Download {
        /// What was asked.
        url: String,
        /// Why.
        reason: String,
        /// Whose fault that is.
        kind: ErrorKind,
    },
    /// It is no URL from which anything is fetched.
    #[error("cannot download {url:?}: {reason}")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file with a certificate or key is unusable.
    #[error("{path} is no usable certificate or key: {reason}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The configured proxy's address is none.
    #[error("{address:?} is no proxy address: scheme://host:port is needed")]
    Proxy {
        /// As configured.
        address: String,
    },
}

impl Error {
    /// The kind by which callers and protocols judge it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Denied { .. }
            | Self::NoManifest { .. }
            | Self::NoBlob { .. }
            | Self::NoSearch { .. } => ErrorKind::NotFound,
            Self::Unauthorized { .. } => ErrorKind::Unauthorized,
            Self::Url { .. } => ErrorKind::InvalidParameter,
            Self::Download { kind, .. } => *kind,
            _ => ErrorKind::Internal,
        }
    }

    /// Whether what came in up to now is worth keeping: the connection failed, or the receiver, and not the content.
    pub fn may_go_on(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::BrokeOff { .. }
                | Self::Sink { .. }
                | Self::TooManyRequests { .. }
                | Self::Refused { .. }
                | Self::Download { .. }
        )
    }

    /// A request that brought no answer; a registry that sends us round in circles did answer, and not usably.
    pub(crate) fn unanswered(url: &str, source: ureq::Error) -> Self {
        match source {
            ureq::Error::TooManyRedirects => Self::unusable(url, "it leads on and on elsewhere"),
            source => Self::Unreachable { url: url.to_owned(), source: Box::new(source) },
        }
    }

    pub(crate) fn unusable(url: &str, reason: impl Into<String>) -> Self {
        Self::Unusable { url: url.to_owned(), reason: reason.into() }
    }
}
