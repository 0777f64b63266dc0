//! `DELETE /images/{name}`: what went.

use serde::{Deserialize, Serialize};

use crate::go;

/// One thing that went: a name or an image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeleteItem {
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub deleted: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub untagged: String,
}

impl DeleteItem {
    pub fn deleted(id: impl Into<String>) -> Self {
        Self { deleted: id.into(), ..Self::default() }
    }

    pub fn untagged(reference: impl Into<String>) -> Self {
        Self { untagged: reference.into(), ..Self::default() }
    }
}
