//! `POST /containers/{id}/update`. The request has fields of `HostConfig`: the limits and the restart policy.

use serde::{Deserialize, Serialize};

use crate::go;

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UpdateResponse {
    #[serde(with = "go::nil")]
    pub warnings: Vec<String>,
}
