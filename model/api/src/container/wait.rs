//! `POST /containers/{id}/wait`: the answer that comes when the condition holds.

use serde::{Deserialize, Serialize};

use crate::go;

/// How it ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WaitResponse {
    #[serde(deserialize_with = "go::lenient")]
    pub status_code: i64,
    /// Present when the wait itself failed.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub error: Option<WaitError>,
}

/// Why the wait failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WaitError {
    #[serde(deserialize_with = "go::lenient")]
    pub message: String,
}
