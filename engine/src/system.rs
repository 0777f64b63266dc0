//! What the engine tells of itself and of its host.

mod info;
mod version;

pub use info::info;
pub use version::{MIN_API_VERSION, NEWEST_API_VERSION, version};
