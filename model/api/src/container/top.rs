//! `GET /containers/{id}/top`: a container's processes as a table.

use serde::{Deserialize, Serialize};

use crate::go;

/// One row for each process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerTop {
    #[serde(with = "go::nil")]
    pub titles: Vec<String>,
    #[serde(with = "go::nil")]
    pub processes: Vec<Vec<String>>,
}
