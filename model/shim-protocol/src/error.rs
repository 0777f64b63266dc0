//! The one error type of this crate: what was malformed, and where.

use gantry_types::ErrorKind;

/// Bytes or text from the other side that do not follow the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A message that is not protobuf's.
    #[error(transparent)]
    Protobuf(#[from] gantry_protobuf::Error),
    /// A frame longer than ttrpc's limit.
    #[error("ttrpc frame of {length} bytes is over the limit of {limit}")]
    FrameTooLarge { length: usize, limit: usize },
    /// A frame of an unknown type.
    #[error("ttrpc frame type {0} is unknown")]
    FrameKind(u8),
    /// A stdio URI that cannot be used.
    #[error("stdio URI {uri:?}: {reason}")]
    Stdio { uri: String, reason: &'static str },
    /// An attach header that is not one.
    #[error("attach header: {0}")]
    AttachHeader(&'static str),
    /// A shim's answer to `start` that holds no usable address.
    #[error("shim bootstrap answer: {0}")]
    Bootstrap(&'static str),
    /// A group of containers that cannot be told or named.
    #[error("group of containers: {0}")]
    Group(&'static str),
    /// A line of the `exits` file that is not a record.
    #[error("exit record {line:?} is malformed")]
    ExitRecord { line: String },
}

impl Error {
    /// Everything here is input that broke the protocol.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Protobuf(error) => error.kind(),
            Self::FrameTooLarge { .. } => ErrorKind::TooLarge,
            _ => ErrorKind::InvalidParameter,
        }
    }
}
