//! `POST /commit`: which image came of it.

use serde::{Deserialize, Serialize};

use crate::go;

/// What the call answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CommitResponse {
    /// The image's id, `sha256:…`.
    #[serde(deserialize_with = "go::lenient")]
    pub id: String,
}
