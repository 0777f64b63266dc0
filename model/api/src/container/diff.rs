//! `GET /containers/{id}/changes`: one entry for each file that a container changed.

use serde::{Deserialize, Serialize};

use crate::go;

/// One changed file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FileChange {
    /// With a leading slash.
    #[serde(deserialize_with = "go::lenient")]
    pub path: String,
    /// 0 modified, 1 added, 2 deleted.
    #[serde(deserialize_with = "go::lenient")]
    pub kind: u8,
}
