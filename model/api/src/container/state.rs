//! The state of one container as inspect tells it: flags for older clients, the same in words, times and health.

use serde::{Deserialize, Serialize};

use crate::go;

/// `State` of an inspected container. Times are RFC 3339; one that never was is `0001-01-01T00:00:00Z`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerState {
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
    #[serde(deserialize_with = "go::lenient")]
    pub status: String,
    #[serde(deserialize_with = "go::lenient")]
    pub running: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub paused: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub restarting: bool,
    #[serde(rename = "OOMKilled", deserialize_with = "go::lenient")]
    pub oom_killed: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub dead: bool,
    /// Zero when there is no process.
    #[serde(deserialize_with = "go::lenient")]
    pub pid: i32,
    #[serde(deserialize_with = "go::lenient")]
    pub exit_code: i32,
    #[serde(deserialize_with = "go::lenient")]
    pub error: String,
    #[serde(deserialize_with = "go::lenient")]
    pub started_at: String,
    #[serde(deserialize_with = "go::lenient")]
    pub finished_at: String,
    /// Absent without a health check.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub health: Option<Health>,
}

/// What the health check found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Health {
    /// `starting`, `healthy` or `unhealthy`.
    #[serde(deserialize_with = "go::lenient")]
    pub status: String,
    #[serde(deserialize_with = "go::lenient")]
    pub failing_streak: i64,
    #[serde(with = "go::nil")]
    pub log: Vec<HealthResult>,
}

/// One probe.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthResult {
    #[serde(deserialize_with = "go::lenient")]
    pub start: String,
    #[serde(deserialize_with = "go::lenient")]
    pub end: String,
    #[serde(deserialize_with = "go::lenient")]
    pub exit_code: i32,
    #[serde(deserialize_with = "go::lenient")]
    pub output: String,
}
