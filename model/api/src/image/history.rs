//! `GET /images/{name}/history`: one entry per step of the image's making, newest first.

use serde::{Deserialize, Serialize};

use crate::go;

/// One step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HistoryItem {
    /// The image's id for the newest step, `<missing>` for the others.
    #[serde(deserialize_with = "go::lenient")]
    pub id: String,
    /// Seconds since 1970.
    #[serde(deserialize_with = "go::lenient")]
    pub created: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub created_by: String,
    #[serde(with = "go::nil")]
    pub tags: Vec<String>,
    /// Bytes the step added.
    #[serde(deserialize_with = "go::lenient")]
    pub size: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub comment: String,
}
