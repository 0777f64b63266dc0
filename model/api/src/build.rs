//! Builds.

mod history;
pub mod listing;
mod output;
pub mod progress;

pub use history::{BuildDetails, BuildHistoryPruned, BuildStep, BuildSummary};
pub use output::{BuildExchange, BuildOutput};
pub use progress::BuildStatus;

use serde::{Deserialize, Serialize};

use crate::go;

/// The answer to `POST /build/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BuildPruned {
    /// The keys of what went.
    #[serde(with = "go::nil")]
    pub caches_deleted: Vec<String>,
    /// Bytes of their layers.
    #[serde(deserialize_with = "go::lenient")]
    pub space_reclaimed: u64,
}
