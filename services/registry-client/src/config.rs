//! What the daemon's administrator decides about registries.

use std::path::PathBuf;

/// See the fields. Resolved by the caller: this crate reads no environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Base URLs that are asked before Docker Hub, in this order.
    pub mirrors: Vec<String>,
    /// Registries (`host[:port]`) and networks (`10.0.0.0/8`) that may be spoken to without TLS or with a certificate
    /// that nobody knows. Loopback addresses are always among them.
    pub insecure: Vec<String>,
    /// Folders in the `certs.d` layout: `<folder>/<host[:port]>/{*.crt, *.cert, *.key}`.
    pub certificate_folders: Vec<PathBuf>,
    /// The proxies that requests go through.
    pub proxies: Proxies,
    /// What the client calls itself.
    pub user_agent: String,
    /// How often one thing is tried, the first time included.
    pub attempts: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mirrors: Vec::new(),
            insecure: Vec::new(),
            certificate_folders: Vec::new(),
            proxies: Proxies::default(),
            user_agent: String::new(),
            attempts: 5,
        }
    }
}

/// Proxies, as the variables `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` describe them; empty means none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For plain connections.
    pub http: String,
    /// For encrypted connections.
    pub https: String,
    /// Hosts and domains that are spoken to directly, separated by commas.
    pub exempt: String,
}
