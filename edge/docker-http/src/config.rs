//! The limits a server keeps and what it says of itself. Resolved by the program that starts it.

use std::sync::Arc;
use std::time::Duration;

use crate::metrics::Figures;
use crate::version::Versions;

/// How one server behaves; the same for all its connections.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the `Server` header says: `Gantry/<version> (linux)`. Clients read the system's name from the brackets.
    pub server: String,
    /// The versions of the API that it speaks; all of those that are known by default.
    pub versions: Versions,
    /// Bytes of one JSON body; archives are streamed and have no limit here.
    pub max_body_bytes: usize,
    /// How long one JSON body may take to arrive.
    pub body_timeout: Duration,
    /// How long an archive may stand still: when no byte of it has come for this time, the request fails. While its
    /// reader is the one to wait for, the time stands still too. One minute by default.
    pub archive_stall: Duration,
    /// How long a connection may take to send the head of a request, idle time between requests included.
    pub header_timeout: Duration,
    /// Connections at a time; further ones wait in the listener's backlog.
    pub max_connections: usize,
    /// What is counted of requests; one for all listeners of a daemon.
    pub figures: Arc<Figures>,
}

impl Config {
    /// The defaults for a daemon of this version.
    pub fn new(version: &str) -> Self {
        Self {
            server: format!("Gantry/{version} (linux)"),
            versions: Versions::default(),
            max_body_bytes: 4 << 20,
            body_timeout: Duration::from_mins(1),
            archive_stall: Duration::from_mins(1),
            header_timeout: Duration::from_mins(5),
            max_connections: 4096,
            figures: Arc::default(),
        }
    }
}
