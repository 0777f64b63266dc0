//! What the engine tells of itself and of its host.

mod check;
mod df;
mod info;
mod version;

pub use check::{CheckOptions, check};
pub use df::{DiskUsageOptions, df};
pub use info::info;
pub use version::{MIN_API_VERSION, NEWEST_API_VERSION, version};
