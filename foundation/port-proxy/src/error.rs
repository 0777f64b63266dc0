//! What keeps a port from being relayed.

use std::io;

use gantry_types::ErrorKind;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{action} the proxy of published ports")]
    Start { action: &'static str, source: io::Error },
    #[error("{action} a published port's socket")]
    Port { action: &'static str, source: io::Error },
}

impl Error {
    /// What sort of failure it is: never the caller's mistake.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}
