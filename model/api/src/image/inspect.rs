//! `GET /images/{name}/json`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::container::{GraphDriver, HealthConfig};
use crate::go;
use crate::image::{ManifestDescriptor, ManifestSummary};

/// Everything about one image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageInspect {
    /// The digest of its config.
    #[serde(deserialize_with = "go::lenient")]
    pub id: String,
    #[serde(deserialize_with = "go::lenient")]
    pub repo_tags: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub repo_digests: Vec<String>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub parent: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub comment: String,
    /// RFC 3339; absent when the image does not say.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub created: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub docker_version: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub author: String,
    #[serde(deserialize_with = "go::lenient")]
    pub config: ImageConfig,
    #[serde(deserialize_with = "go::lenient")]
    pub architecture: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub variant: String,
    #[serde(deserialize_with = "go::lenient")]
    pub os: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub os_version: String,
    /// Bytes of all layers, unpacked.
    #[serde(deserialize_with = "go::lenient")]
    pub size: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub graph_driver: GraphDriver,
    #[serde(rename = "RootFS", deserialize_with = "go::lenient")]
    pub root_fs: RootFs,
    #[serde(deserialize_with = "go::lenient")]
    pub metadata: ImageMetadata,
    /// Since 1.53; absent where nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<ImageIdentity>,
    /// Where its name leads. Since 1.48.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<ManifestDescriptor>,
    /// What is here for which platform; only when asked for. Since 1.48.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "go::lenient")]
    pub manifests: Vec<ManifestSummary>,
}

/// What a container of this image runs as.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageConfig {
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub user: String,
    #[serde(skip_serializing_if = "go::is_zero", with = "go::set")]
    pub exposed_ports: BTreeSet<String>,
    #[serde(skip_serializing_if = "go::is_zero", with = "go::nil")]
    pub env: Vec<String>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::optional_words")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::optional_words")]
    pub cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "go::is_zero", with = "go::set")]
    pub volumes: BTreeSet<String>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub working_dir: String,
    #[serde(skip_serializing_if = "go::is_zero", with = "go::nil")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub stop_signal: String,
    /// Windows only.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub args_escaped: bool,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub healthcheck: Option<HealthConfig>,
    #[serde(skip_serializing_if = "go::is_zero", with = "go::nil")]
    pub on_build: Vec<String>,
    #[serde(skip_serializing_if = "go::is_zero", with = "go::words")]
    pub shell: Vec<String>,
}

/// The layers, lowest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RootFs {
    /// Always `layers`.
    pub r#type: String,
    /// The layers' diff ids.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub layers: Vec<String>,
}

/// What this host knows of the image beyond its content.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageMetadata {
    /// RFC 3339; `0001-01-01T00:00:00Z` when never tagged here.
    #[serde(deserialize_with = "go::lenient")]
    pub last_tag_time: String,
}

/// Where the image comes from, as far as this host saw it itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageIdentity {
    /// The repositories that it was pulled from.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "go::lenient")]
    pub pull: Vec<PullIdentity>,
}

/// One repository that gave the image under a digest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PullIdentity {
    /// With its registry.
    #[serde(deserialize_with = "go::lenient")]
    pub repository: String,
}
