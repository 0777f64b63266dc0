//! Further processes in a running container: create, start, inspect.

use serde::{Deserialize, Serialize};

use crate::go;

/// The body of `POST /containers/{id}/exec`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExecCreateRequest {
    #[serde(deserialize_with = "go::lenient")]
    pub user: String,
    #[serde(deserialize_with = "go::lenient")]
    pub privileged: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub tty: bool,
    /// Rows and columns.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub console_size: Option<[u32; 2]>,
    #[serde(deserialize_with = "go::lenient")]
    pub attach_stdin: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub attach_stderr: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub attach_stdout: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub detach_keys: String,
    #[serde(with = "go::nil")]
    pub env: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub working_dir: String,
    #[serde(with = "go::nil")]
    pub cmd: Vec<String>,
}

/// The answer to an exec create.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExecCreateResponse {
    #[serde(deserialize_with = "go::lenient")]
    pub id: String,
}

/// The body of `POST /exec/{id}/start`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExecStartRequest {
    #[serde(deserialize_with = "go::lenient")]
    pub detach: bool,
    /// Whether the output comes raw. Without it, it comes in frames, even a terminal's.
    #[serde(deserialize_with = "go::lenient")]
    pub tty: bool,
    /// Rows and columns; only with `tty`.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub console_size: Option<[u32; 2]>,
}

/// `GET /exec/{id}/json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExecInspect {
    #[serde(rename = "ID", deserialize_with = "go::lenient")]
    pub id: String,
    #[serde(deserialize_with = "go::lenient")]
    pub running: bool,
    /// Absent until the process has ended.
    #[serde(deserialize_with = "go::lenient")]
    pub exit_code: Option<i32>,
    #[serde(deserialize_with = "go::lenient")]
    pub process_config: ExecProcessConfig,
    #[serde(deserialize_with = "go::lenient")]
    pub open_stdin: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub open_stderr: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub open_stdout: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub can_remove: bool,
    #[serde(rename = "ContainerID", deserialize_with = "go::lenient")]
    pub container_id: String,
    /// The key bytes, base64.
    #[serde(deserialize_with = "go::lenient")]
    pub detach_keys: String,
    /// Zero until it runs.
    #[serde(deserialize_with = "go::lenient")]
    pub pid: i32,
}

/// The process of an exec; the one document with small letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", default)]
pub struct ExecProcessConfig {
    #[serde(deserialize_with = "go::lenient")]
    pub tty: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub entrypoint: String,
    #[serde(deserialize_with = "go::lenient")]
    pub arguments: Vec<String>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub privileged: Option<bool>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub user: String,
}
