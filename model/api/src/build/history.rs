//! What is kept of builds that were: Gantry's own part of the API.

use serde::{Deserialize, Serialize};

/// A build, going on or over. An element of the answer to `GET /gantry/builds`, and with its steps that to
/// `GET /gantry/builds/{id}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BuildSummary {
    /// 24 hexadecimal digits.
    #[serde(rename = "ID")]
    pub id: String,
    /// What it was called by: its first tag, or the Dockerfile's name.
    pub name: String,
    /// All names that the image was to get.
    pub tags: Vec<String>,
    /// The Dockerfile's path in the context.
    pub dockerfile: String,
    /// The stage that was wanted; empty for the last.
    pub target: String,
    /// `os/architecture[/variant]`.
    pub platform: String,
    /// `running`, `completed`, `error`, `canceled` or `interrupted` (the daemon ended meanwhile).
    pub status: String,
    /// Why it failed.
    pub error: String,
    /// When it began, RFC 3339.
    pub created_at: String,
    /// When it ended; empty while it goes on.
    pub completed_at: String,
    /// Nanoseconds from one to the other, or until now.
    pub duration: i64,
    /// Steps that are over or go on, those that were remembered, and all.
    pub completed_steps: u64,
    /// See `completed_steps`.
    pub cached_steps: u64,
    /// See `completed_steps`.
    pub total_steps: u64,
    /// The image that came out; empty when none did.
    #[serde(rename = "ImageID")]
    pub image_id: String,
}

/// The answer to `GET /gantry/builds/{id}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildDetails {
    /// The build.
    #[serde(flatten)]
    pub summary: BuildSummary,
    /// Its steps, in the order in which they began.
    #[serde(rename = "Steps")]
    pub steps: Vec<BuildStep>,
}

/// A step of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BuildStep {
    /// From 1, in the order of the build.
    pub number: u64,
    /// What it says: `[app 2/4] RUN make`.
    pub name: String,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// When it ended; empty while it goes on.
    pub completed_at: String,
    /// Nanoseconds.
    pub duration: i64,
    /// Its result was remembered.
    pub cached: bool,
    /// Why it failed.
    pub error: String,
    /// Bytes that its command wrote.
    pub log_bytes: u64,
    /// So many of them were not kept.
    pub log_bytes_left_out: u64,
}

/// The answer to `POST /gantry/builds/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BuildHistoryPruned {
    /// The ids of what went.
    pub builds_deleted: Vec<String>,
    /// Bytes of their logs.
    pub space_reclaimed: u64,
}
