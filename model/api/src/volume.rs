//! Volumes: as they are, as they are asked for, and what pruning them took away.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::go;

/// `GET /volumes/{name}`, and a row of `GET /volumes`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Volume {
    pub created_at: String,
    pub driver: String,
    #[serde(with = "go::nil")]
    pub labels: BTreeMap<String, String>,
    /// The path on the host.
    #[serde(deserialize_with = "go::lenient")]
    pub mountpoint: String,
    pub name: String,
    /// The driver's.
    #[serde(with = "go::nil")]
    pub options: BTreeMap<String, String>,
    /// `local` or `global`.
    #[serde(deserialize_with = "go::lenient")]
    pub scope: String,
    /// What a plugin tells of it.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub status: BTreeMap<String, serde_json::Value>,
    /// In `df` only.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub usage_data: Option<VolumeUsage>,
}

/// What a volume takes and who uses it; -1 where that is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeUsage {
    /// Containers.
    pub ref_count: i64,
    /// Bytes.
    pub size: i64,
}

/// `GET /volumes`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeList {
    #[serde(deserialize_with = "go::lenient")]
    pub volumes: Vec<Volume>,
    #[serde(with = "go::nil")]
    pub warnings: Vec<String>,
}

/// `POST /volumes/create`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeCreateRequest {
    /// Empty lets the engine choose.
    #[serde(deserialize_with = "go::lenient")]
    pub name: String,
    /// Empty is the local one.
    #[serde(deserialize_with = "go::lenient")]
    pub driver: String,
    #[serde(deserialize_with = "go::lenient")]
    pub driver_opts: BTreeMap<String, String>,
    #[serde(deserialize_with = "go::lenient")]
    pub labels: BTreeMap<String, String>,
    /// Of volumes of a swarm only.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub cluster_volume_spec: Option<serde_json::Value>,
}

/// `POST /gantry/volumes/{name}/rename` and `…/clone`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeNewName {
    pub name: String,
}

/// `POST /volumes/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumesPruned {
    #[serde(deserialize_with = "go::lenient")]
    pub volumes_deleted: Vec<String>,
    /// Bytes.
    #[serde(deserialize_with = "go::lenient")]
    pub space_reclaimed: u64,
}
