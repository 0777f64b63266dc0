//! The engine itself: its version and what it can tell about its host.

mod info;
mod version;

pub use info::{Commit, Info, Plugins, RegistryConfig, RegistryIndex, Runtime, SwarmInfo};
pub use version::{ComponentVersion, Platform, Version};
