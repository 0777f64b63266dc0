//! The one error type of this crate: what was malformed, and where.

use gantry_types::ErrorKind;

/// Bytes or text from the other side that do not follow the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A protobuf message ends inside a field.
    #[error("protobuf message ends in the middle of {0}")]
    Truncated(&'static str),
    /// A varint longer than ten bytes, or beyond 64 bits.
    #[error("protobuf varint does not fit 64 bits")]
    VarintOverflow,
    /// A value that does not fit the field's type.
    #[error("protobuf field {field} holds {value}, which its type cannot hold")]
    OutOfRange { field: u32, value: u64 },
    /// Field number 0, or one beyond 2^29 - 1.
    #[error("protobuf field number {0} is not allowed")]
    FieldNumber(u64),
    /// A wire type that this field does not have, or that proto3 does not know.
    #[error("protobuf field {field} has wire type {wire_type}, which it must not have")]
    WireType { field: u32, wire_type: u8 },
    /// A string field that is not UTF-8.
    #[error("protobuf field {0} is not UTF-8 text")]
    NotUtf8(u32),
    /// More fields than any honest message has.
    #[error("protobuf message has more than {0} fields")]
    TooManyFields(usize),
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
    /// A line of the `exits` file that is not a record.
    #[error("exit record {line:?} is malformed")]
    ExitRecord { line: String },
}

impl Error {
    /// Everything here is input that broke the protocol.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::FrameTooLarge { .. } | Self::TooManyFields(_) => ErrorKind::TooLarge,
            _ => ErrorKind::InvalidParameter,
        }
    }
}
