//! `GET /images/json`: one row per image.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::go;
use crate::image::{ManifestDescriptor, ManifestSummary};

/// One row of the list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageSummary {
    /// Containers of this image; −1 when not counted, as before 1.51.
    #[serde(deserialize_with = "go::lenient")]
    pub containers: i64,
    /// Seconds since 1970.
    #[serde(deserialize_with = "go::lenient")]
    pub created: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub id: String,
    #[serde(with = "go::nil")]
    pub labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "go::lenient")]
    pub parent_id: String,
    #[serde(deserialize_with = "go::lenient")]
    pub repo_digests: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub repo_tags: Vec<String>,
    /// Bytes shared with other images; −1 when not counted.
    #[serde(deserialize_with = "go::lenient")]
    pub shared_size: i64,
    /// Bytes of all layers, unpacked.
    #[serde(deserialize_with = "go::lenient")]
    pub size: i64,
    /// Where its name leads. Since 1.48.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<ManifestDescriptor>,
    /// What is here for which platform; only when asked for.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "go::lenient")]
    pub manifests: Vec<ManifestSummary>,
}
