//! One line of a progress stream: load, import, and later pull, push and build.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::go;

/// One line. Everything is absent unless said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProgressMessage {
    /// Text as it is to be printed, line feed included.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub stream: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub status: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub progress_detail: Option<ProgressDetail>,
    /// The drawn bar, for clients that do not draw.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub progress: String,
    /// Which of several things the line is about.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub id: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub error_detail: Option<ErrorDetail>,
    /// The same text as in `error_detail`, for older clients.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub error: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub aux: Option<Value>,
}

impl ProgressMessage {
    /// A line to be printed as it is.
    pub fn stream(text: impl Into<String>) -> Self {
        Self { stream: text.into(), ..Self::default() }
    }

    /// A line that says how far `id` is; empty means the operation as a whole.
    pub fn status(id: impl Into<String>, status: impl Into<String>) -> Self {
        Self { id: id.into(), status: status.into(), ..Self::default() }
    }

    /// The last line of an operation that failed after its 200 went out.
    pub fn error(message: impl Into<String>) -> Self {
        Self::failed_with(0, message)
    }

    /// The same of an operation that ran a command: how that ended, which Docker's command line ends with.
    pub fn failed_with(code: u8, message: impl Into<String>) -> Self {
        let message = message.into();
        let detail = ErrorDetail { code: code.into(), message: message.clone() };
        Self { error_detail: Some(detail), error: message, ..Self::default() }
    }
}

/// How far an operation is, in bytes unless `units` says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", default)]
pub struct ProgressDetail {
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub current: i64,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub total: i64,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub start: i64,
    /// Do not show `current/total`.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub hidecounts: bool,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub units: String,
}

/// Why an operation failed after its 200 went out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", default)]
pub struct ErrorDetail {
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub code: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub message: String,
}
