//! What talking to the kernel can fail with.

use std::io;

use gantry_types::ErrorKind;

/// The kernel's own sentence, where it has one, is part of the text.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket itself failed.
    #[error("{what}")]
    Socket { what: &'static str, source: io::Error },
    /// The kernel refused a request.
    #[error("{what}{}", detail(reason))]
    Refused {
        what: String,
        /// The kernel's explanation (`NLMSGERR_ATTR_MSG`); empty when it gave none.
        reason: String,
        source: io::Error,
    },
    #[error("{what}: the kernel's answer makes no sense")]
    Malformed { what: String },
    #[error("{name:?} cannot be the name of a network device")]
    Name { name: String },
}

fn detail(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}

impl Error {
    /// What sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                io::ErrorKind::AlreadyExists => ErrorKind::Conflict,
                io::ErrorKind::InvalidInput => ErrorKind::InvalidParameter,
                // ENODEV has no name of its own in the standard library.
                _ if source.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) => {
                    ErrorKind::NotFound
                }
                _ => ErrorKind::Internal,
            },
            Self::Name { .. } => ErrorKind::InvalidParameter,
            Self::Socket { .. } | Self::Malformed { .. } => ErrorKind::Internal,
        }
    }

    /// The kernel's error number, when it refused a request.
    pub fn raw_os_error(&self) -> Option<i32> {
        match self {
            Self::Refused { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}
