//! Networks: what they are, and finding and removing them. How one is made is in `create`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use gantry_db::{Schema, Table};
use gantry_types::{NetworkId, Timestamp};
use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::options::BridgeOptions;
use crate::state::Live;
use crate::{Error, Networks, Result};

/// The network of containers that ask for none.
pub const DEFAULT_NETWORK: &str = "bridge";

pub(crate) const NETWORKS: Table<Network> = Table::new("networks");
pub(crate) const SCHEMA: Schema = Schema { owner: "networks", migrations: &[] };

/// How a network reaches its containers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    #[default]
    Bridge,
    /// The host's own namespace.
    Host,
    /// A namespace with loopback only.
    Null,
    /// Devices with hardware addresses of their own on one of the host's devices.
    Macvlan,
    /// The same with the device's hardware address.
    Ipvlan,
    /// Another program's, which is asked by its name.
    Plugin(String),
}

impl Driver {
    /// The word of the Engine API.
    pub fn name(&self) -> &str {
        match self {
            Self::Bridge => "bridge",
            Self::Host => "host",
            Self::Null => "null",
            Self::Macvlan => "macvlan",
            Self::Ipvlan => "ipvlan",
            Self::Plugin(name) => name,
        }
    }
}

/// One network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    pub id: NetworkId,
    pub name: String,
    pub driver: Driver,
    pub created_at: Timestamp,
    /// Without it, containers have no IPv4 addresses here.
    #[serde(default)]
    pub ipv4: Option<Subnet4>,
    #[serde(default)]
    pub ipv6: Option<Subnet6>,
    /// Further subnets of a family that has one; no bridge has them.
    #[serde(default)]
    pub further4: Vec<Subnet4>,
    #[serde(default)]
    pub further6: Vec<Subnet6>,
    /// Of bridges only.
    pub bridge: Option<Bridge>,
    /// Of macvlan and ipvlan only.
    #[serde(default)]
    pub parent: Option<Parent>,
    /// No way out, and none in.
    pub internal: bool,
    pub attachable: bool,
    /// Nothing but settings for other networks.
    #[serde(default)]
    pub config_only: bool,
    /// The network whose settings it has.
    #[serde(default)]
    pub config_from: String,
    #[serde(default)]
    pub ipam: Ipam,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

/// Who gives out a network's addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ipam {
    /// Empty for this daemon itself, `null` for nobody; else a plugin.
    pub driver: String,
    pub options: BTreeMap<String, String>,
    /// Whether options were named when it was made, and be it none.
    #[serde(default)]
    pub names_options: bool,
    /// What a plugin calls the pools that it gave.
    #[serde(default)]
    pub pools: Vec<String>,
}

/// Gives no addresses at all: containers get theirs from elsewhere, for instance by DHCP.
const NOBODY: &str = "null";

impl Ipam {
    /// Whether containers have no addresses of the network's.
    pub fn is_nobody(&self) -> bool {
        self.driver == NOBODY
    }

    /// The plugin that gives the addresses.
    pub(crate) fn plugin(&self) -> Option<&str> {
        Some(self.driver.as_str()).filter(|driver| !driver.is_empty() && !self.is_nobody())
    }
}

const INTERFACE_PREFIX: &str = "com.docker.network.container_iface_prefix";

impl Network {
    /// The plugins that make its devices or give its addresses.
    pub fn plugins(&self) -> impl Iterator<Item = &str> {
        let devices = match &self.driver {
            Driver::Plugin(name) => Some(name.as_str()),
            _ => None,
        };
        devices.into_iter().chain(self.ipam.plugin())
    }

    /// Whether there is one, which has to hear of every end.
    pub fn asks_plugin(&self) -> bool {
        self.plugins().next().is_some()
    }

    /// Whether it is one of those that are always there.
    pub fn is_predefined(&self) -> bool {
        matches!(self.name.as_str(), DEFAULT_NETWORK | "host" | "none")
    }

    /// All its subnets of IPv4.
    pub fn subnets4(&self) -> impl Iterator<Item = &Subnet4> {
        self.ipv4.iter().chain(&self.further4)
    }

    /// The same of IPv6.
    pub fn subnets6(&self) -> impl Iterator<Item = &Subnet6> {
        self.ipv6.iter().chain(&self.further6)
    }

    /// What the names of its devices in containers begin with.
    pub fn interface_prefix(&self) -> &str {
        match self.options.get(INTERFACE_PREFIX).map_or("", String::as_str) {
            "" => "eth",
            prefix => prefix,
        }
    }
}

/// The addresses of one family in a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet<A, N> {
    pub subnet: N,
    /// Where addresses are chosen from; the whole subnet without one.
    pub range: Option<N>,
    /// The containers' way out; of a bridge, its own address.
    pub gateway: Option<A>,
    /// Addresses of the subnet that belong to others.
    pub auxiliary: BTreeMap<String, A>,
    /// Who leads out instead of the gateway.
    pub router: Option<A>,
}

impl<A: Copy, N> Subnet<A, N> {
    /// Where containers send what goes out.
    pub fn way_out(&self) -> Option<A> {
        self.router.or(self.gateway)
    }
}

pub type Subnet4 = Subnet<Ipv4Addr, Ipv4Net>;
pub type Subnet6 = Subnet<Ipv6Addr, Ipv6Net>;

/// What the kernel needs to know of a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// Its device on the host.
    pub device: String,
    /// Bytes.
    pub mtu: u32,
    /// Made by the user, who also gave it its addresses: it is neither made nor removed here.
    #[serde(default)]
    pub is_users: bool,
    #[serde(default)]
    pub options: BridgeOptions,
    /// Where records of earlier versions have their IPv4 addresses.
    #[serde(flatten, skip_serializing)]
    pub(crate) earlier: Option<Subnet4>,
}

/// The device of the host that a network's containers share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    pub device: String,
    /// The physical device and the number of the VLAN, where the parent is one that this network has made.
    pub vlan: Option<(String, u16)>,
    /// Whether it is a device without a way out, made for this network.
    pub is_made: bool,
    /// `IFLA_MACVLAN_MODE` or `IFLA_IPVLAN_MODE`.
    pub mode: u32,
    /// `IFLA_IPVLAN_FLAGS`.
    pub flags: u16,
    /// Bytes; zero has the parent's.
    pub mtu: u32,
}

impl Networks {
    /// All networks, by name.
    pub fn list(&self) -> Vec<Network> {
        self.directory.list()
    }

    /// The network that `text` means: a name, an id, or the beginning of one that no other id has. Waits for nobody.
    pub fn find(&self, text: &str) -> Result<Network> {
        self.directory.find(text, Network::clone)
    }

    /// Removes a network that no container is in.
    pub fn remove(&self, text: &str) -> Result<Network> {
        let mut state = self.state();
        let live = state.find(text)?;
        let network = live.network.clone();
        if network.is_predefined() {
            return Err(Error::Predefined(network.name));
        }
        if !live.endpoints.is_empty() {
            let id = network.id.to_string();
            return Err(Error::InUse { name: network.name, id, count: live.endpoints.len() });
        }
        let named = |live: &&Live| live.network.config_from == network.name;
        if network.config_only
            && let Some(user) = state.all().find(named)
        {
            let user = user.network.name.clone();
            return Err(Error::ConfigInUse { name: network.name, user });
        }
        if live.is_in_change {
            return Err(Error::InChange(network.name));
        }
        let empty = Live { failure: live.failure.clone(), ..Live::new(network.clone()) };
        if matches!(network.driver, Driver::Plugin(_)) || !network.ipam.pools.is_empty() {
            state.get_mut(&network.id)?.is_in_change = true;
            drop(state);
            self.delete_remote(&network);
            state = self.state();
        }
        let removed = Self::tear_down(&mut state, &empty)
            .and_then(|()| Ok(self.db.write(|tx| NETWORKS.remove(tx, network.id.as_str()))?));
        if let Err(error) = removed {
            state.get_mut(&network.id)?.is_in_change = false;
            return Err(error);
        }
        state.remove(&network.id);
        Ok(network)
    }
}

/// Brings a record of an earlier version to what it is today.
pub(crate) fn upgraded(mut network: Network) -> Network {
    let earlier = network.bridge.as_mut().and_then(|bridge| bridge.earlier.take());
    network.ipv4 = network.ipv4.or(earlier);
    network
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_earlier_versions_are_read() {
        let text = r#"{"id":"0101010101010101010101010101010101010101010101010101010101010101","name":"mine",
            "driver":"bridge","created_at":"1970-01-01T00:00:00Z","bridge":{"device":"br-1","subnet":"10.0.0.0/24","range":null,
            "gateway":"10.0.0.1","auxiliary":{"router":"10.0.0.9"},"mtu":1500},"internal":false,"attachable":false,"options":{},
            "labels":{}}"#;
        let network = upgraded(serde_json::from_str(text).unwrap());
        let ipv4 = network.ipv4.as_ref().unwrap();
        assert_eq!(ipv4.subnet.to_string(), "10.0.0.0/24");
        assert_eq!(ipv4.gateway, Some("10.0.0.1".parse().unwrap()));
        assert!(network.bridge.as_ref().unwrap().options.icc);
        let again: Network =
            serde_json::from_str(&serde_json::to_string(&network).unwrap()).unwrap();
        assert_eq!(again, network);
    }
}
