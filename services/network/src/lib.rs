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
mod announce;
mod bridge;
mod create;
mod directory;
mod endpoint;
mod error;
mod family;
mod firewall;
mod forwarding;
mod host;
mod mark;
mod network;
mod open;
mod options;
mod parent;
mod plug;
mod pools;
mod ports;
mod publish;
mod remote;
mod state;
mod subnets;
mod switches;
mod watch;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use gantry_db::Db;

pub use addresses::Usage;
pub use create::{Asked, CreateOptions};
pub use endpoint::{Endpoint, EndpointWish, Place, Place4, Place6};
pub use error::{Error, Result};
pub use network::{
    Bridge, DEFAULT_NETWORK, Driver, Ipam, Network, Parent, Subnet, Subnet4, Subnet6,
};
pub use options::{BridgeOptions, GatewayMode};
pub use plug::PlugOptions;
pub use ports::{PortProtocol, PortWish, Published};
pub use remote::{Remote, RemoteResult};

/// How networks are made.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether there is a default network; without one there are no bridges at all, and nothing is done to the host.
    pub default_bridge: bool,
    /// What the default network is told; its name is passed over.
    pub default_network: CreateOptions,
    /// A bridge that the user made for the default network.
    pub users_bridge: Option<String>,
    /// The way to plugins; without it, there are none.
    pub remote: Option<Arc<dyn Remote>>,
    /// Whether the host may be made a router.
    pub forwards: bool,
    /// Subnets for networks that ask for none, in order; each is cut into pieces of that many bits.
    pub pools: Vec<(ipnet::IpNet, u8)>,
    /// Bytes in a packet of a network that asks for none.
    pub mtu: u32,
    /// Where the kernel's switches are: `/proc/sys/net`.
    pub sysctl: PathBuf,
}

impl Config {
    /// The pools that Docker has.
    pub fn default_pools() -> Vec<(ipnet::IpNet, u8)> {
        pools::defaults()
    }

    /// A pool of unique local addresses of IPv6, the same whenever the same daemon asks.
    pub fn unique_local_pool(daemon: &str) -> (ipnet::IpNet, u8) {
        pools::unique_local(daemon)
    }
}

/// Whether the kernel takes this for a device's name.
pub fn is_device_name(text: &str) -> bool {
    text.parse::<gantry_netlink::route::LinkName>().is_ok()
}

/// All networks of a daemon. `Send + Sync`; functions block, for as long as the kernel needs.
#[derive(Debug)]
pub struct Networks {
    config: Config,
    db: Arc<Db>,
    state: Arc<Mutex<state::State>>,
    directory: Arc<directory::Directory>,
    device_switches: switches::DeviceSwitches,
    container_switches: switches::ContainerSwitches,
    /// Puts the packet filter's table back.
    watch: Mutex<Option<watch::Watch>>,
}
