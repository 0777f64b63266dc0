//! What ttrpc's frames carry: a call, its answer, and the status of a failed one. The task API's
//! own messages are in [`crate::task`].

use crate::frame::{Frame, FrameKind, put_frame};
use crate::wire::{Message, messages};
use crate::{Error, frame};
use gantry_types::ErrorKind;

/// The metadata key under which a call names containerd's namespace.
pub const NAMESPACE_KEY: &str = "containerd-namespace-ttrpc";

messages! {
    /// A call: which method of which service, with its encoded argument.
    pub struct Request {
        1 => service: String,
        2 => method: String,
        3 => payload: Vec<u8>,
        /// How long the caller waits, in nanoseconds; 0 is for ever.
        4 => timeout_nano: i64,
        5 => metadata: Vec<KeyValue>,
    }

    /// A header of a call (containerd sends its namespace this way).
    pub struct KeyValue {
        1 => key: String,
        2 => value: String,
    }

    /// The answer to a call.
    pub struct Response {
        /// Absent or code 0: it succeeded.
        1 => status: Option<Status>,
        2 => payload: Vec<u8>,
    }

    /// Why a call failed (`google.rpc.Status`, without its details).
    pub struct Status {
        1 => code: i32,
        2 => message: String,
    }

    /// A value together with the name of its type (`google.protobuf.Any`).
    pub struct Any {
        1 => type_url: String,
        2 => value: Vec<u8>,
    }
}

/// A message without fields (`google.protobuf.Empty`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Empty;

impl Message for Empty {
    fn encode_into(&self, _out: &mut Vec<u8>) {}

    fn merge_field(&mut self, _field: &crate::wire::Field<'_>) -> Result<(), crate::wire::Error> {
        Ok(())
    }
}

/// The status codes of gRPC (`google.rpc.Code`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    Ok = 0,
    Canceled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    /// The code behind its number; what gRPC does not know is [`Code::Unknown`].
    pub fn from_number(number: i32) -> Self {
        match number {
            0 => Self::Ok,
            1 => Self::Canceled,
            3 => Self::InvalidArgument,
            4 => Self::DeadlineExceeded,
            5 => Self::NotFound,
            6 => Self::AlreadyExists,
            7 => Self::PermissionDenied,
            8 => Self::ResourceExhausted,
            9 => Self::FailedPrecondition,
            10 => Self::Aborted,
            11 => Self::OutOfRange,
            12 => Self::Unimplemented,
            13 => Self::Internal,
            14 => Self::Unavailable,
            15 => Self::DataLoss,
            16 => Self::Unauthenticated,
            _ => Self::Unknown,
        }
    }

    /// The code a failure of this kind travels under.
    pub fn from_kind(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidParameter => Self::InvalidArgument,
            ErrorKind::Unauthorized => Self::Unauthenticated,
            ErrorKind::Forbidden => Self::PermissionDenied,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Conflict => Self::FailedPrecondition,
            ErrorKind::NotModified => Self::AlreadyExists,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::NotImplemented => Self::Unimplemented,
            ErrorKind::TooLarge => Self::OutOfRange,
            ErrorKind::StorageFull => Self::ResourceExhausted,
            ErrorKind::Internal => Self::Unknown,
        }
    }

    /// The kind of failure this code tells of.
    pub fn kind(self) -> ErrorKind {
        match self {
            Self::InvalidArgument => ErrorKind::InvalidParameter,
            Self::Unauthenticated => ErrorKind::Unauthorized,
            Self::PermissionDenied => ErrorKind::Forbidden,
            Self::NotFound => ErrorKind::NotFound,
            Self::AlreadyExists | Self::FailedPrecondition => ErrorKind::Conflict,
            Self::Unavailable | Self::DeadlineExceeded | Self::Canceled | Self::Aborted => {
                ErrorKind::Unavailable
            }
            Self::Unimplemented => ErrorKind::NotImplemented,
            Self::OutOfRange => ErrorKind::TooLarge,
            Self::ResourceExhausted => ErrorKind::StorageFull,
            Self::Ok | Self::Unknown | Self::Internal | Self::DataLoss => ErrorKind::Internal,
        }
    }
}

impl Status {
    /// A failure with its words.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code: code as i32, message: message.into() }
    }
}

impl Request {
    /// Appends this call as a frame of the stream `stream_id`.
    pub fn put(&self, stream_id: u32, out: &mut Vec<u8>) -> Result<(), Error> {
        // 1: the client sends nothing more on this stream.
        let payload = self.encode();
        put_frame(out, &Frame { stream_id, kind: FrameKind::Request, flags: 1, payload: &payload })
    }
}

impl Response {
    /// A success with its encoded value.
    pub fn success(message: &impl Message) -> Self {
        Self { status: None, payload: message.encode() }
    }

    /// A failure.
    pub fn failure(status: Status) -> Self {
        Self { status: Some(status), payload: Vec::new() }
    }

    /// The payload, or the status of the failure.
    pub fn into_result(self) -> Result<Vec<u8>, Status> {
        match self.status {
            Some(status) if status.code != Code::Ok as i32 => Err(status),
            _ => Ok(self.payload),
        }
    }

    /// Appends this answer as a frame of the stream `stream_id`; one that is too large goes out as
    /// the error that says so.
    pub fn put(&self, stream_id: u32, out: &mut Vec<u8>) {
        let payload = self.encode();
        let response = |payload| Frame { stream_id, kind: FrameKind::Response, flags: 0, payload };
        if put_frame(out, &response(&payload)).is_err() {
            let text = format!(
                "answer of {} bytes is over ttrpc's limit of {}",
                payload.len(),
                frame::MAX_PAYLOAD_BYTES
            );
            let refusal = Self::failure(Status::new(Code::OutOfRange, text)).encode();
            // A few dozen bytes always fit.
            put_frame(out, &response(&refusal)).unwrap_or_default();
        }
    }
}
