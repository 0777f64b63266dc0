//! The use cases of a container engine: one function and one file each.
//!
//! This is the only crate that knows several services at once. It is asynchronous; the services are not, and
//! [`blocking`] is where it crosses over. Protocols (HTTP, command lines) live above.

mod apparmor;
mod archive_stream;
mod blocking;
pub mod build;
mod cgroups;
pub mod container;
mod engine;
mod error;
mod events;
pub mod exec;
mod facts;
mod housekeeping;
pub mod image;
mod live;
mod names;
pub mod network;
mod patterns;
mod plan;
pub mod plugin;
mod random;
mod record;
mod registry;
mod rollback;
mod selinux;
mod settings;
pub mod system;
mod user_namespaces;
pub mod volume;

pub use archive_stream::Pieces;
pub use engine::Engine;
pub use error::Error;
pub use gantry_cgroup::Slice;
pub use gantry_layers::Format as LayerFormat;
pub use gantry_plugins::Config as PluginConfig;
pub use gantry_registry_client::{Config as RegistryConfig, Credentials, Proxies};
pub use plan::{UserNamespace, writable_layer_bytes};
pub use settings::{
    CgroupDriver, ContainerDefaults, DefaultSeccomp, LiveSettings, LogDefaults, NameSettings,
    NetworkSettings, OWN_RUNTIME, RuntimeSettings, Settings,
};

/// What every use case returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;
