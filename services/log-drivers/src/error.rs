//! The one error type of this crate.

use gantry_types::ErrorKind;
use std::io;

/// Why a driver cannot be used, or did not deliver. The texts are contract: clients print them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("unknown log opt '{key}' for {driver} log driver")]
    UnknownOption { driver: &'static str, key: String },
    #[error("invalid value {value:?} for log option {key}: give {wanted}")]
    Value { key: &'static str, value: String, wanted: &'static str },
    #[error("log option {key} is needed by the {driver} log driver: give {wanted}")]
    Missing { driver: &'static str, key: &'static str, wanted: &'static str },
    #[error("log option {key} does not go with {with}: leave one of them out")]
    Contradiction { key: &'static str, with: String },
    #[error("reach the {driver} log driver's {address}")]
    Connect { driver: &'static str, address: String, source: io::Error },
    #[error("set up TLS for the {driver} log driver")]
    Tls { driver: &'static str, source: gantry_tls::Error },
    #[error("send to the {driver} log driver's {address}")]
    Send { driver: &'static str, address: String, source: io::Error },
}

impl Error {
    /// Whether the message is longer than this way will ever take, so that there is no use in trying again.
    pub fn is_too_long(&self) -> bool {
        let Self::Send { source, .. } = self else { return false };
        source.kind() == io::ErrorKind::FileTooLarge
            || source.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error())
    }

    /// The sort of failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownOption { .. }
            | Self::Value { .. }
            | Self::Missing { .. }
            | Self::Contradiction { .. } => ErrorKind::InvalidParameter,
            Self::Tls { .. } => ErrorKind::Internal,
            Self::Connect { .. } | Self::Send { .. } => ErrorKind::Unavailable,
        }
    }
}
