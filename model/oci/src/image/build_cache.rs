//! What the steps of a build gave, for builds elsewhere: the configuration of a cache's manifest, and a field of an image's own
//! configuration. The manifest beside it has the layers' blobs.

use gantry_types::Digest;
use serde::{Deserialize, Deserializer, Serialize};

/// The steps of a build by their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildCache {
    /// The steps.
    #[serde(default)]
    pub steps: Vec<CachedStep>,
    /// The diffID of each layer of the manifest beside it, in its order; empty in an image, which names them itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Digest>,
}

/// What one step gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedStep {
    /// The digest of all that it depends on.
    pub key: Digest,
    /// The number of the layer that it made, from 0, if it made one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
    /// When, RFC 3339.
    pub created: String,
    /// What it says.
    #[serde(default)]
    pub text: String,
}

/// What cannot be read is a cache that is not there: an image is one without it.
pub(super) fn lenient<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<BuildCache>>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}
