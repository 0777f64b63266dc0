//! `manifest.json` of a docker-archive, the format of `docker save`.

use serde::{Deserialize, Serialize};

use super::tolerant::null_default;

/// One image of the archive; the file holds a list of them. All paths are paths in the archive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ArchiveManifest {
    /// The image configuration.
    #[serde(default, deserialize_with = "null_default")]
    pub config: String,
    /// The names of the image, with tags; `null` when it has none.
    #[serde(default, deserialize_with = "null_default")]
    pub repo_tags: Vec<String>,
    /// The layers, the lowest first.
    #[serde(default, deserialize_with = "null_default")]
    pub layers: Vec<String>,
}
