//! What can go wrong between a client and a use case. The statuses that follow stand in `status`.

use std::io;

use gantry_types::{ErrorKind, InvalidFilter};

use crate::version::ApiVersion;

/// Why a request was not served, or a server could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client's directory cannot be read as it is; it may send it.
    #[error("the context cannot be read in place: send it")]
    NotInPlace,
    /// The use case failed; its text is the answer.
    #[error(transparent)]
    Engine(#[from] gantry_engine::Error),
    #[error("page not found")]
    NoSuchRoute,
    #[error("{method} {route} is not there yet: {reason}")]
    NotThereYet { method: String, route: &'static str, reason: &'static str },
    #[error("{0}")]
    NoSwarm(&'static str),
    #[error("client version {asked} is too new. Maximum supported API version is {newest}")]
    TooNew { asked: ApiVersion, newest: ApiVersion },
    #[error(
        "client version {asked} is too old. Minimum supported API version is {oldest}, please upgrade your client to a \
         newer version"
    )]
    TooOld { asked: ApiVersion, oldest: ApiVersion },
    #[error(
        "the API versions {oldest} to {newest} cannot be spoken: choose a range within {} to {}",
        ApiVersion::OLDEST,
        ApiVersion::NEWEST
    )]
    Versions { oldest: ApiVersion, newest: ApiVersion },
    #[error("{0}")]
    Invalid(String),
    #[error("invalid value {value:?} for the parameter {name:?}: {wanted}")]
    Parameter { name: &'static str, value: String, wanted: &'static str },
    #[error("invalid filters {text:?}: {source}")]
    Filters { text: String, source: serde_json::Error },
    #[error(transparent)]
    Filter(#[from] InvalidFilter),
    #[error("invalid JSON: {field}{source}")]
    Json { field: String, source: serde_json::Error },
    #[error("invalid JSON: got EOF while reading request body")]
    NoBody,
    #[error("unsupported Content-Type header ({0}): must be 'application/json'")]
    ContentType(String),
    #[error("the request body is larger than the limit of {limit_bytes} bytes")]
    TooLarge { limit_bytes: usize },
    #[error("the request body did not arrive within {seconds} seconds")]
    BodyTimeout { seconds: u64 },
    #[error("read the request body: {source}")]
    Body { source: Box<dyn std::error::Error + Send + Sync> },
    #[error("write the answer as JSON: {source}")]
    Answer { source: serde_json::Error },
    #[error(transparent)]
    Certificate(#[from] gantry_tls::Error),
    #[error("accept a connection at {place}: {source}")]
    Accept { place: String, source: io::Error },
    /// A handler panicked; the log has the reason.
    #[error("internal error: the handler of this request failed; see the daemon's log")]
    Panicked,
}

impl Error {
    /// What a command of a build ended with, where that is the failure.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        match self {
            Self::Engine(error) => error.exit_code(),
            _ => None,
        }
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Engine(error) => error.kind(),
            Self::NotInPlace => ErrorKind::Conflict,
            Self::NoSuchRoute => ErrorKind::NotFound,
            Self::NotThereYet { .. } => ErrorKind::NotImplemented,
            Self::NoSwarm(_) => ErrorKind::Unavailable,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::TooNew { .. }
            | Self::TooOld { .. }
            | Self::Versions { .. }
            | Self::Invalid(_)
            | Self::Parameter { .. }
            | Self::Filters { .. }
            | Self::Filter(_)
            | Self::Json { .. }
            | Self::NoBody
            | Self::ContentType(_)
            | Self::BodyTimeout { .. }
            | Self::Body { .. } => ErrorKind::InvalidParameter,
            Self::Certificate(error) => error.kind(),
            Self::Answer { .. } | Self::Accept { .. } | Self::Panicked => ErrorKind::Internal,
        }
    }
}
