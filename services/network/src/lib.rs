//! Networks of containers: bridges with their subnets, endpoints in containers' namespaces, published ports, and the packet
//! filter's rules that let through what was asked for and nothing else.
//!
//! Everything goes to the kernel by netlink, in batches. Containers are known by the endpoints that the caller keeps in their
//! records ([`Endpoint`]) and gives back when the daemon starts again ([`Networks::restore`]).
//!
//! ```text
//! let networks = Networks::open(Config { … }, db)?;
//! let endpoint = networks.allocate(&network, &wish)?;         an address and the host's ports, before the container is made
//! networks.plug(&endpoint, namespace)?;                       its device, and the rules
//! networks.release(&endpoint);                                the device goes with the namespace
//! ```

mod addresses;
mod bridge;
mod endpoint;
mod error;
mod firewall;
mod host;
mod mark;
mod network;
mod open;
mod plug;
mod pools;
mod ports;
mod state;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use gantry_db::Db;

pub use endpoint::{Endpoint, EndpointWish};
pub use error::{Error, Result};
pub use network::{Bridge, CreateOptions, DEFAULT_NETWORK, Driver, Network};
pub use ports::{PortProtocol, PortWish, Published};

/// How networks are made.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether there is a default network; without one there are no bridges at all, and nothing is done to the host.
    pub default_bridge: bool,
    /// Subnets for networks that ask for none, in order; each is cut into pieces of that many bits.
    pub pools: Vec<(ipnet::Ipv4Net, u8)>,
    /// Bytes in a packet of a network that asks for none.
    pub mtu: u32,
    /// Where the kernel's switches are: `/proc/sys/net`.
    pub sysctl: PathBuf,
}

impl Config {
    /// The pools that Docker has.
    pub fn default_pools() -> Vec<(ipnet::Ipv4Net, u8)> {
        pools::defaults()
    }
}

/// All networks of a daemon. `Send + Sync`; functions block, for as long as the kernel needs.
#[derive(Debug)]
pub struct Networks {
    config: Config,
    db: Arc<Db>,
    state: Mutex<state::State>,
}
