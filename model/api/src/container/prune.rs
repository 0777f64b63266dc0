//! `POST /containers/prune`: what went.

use serde::{Deserialize, Serialize};

use crate::go;

/// What went, and how much room that made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainersPruned {
    /// Their ids.
    #[serde(with = "go::nil")]
    pub containers_deleted: Vec<String>,
    /// Bytes of their writable layers.
    #[serde(deserialize_with = "go::lenient")]
    pub space_reclaimed: u64,
}
