//! `GET /containers/{id}/json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Config, ContainerState, HostConfig};
use crate::go;
use crate::mount::MountPoint;
use crate::network::NetworkSettings;

/// Everything about one container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerInspect {
    #[serde(deserialize_with = "go::lenient")]
    pub id: String,
    /// RFC 3339 with nanoseconds.
    #[serde(deserialize_with = "go::lenient")]
    pub created: String,
    /// The program and its arguments, after entrypoint and command are joined.
    #[serde(deserialize_with = "go::lenient")]
    pub path: String,
    #[serde(deserialize_with = "go::lenient")]
    pub args: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub state: ContainerState,
    /// The image's id, `sha256:…`.
    #[serde(deserialize_with = "go::lenient")]
    pub image: String,
    #[serde(deserialize_with = "go::lenient")]
    pub resolv_conf_path: String,
    #[serde(deserialize_with = "go::lenient")]
    pub hostname_path: String,
    #[serde(deserialize_with = "go::lenient")]
    pub hosts_path: String,
    #[serde(deserialize_with = "go::lenient")]
    pub log_path: String,
    /// With a leading slash.
    #[serde(deserialize_with = "go::lenient")]
    pub name: String,
    #[serde(deserialize_with = "go::lenient")]
    pub restart_count: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub driver: String,
    #[serde(deserialize_with = "go::lenient")]
    pub platform: String,
    #[serde(deserialize_with = "go::lenient")]
    pub mount_label: String,
    #[serde(deserialize_with = "go::lenient")]
    pub process_label: String,
    #[serde(deserialize_with = "go::lenient")]
    pub app_armor_profile: String,
    #[serde(rename = "ExecIDs", with = "go::nil")]
    pub exec_ids: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub host_config: HostConfig,
    #[serde(deserialize_with = "go::lenient")]
    pub graph_driver: GraphDriver,
    /// Bytes of the writable layer; only when asked for.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub size_rw: Option<i64>,
    /// Bytes of all layers; only when asked for.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub size_root_fs: Option<i64>,
    #[serde(deserialize_with = "go::lenient")]
    pub mounts: Vec<MountPoint>,
    #[serde(deserialize_with = "go::lenient")]
    pub config: Config,
    #[serde(deserialize_with = "go::lenient")]
    pub network_settings: NetworkSettings,
}

/// Who keeps the layers and where: `LowerDir`, `UpperDir`, `WorkDir`, `MergedDir` for overlay.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GraphDriver {
    #[serde(with = "go::nil")]
    pub data: BTreeMap<String, String>,
    #[serde(deserialize_with = "go::lenient")]
    pub name: String,
}
