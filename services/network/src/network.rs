//! Networks: what they are, and making, finding and removing them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use gantry_db::{Schema, Table};
use gantry_netlink::route::LinkName;
use gantry_types::{NetworkId, Timestamp};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::addresses::Addresses;
use crate::state::{Live, State};
use crate::{Error, Networks, Result, host, pools};

/// The network of containers that ask for none.
pub const DEFAULT_NETWORK: &str = "bridge";

pub(crate) const NETWORKS: Table<Network> = Table::new("networks");
pub(crate) const SCHEMA: Schema = Schema { owner: "networks", migrations: &[] };

/// How a network reaches its containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    Bridge,
    /// The host's own namespace.
    Host,
    /// A namespace with loopback only.
    Null,
}

impl Driver {
    /// The word of the Engine API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Host => "host",
            Self::Null => "null",
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
    /// Of bridges only.
    pub bridge: Option<Bridge>,
    /// No way out, and none in.
    pub internal: bool,
    pub attachable: bool,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

impl Network {
    /// Whether it is one of those that are always there.
    pub fn is_predefined(&self) -> bool {
        matches!(self.name.as_str(), DEFAULT_NETWORK | "host" | "none")
    }
}

/// What the kernel needs to know of a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// Its device on the host.
    pub device: String,
    pub subnet: Ipv4Net,
    /// Where addresses are chosen from; the whole subnet without one.
    pub range: Option<Ipv4Net>,
    /// The bridge's own address, and the containers' way out.
    pub gateway: Ipv4Addr,
    /// Addresses of the subnet that belong to others.
    pub auxiliary: BTreeMap<String, Ipv4Addr>,
    /// Bytes.
    pub mtu: u32,
}

/// What is asked of a new network.
#[derive(Debug, Clone, Default)]
pub struct CreateOptions {
    pub name: String,
    pub subnet: Option<Ipv4Net>,
    pub range: Option<Ipv4Net>,
    pub gateway: Option<Ipv4Addr>,
    pub auxiliary: BTreeMap<String, Ipv4Addr>,
    pub internal: bool,
    pub attachable: bool,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

const DEFAULT_DEVICE: &str = "gantry";
/// Docker's names for what a bridge may be told.
const OPTION_DEVICE: &str = "com.docker.network.bridge.name";
const OPTION_MTU: &str = "com.docker.network.driver.mtu";
const LEAST_MTU: u32 = 68;
const MOST_MTU: u32 = 65_535;

impl Networks {
    /// Makes a bridge network.
    ///
    /// # Errors
    /// The name is taken, the subnet meets another one or the host's own, or an address lies outside of it.
    pub fn create(&self, id: NetworkId, options: CreateOptions, now: Timestamp) -> Result<Network> {
        check_name(&options.name)?;
        self.ready()?;
        let _lock = host::lock()?;
        let mut state = self.state();
        if state.find_by_name(&options.name).is_some() {
            return Err(Error::NameTaken(options.name));
        }
        let bridge = self.plan_bridge(&mut state, &id, &options)?;
        let network = Network {
            id,
            name: options.name,
            driver: Driver::Bridge,
            created_at: now,
            bridge: Some(bridge),
            internal: options.internal,
            attachable: options.attachable,
            options: options.options,
            labels: options.labels,
        };
        let live = Live::new(network.clone());
        // The record is first and goes last: a bridge without one would stay for ever.
        self.db.write(|tx| NETWORKS.put(tx, network.id.as_str(), &network))?;
        if let Err(error) = self.bring_up(&mut state, &live) {
            self.db.write(|tx| NETWORKS.remove(tx, network.id.as_str()))?;
            return Err(error);
        }
        state.insert(live);
        Ok(network)
    }

    /// All networks, by name.
    pub fn list(&self) -> Vec<Network> {
        let state = self.state();
        let mut all: Vec<Network> = state.all().map(|live| live.network.clone()).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// The network that `text` means: a name, an id, or the beginning of one that no other id has.
    pub fn find(&self, text: &str) -> Result<Network> {
        Ok(self.state().find(text)?.network.clone())
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
            return Err(Error::InUse { name: network.name, count: live.endpoints.len() });
        }
        let empty = Live { failure: live.failure.clone(), ..Live::new(network.clone()) };
        Self::tear_down(&mut state, &empty)?;
        self.db.write(|tx| NETWORKS.remove(tx, network.id.as_str()))?;
        state.remove(&network.id);
        Ok(network)
    }

    pub(crate) fn plan_bridge(
        &self,
        state: &mut State,
        id: &NetworkId,
        options: &CreateOptions,
    ) -> Result<Bridge> {
        let device = device(state, id, options)?;
        let subnet = self.subnet(state, options.subnet)?;
        let gateway = gateway(subnet, options)?;
        let mtu = match options.options.get(OPTION_MTU) {
            None => self.config.mtu,
            Some(text) => {
                let mtu = text.parse().ok().filter(|mtu| (LEAST_MTU..=MOST_MTU).contains(mtu));
                let (least, most) = (LEAST_MTU, MOST_MTU);
                mtu.ok_or_else(|| Error::InvalidMtu { text: text.clone(), least, most })?
            }
        };
        let auxiliary = options.auxiliary.clone();
        Ok(Bridge { device, subnet, range: options.range, gateway, auxiliary, mtu })
    }

    /// The one that was asked for, if it meets no other; else the first free one of the pools.
    fn subnet(&self, state: &mut State, asked: Option<Ipv4Net>) -> Result<Ipv4Net> {
        let used = state.used_subnets()?;
        let Some(subnet) = asked else {
            let used: Vec<Ipv4Net> = used.into_iter().map(|(subnet, _)| subnet).collect();
            return pools::choose(&self.config.pools, &used).ok_or(Error::NoPool);
        };
        if subnet.trunc() != subnet {
            return Err(Error::InvalidSubnet { subnet, right: subnet.trunc() });
        }
        match used.into_iter().find(|(other, _)| pools::overlap(*other, subnet)) {
            Some((_, by)) => Err(Error::Overlap { subnet, by }),
            None => Ok(subnet),
        }
    }
}

/// The bridge's device, which must be new.
fn device(state: &mut State, id: &NetworkId, options: &CreateOptions) -> Result<String> {
    let device = match options.options.get(OPTION_DEVICE) {
        Some(name) => name.clone(),
        None if options.name == DEFAULT_NETWORK => return free_device(state),
        None => format!("br-{}", id.short()),
    };
    if state.route()?.link(&device.parse::<LinkName>()?)?.is_some() {
        return Err(Error::DeviceTaken { device });
    }
    Ok(device)
}

/// The gateway, after a look at every address that was given by hand.
fn gateway(subnet: Ipv4Net, options: &CreateOptions) -> Result<Ipv4Addr> {
    let network = || options.name.clone();
    if let Some(range) = options.range
        && !subnet.contains(&range)
    {
        return Err(Error::Outside { address: range.addr(), network: network(), subnet });
    }
    let mut addresses = Addresses::new(subnet, options.range);
    for address in options.auxiliary.values().chain(&options.gateway) {
        if !subnet.contains(address) {
            return Err(Error::Outside { address: *address, network: network(), subnet });
        }
        if !addresses.is_host(*address) {
            return Err(Error::NotAHost { address: *address, network: network(), subnet });
        }
        if !addresses.take(*address) {
            return Err(Error::AddressTaken { address: *address, network: network() });
        }
    }
    let chosen = options.gateway.or_else(|| addresses.next());
    chosen.ok_or_else(|| Error::NoAddress { network: network(), subnet })
}

/// The default bridges of the daemons of a host are numbered.
fn free_device(state: &mut State) -> Result<String> {
    for number in 0_u32.. {
        let name = format!("{DEFAULT_DEVICE}{number}");
        if state.route()?.link(&name.parse()?)?.is_none() {
            return Ok(name);
        }
    }
    Err(Error::NoDevice)
}

/// By the rule for names of containers; the words for modes are no names.
fn check_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let starts_well = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if !starts_well || !name.bytes().all(allowed) || name.len() > 255 {
        return Err(Error::InvalidName(name.to_owned()));
    }
    if name == "default" || name == "container" {
        return Err(Error::ReservedName(name.to_owned()));
    }
    Ok(())
}
