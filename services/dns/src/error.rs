//! The one error type of this crate: what kept a container from getting its name server.

use std::io;

use gantry_types::ErrorKind;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no name server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("start the thread that answers containers' questions for names")]
    Thread { source: io::Error },
    #[error("{action} for the name server of container {container}")]
    Socket { action: &'static str, container: String, source: io::Error },
    #[error("lead questions to the name server of container {container}")]
    Redirect { container: String, source: gantry_netlink::Error },
}

impl Error {
    /// The sort of failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Thread { .. } | Self::Socket { .. } => ErrorKind::Internal,
            Self::Redirect { source, .. } => source.kind(),
        }
    }
}
