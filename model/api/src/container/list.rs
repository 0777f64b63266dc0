//! `GET /containers/json`: one row per container.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::go;
use crate::mount::MountPoint;
use crate::network::{EndpointSettings, Port};

/// One row of the list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerSummary {
    #[serde(deserialize_with = "go::lenient")]
    pub id: String,
    /// Each with a leading slash.
    #[serde(deserialize_with = "go::lenient")]
    pub names: Vec<String>,
    /// As the user wrote it, or the id when the name points elsewhere by now.
    #[serde(deserialize_with = "go::lenient")]
    pub image: String,
    #[serde(rename = "ImageID", deserialize_with = "go::lenient")]
    pub image_id: String,
    #[serde(deserialize_with = "go::lenient")]
    pub command: String,
    /// Seconds since 1970.
    #[serde(deserialize_with = "go::lenient")]
    pub created: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub ports: Vec<Port>,
    /// Bytes; only when asked for.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub size_rw: i64,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub size_root_fs: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub labels: BTreeMap<String, String>,
    /// One word, as in inspect's `State.Status`.
    #[serde(deserialize_with = "go::lenient")]
    pub state: String,
    /// For people: `Up 2 minutes`, `Exited (0) 5 seconds ago`.
    #[serde(deserialize_with = "go::lenient")]
    pub status: String,
    #[serde(deserialize_with = "go::lenient")]
    pub host_config: SummaryHostConfig,
    #[serde(deserialize_with = "go::lenient")]
    pub network_settings: SummaryNetworkSettings,
    #[serde(deserialize_with = "go::lenient")]
    pub mounts: Vec<MountPoint>,
    /// Absent without a health check; since 1.52.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub health: Option<SummaryHealth>,
}

/// The little of `HostConfig` that a row shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SummaryHostConfig {
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub network_mode: String,
    /// Since 1.46.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub annotations: BTreeMap<String, String>,
}

/// What a row shows of a health check's findings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SummaryHealth {
    /// `starting`, `healthy` or `unhealthy`.
    #[serde(deserialize_with = "go::lenient")]
    pub status: String,
    #[serde(deserialize_with = "go::lenient")]
    pub failing_streak: i64,
}

/// The networks of a row, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SummaryNetworkSettings {
    #[serde(deserialize_with = "go::lenient")]
    pub networks: BTreeMap<String, EndpointSettings>,
}
