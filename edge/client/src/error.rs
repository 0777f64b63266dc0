//! Everything that a call can fail with: no way to the daemon, a refusal by it, an answer that breaks the protocol.

use std::io;

use gantry_types::ErrorKind;

use crate::host::Host;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens there, or the way is closed.
    #[error("Cannot connect to the Gantry daemon at {host}. Is the daemon running?")]
    Unreachable { host: Host, source: io::Error },
    /// The socket is there, but not for this user.
    #[error("permission denied while trying to connect to the Gantry daemon socket at {host}")]
    PermissionDenied { host: Host, source: io::Error },
    /// The connection broke before the answer was complete.
    #[error("the connection to the daemon broke during {request}")]
    Broken { request: String, source: hyper::Error },
    /// The daemon refused; the text is its own.
    #[error("Error response from daemon: {message}")]
    Daemon { status: u16, message: String },
    /// An operation failed after its first lines were sent; the text is the daemon's.
    #[error("{message}")]
    Operation { message: String },
    /// The answer is not what the API promises.
    #[error("the answer to {request} cannot be understood")]
    Answer { request: String, source: serde_json::Error },
    /// The answer is longer than any that the API promises.
    #[error("the answer to {request} is longer than {limit_bytes} bytes")]
    AnswerTooLong { request: String, limit_bytes: usize },
    /// The daemon did not hand over its connection.
    #[error("the daemon did not open a stream for {request}: it answered with status {status}")]
    NotUpgraded { request: String, status: u16 },
    /// A name that no request path can hold.
    #[error("invalid {what}: {value:?}")]
    InvalidName { what: &'static str, value: String },
    /// A request that cannot be put into words, because one of its values holds control characters.
    #[error("cannot build the request {request}")]
    Request { request: String, source: hyper::http::Error },
    /// A request's document that has no JSON form.
    #[error("cannot write the body of {request}")]
    Body { request: String, source: serde_json::Error },
    /// Reading a stream of the daemon failed.
    #[error("read the stream of {request}")]
    Stream { request: String, source: io::Error },
    /// The daemon speaks only versions that this client does not.
    #[error(
        "the daemon's newest API version {newest} is older than {oldest}, the oldest that this client speaks: upgrade the daemon"
    )]
    TooOld { newest: String, oldest: String },
}

impl Error {
    /// What sort of failure it is; for a refusal, as its status says.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Stream { .. } => {
                ErrorKind::Unavailable
            }
            Self::PermissionDenied { .. } => ErrorKind::Forbidden,
            Self::Daemon { status, .. } => kind_of_status(*status),
            Self::InvalidName { .. } | Self::Request { .. } => ErrorKind::InvalidParameter,
            Self::TooOld { .. } => ErrorKind::NotImplemented,
            Self::AnswerTooLong { .. } => ErrorKind::TooLarge,
            Self::Operation { .. }
            | Self::Answer { .. }
            | Self::NotUpgraded { .. }
            | Self::Body { .. } => ErrorKind::Internal,
        }
    }

    /// Whether nobody listens at the address, so that starting a daemon may help.
    pub fn nobody_listens(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { source, .. }
                if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
        )
    }

    /// The failure to connect to `host`.
    pub(crate) fn connect(host: &Host, source: io::Error) -> Self {
        let host = host.clone();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { host, source },
            _ => Self::Unreachable { host, source },
        }
    }
}

/// The sort of failure that an HTTP status tells of.
fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        304 => ErrorKind::NotModified,
        400 => ErrorKind::InvalidParameter,
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        413 => ErrorKind::TooLarge,
        501 => ErrorKind::NotImplemented,
        503 => ErrorKind::Unavailable,
        507 => ErrorKind::StorageFull,
        _ => ErrorKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_kinds() {
        let host: Host = "unix:///nowhere.sock".parse().unwrap();
        let gone = Error::connect(&host, io::ErrorKind::NotFound.into());
        assert_eq!(
            gone.to_string(),
            "Cannot connect to the Gantry daemon at unix:///nowhere.sock. Is the daemon running?"
        );
        assert!(gone.nobody_listens());
        let denied = Error::connect(&host, io::ErrorKind::PermissionDenied.into());
        assert_eq!((denied.kind(), denied.nobody_listens()), (ErrorKind::Forbidden, false));
        let refused = Error::Daemon { status: 409, message: "in use".into() };
        assert_eq!(refused.to_string(), "Error response from daemon: in use");
        assert_eq!(refused.kind(), ErrorKind::Conflict);
    }
}
