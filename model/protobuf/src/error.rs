//! The one error type of this crate: what of a message was malformed.

use gantry_types::ErrorKind;

/// Bytes that are no protobuf message, or not the one that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A message ends inside a field.
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
}

impl Error {
    /// Everything here is input that broke the protocol.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TooManyFields(_) => ErrorKind::TooLarge,
            _ => ErrorKind::InvalidParameter,
        }
    }
}
