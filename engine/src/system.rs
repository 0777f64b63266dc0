//! What the engine tells of itself and of its host.

mod authorize;
mod check;
mod df;
mod events;
mod figures;
mod info;
mod reload;
mod times;
mod version;

pub use authorize::{AuthorizationAnswer, AuthorizationRequest, authorize};
pub use check::{CheckOptions, check};
pub use df::{DiskUsageOptions, df};
pub use events::{Ended, EventStream, EventsOptions, events};
pub(crate) use figures::{EndedLogs, ProbeCounts};
pub use figures::{EngineFigures, ProcessFigures, figures};
pub use gantry_shims::LogFigures;
pub use info::info;
pub(crate) use reload::check_plugins;
pub use reload::reload;
pub use times::{BOUNDS_MS, Times};
pub use version::version;
