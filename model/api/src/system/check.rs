//! `GET /gantry/system/check`, a route of our own: what was examined, and what is wrong with it.

use gantry_types::Fault;
use serde::{Deserialize, Serialize};

/// What an examination found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CheckReport {
    /// Whether every blob was read and compared with its digest.
    pub deep: bool,
    /// What was looked at, in a fixed order.
    pub examined: Vec<Examined>,
    /// What is wrong; nothing in a sound store.
    pub faults: Vec<Fault>,
}

/// Things of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Examined {
    /// What they are.
    pub what: String,
    /// How many there are.
    pub count: u64,
    /// Bytes in them, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}
