//! How a build goes, step by step: what `POST /build` sends to those who ask for `progress=steps`, in the field `aux` of messages
//! whose id is [`ID`]. The shape is that of `BuildKit`'s status, as `docker buildx build --progress rawjson` prints it.

use serde::{Deserialize, Serialize};

use crate::go;

/// The id of the messages that carry a [`BuildStatus`].
pub const ID: &str = "gantry.build.status";

/// Some news of a build. Lists that say nothing are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildStatus {
    /// Steps that are new, or have changed.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "go::lenient")]
    pub vertexes: Vec<Vertex>,
    /// How far parts of steps are.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "go::lenient")]
    pub statuses: Vec<VertexStatus>,
    /// What commands have written.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "go::lenient")]
    pub logs: Vec<VertexLog>,
}

/// A step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vertex {
    /// Which one, within this build.
    pub digest: String,
    /// What people read: `[app 2/4] RUN make`.
    pub name: String,
    /// When it began, RFC 3339; none before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// When it ended, well or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed: Option<String>,
    /// Its result was remembered.
    #[serde(skip_serializing_if = "go::is_zero")]
    pub cached: bool,
    /// Why it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// How far a part of a step is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VertexStatus {
    /// What is done.
    pub id: String,
    /// Of which step.
    pub vertex: String,
    /// So many bytes so far.
    pub current: i64,
    /// Of so many; 0 where nobody knows.
    #[serde(skip_serializing_if = "go::is_zero")]
    pub total: i64,
    /// When this was said, RFC 3339.
    pub timestamp: String,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed: Option<String>,
}

/// What a command has written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VertexLog {
    /// Of which step.
    pub vertex: String,
    /// 1 for standard output, 2 for standard error.
    pub stream: i64,
    /// In base64.
    pub data: String,
    /// When, RFC 3339.
    pub timestamp: String,
}

/// The id of the message that carries a [`BuildFailure`].
pub const FAILURE_ID: &str = "gantry.build.failure";

/// Where in the Dockerfile a build failed: sent before the message with the error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BuildFailure {
    /// The first line of the step, from 1.
    pub first_line: u64,
    /// Its last line.
    pub last_line: u64,
    /// Lines of the Dockerfile around it, with their numbers.
    pub source: Vec<(u64, String)>,
    /// What its command ended with; 0 where none did.
    pub exit_code: i64,
    /// The step, by its digest.
    pub vertex: Option<String>,
    /// The command as it ended, as an image without a name; empty where nobody asked for that. Whoever did removes it.
    #[serde(rename = "ImageID", skip_serializing_if = "String::is_empty")]
    pub image: String,
}
