//! `POST /images/prune`: what went.

use serde::{Deserialize, Serialize};

use super::DeleteItem;
use crate::go;

/// What went, and how much room that made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImagesPruned {
    #[serde(with = "go::nil")]
    pub images_deleted: Vec<DeleteItem>,
    /// Bytes of layers that nobody else had.
    #[serde(deserialize_with = "go::lenient")]
    pub space_reclaimed: u64,
}
