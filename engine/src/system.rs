//! What the engine tells of itself and of its host.

mod check;
mod df;
mod events;
mod info;
mod version;

pub use check::{CheckOptions, check};
pub use df::{DiskUsageOptions, df};
pub use events::{Ended, EventStream, EventsOptions, events};
pub use info::info;
pub use version::version;
