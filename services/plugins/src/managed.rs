//! Managed plugins: root file systems with a document of what they may do, which users create, fetch, set, enable and remove. Their files and
//! rows are here; how they are run and where they come from is the engine's business.

mod blobs;
mod config;
mod record;
mod settings;
mod store;

pub use blobs::{Incoming, PLUGIN_CONFIG, PluginManifest};
pub use config::{kinds, parse, privileges};
pub use record::Record;
pub use settings::{apply, carry_over, defaults};
pub use store::{Change, Store};
