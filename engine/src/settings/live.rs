//! The settings that may change while the daemon runs: one value, replaced as a whole.

use std::collections::BTreeMap;
use std::time::Duration;

use gantry_registry_client::Config as RegistryConfig;

use super::ContainerDefaults;

/// See the fields. Use cases take a snapshot once (`Engine::live`) and stay with it to their end.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveSettings {
    /// Whether the daemon logs at debug level; `info` shows it.
    pub debug: bool,
    /// Whether the user asked for what is experimental; `info` and `_ping` show it.
    pub experimental: bool,
    /// The administrator's words about this daemon, each `key=value` or `key`.
    pub labels: Vec<String>,
    /// What the administrator switched on or off by name.
    pub features: BTreeMap<String, bool>,
    /// Which registries may be spoken to, and how.
    pub registries: RegistryConfig,
    /// Registries (`host[:port]` or networks) that get layers which are not to be distributed.
    pub nondistributable: Vec<String>,
    /// Layers of one pull that are fetched at a time.
    pub max_concurrent_downloads: usize,
    /// Layers of one push that are sent at a time.
    pub max_concurrent_uploads: usize,
    /// What containers get that ask for nothing else.
    pub containers: ContainerDefaults,
    /// The plugins that are asked whether a request may be served, in this order.
    pub authorization_plugins: Vec<String>,
    /// How long requests under way may go on when the daemon ends; `None` waits for all of them.
    pub shutdown_timeout: Option<Duration>,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self {
            debug: false,
            experimental: false,
            labels: Vec::new(),
            features: BTreeMap::new(),
            registries: RegistryConfig::default(),
            nondistributable: Vec::new(),
            max_concurrent_downloads: 6,
            max_concurrent_uploads: 5,
            containers: ContainerDefaults::default(),
            authorization_plugins: Vec::new(),
            shutdown_timeout: Some(Duration::from_secs(15)),
        }
    }
}
