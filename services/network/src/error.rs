//! The one error type of this crate: what about networks could not be done.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use gantry_types::ErrorKind;
use ipnet::IpNet;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why. The texts are contract: clients print them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("network {0} not found")]
    NoSuchNetwork(String),
    #[error("network with name {0} already exists")]
    NameTaken(String),
    #[error("network {text} is ambiguous ({count} networks have ids that begin with it)")]
    Ambiguous { text: String, count: usize },
    #[error("{0} is a pre-defined network and cannot be removed")]
    Predefined(String),
    #[error("error while removing network: network {name} id {id} has active endpoints ({count})")]
    InUse { name: String, id: String, count: usize },
    #[error("configuration network {name:?} is in use by the network {user}")]
    ConfigInUse { name: String, user: String },
    #[error("invalid option {key}={value}")]
    InvalidOption { key: String, value: String },
    #[error("the network option {key} is not known")]
    UnknownOption { key: String },
    #[error("{reason}")]
    Contradiction { reason: String },
    #[error("invalid network name {0:?}: only [a-zA-Z0-9][a-zA-Z0-9_.-]* are allowed")]
    InvalidName(String),
    #[error("the network name {0:?} means something else: choose another one")]
    ReservedName(String),
    #[error("invalid MTU {text:?}: {least} to {most} bytes are possible")]
    InvalidMtu { text: String, least: u32, most: u32 },
    #[error("invalid subnet {subnet}: it should be {right}")]
    InvalidSubnet { subnet: IpNet, right: IpNet },
    #[error("the network device {device} is there already: choose another name for the bridge")]
    DeviceTaken { device: String },
    #[error("{driver} driver doesn't support multiple subnets: make one network for each")]
    SeveralSubnets { driver: &'static str },
    #[error("the network {0} has no addresses")]
    NoAddresses(String),
    #[error("the network {network} has no {family} addresses: {address} cannot be one of them")]
    NoFamily { network: String, family: &'static str, address: IpAddr },
    #[error("the network {network} is a configuration for others: no container can be in it")]
    ConfigOnly { network: String },
    #[error("the device {device} of this host cannot carry a network: {reason}")]
    Parent { device: String, reason: String },
    #[error("this host's kernel has no {what}: choose another network driver")]
    NotInKernel { what: &'static str, source: gantry_netlink::Error },
    #[error(
        "the address {address} is the subnet's own or that of its broadcasts: choose another one of {subnet} for network {network}"
    )]
    NotAHost { address: IpAddr, network: String, subnet: IpNet },
    #[error(
        "invalid pool request: Pool overlaps with other one on this address space: {subnet} is used by {by}"
    )]
    Overlap { subnet: IpNet, by: String },
    #[error(
        "could not find an available, non-overlapping {family} address pool among the defaults to assign to the network: remove networks that nobody uses, or give a subnet"
    )]
    NoPool { family: &'static str },
    #[error("all names for a default bridge's device are taken on this host")]
    NoDevice,
    #[error("there are {limit} bridge networks, and no more may be: remove some that nobody uses")]
    TooManyBridges { limit: u32 },
    #[error(
        "no available {} addresses on this network's address pools: {network} ({subnets})",
        if subnets.contains(':') { "IPv6" } else { "IPv4" }
    )]
    NoAddress { network: String, subnets: String },
    #[error("Address already in use: {address} on network {network}")]
    AddressTaken { address: IpAddr, network: String },
    #[error("no configured subnet contains IP address {address}: network {network} has {subnets}")]
    Outside { address: IpAddr, network: String, subnets: String },
    /// Another container has it.
    #[error("Bind for {address}:{port} failed: port is already allocated")]
    PortAllocated { address: IpAddr, port: u16 },
    #[error("failed to bind host port {address}:{port}/{protocol}: {source}")]
    Bind { address: IpAddr, port: u16, protocol: &'static str, source: io::Error },
    #[error("all ports of the range {first}-{last}/{protocol} are allocated on {address}")]
    RangeTaken { address: IpAddr, first: u16, last: u16, protocol: &'static str },
    #[error("{action} {path}")]
    Sysctl { action: &'static str, path: PathBuf, source: io::Error },
    #[error("another program changes this host's networks for more than {seconds} seconds")]
    HostBusy { seconds: u64 },
    #[error("{action}")]
    Host { action: &'static str, source: io::Error },
    #[error(
        "the network device {device} was made by another program: remove it, or the network that needs this name"
    )]
    ForeignDevice { device: String },
    #[error("the network {network} cannot be used: {reason}")]
    Down { network: String, reason: String },
    #[error("bridge networks cannot be used on this host: {reason}")]
    Unavailable { reason: String },
    #[error(
        "this kernel's packet filter (nftables) lacks {missing}: load these modules, or boot a kernel that has them"
    )]
    NoPacketFilter { missing: String },
    #[error(transparent)]
    Proxy(#[from] gantry_port_proxy::Error),
    #[error("could not find plugin {plugin} in v1 plugin registry: plugin not found")]
    NoPlugin { plugin: String },
    #[error("the plugin {plugin} of a network failed")]
    Plugin { plugin: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the network {0} is being made or removed: try again")]
    InChange(String),
    #[error(transparent)]
    Netlink(#[from] gantry_netlink::Error),
    #[error(transparent)]
    Database(#[from] gantry_db::Error),
}

impl Error {
    /// What sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchNetwork(_) | Self::NoPlugin { .. } => ErrorKind::NotFound,
            Self::InChange(_) | Self::NameTaken(_) => ErrorKind::Conflict,
            Self::Predefined(_)
            | Self::InUse { .. }
            | Self::ConfigInUse { .. }
            | Self::Overlap { .. }
            | Self::TooManyBridges { .. }
            | Self::SeveralSubnets { .. }
            | Self::AddressTaken { .. } => ErrorKind::Forbidden,
            Self::InvalidName(_)
            | Self::ReservedName(_)
            | Self::InvalidMtu { .. }
            | Self::InvalidOption { .. }
            | Self::UnknownOption { .. }
            | Self::Contradiction { .. }
            | Self::NoFamily { .. }
            | Self::ConfigOnly { .. }
            | Self::Parent { .. }
            | Self::InvalidSubnet { .. }
            | Self::DeviceTaken { .. }
            | Self::NoAddresses(_)
            | Self::NotAHost { .. }
            | Self::Ambiguous { .. }
            | Self::Outside { .. }
            | Self::Netlink(gantry_netlink::Error::Name { .. }) => ErrorKind::InvalidParameter,
            Self::NotInKernel { .. } => ErrorKind::NotImplemented,
            Self::NoPool { .. }
            | Self::NoDevice
            | Self::ForeignDevice { .. }
            | Self::Down { .. }
            | Self::NoAddress { .. }
            | Self::Bind { .. }
            | Self::PortAllocated { .. }
            | Self::RangeTaken { .. }
            | Self::Sysctl { .. }
            | Self::HostBusy { .. }
            | Self::Plugin { .. }
            | Self::Host { .. }
            | Self::Unavailable { .. }
            | Self::NoPacketFilter { .. }
            // Names come from users; what else the kernel refuses is nothing that they asked for.
            | Self::Proxy(_)
            | Self::Netlink(_) => ErrorKind::Internal,
            Self::Database(error) => error.kind(),
        }
    }
}
