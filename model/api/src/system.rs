//! The engine itself: its version and what it can tell about its host.

mod auth;
mod check;
mod df;
mod event;
mod info;
mod version;

pub use auth::{AuthConfig, AuthResponse};
pub use check::{CheckReport, Examined};
pub use df::{BuildCacheRecord, DiskUsage, Usage};
pub use event::{EventActor, EventMessage};
pub use info::{
    Commit, DiscoveredDevice, FirewallBackend, Info, Plugins, RegistryConfig, RegistryIndex,
    Runtime, SwarmInfo,
};
pub use version::{ComponentVersion, Platform, Version};
