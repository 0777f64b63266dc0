//! Making a network: what was asked for, completed and checked, then the devices and rules.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use gantry_netlink::route::LinkName;
use gantry_types::{NetworkId, Timestamp};
use ipnet::{Ipv4Net, Ipv6Net};

use crate::announce::Known;
use crate::network::{Bridge, DEFAULT_NETWORK, Driver, Ipam, NETWORKS, Network};
use crate::options::{self, BridgeOptions};
use crate::state::{Live, State};
use crate::{Error, Networks, Result, firewall, host, parent, subnets};

/// What is asked of a new network.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    pub name: String,
    pub driver: Driver,
    /// Nothing for a network without IPv4.
    pub ipv4: Option<Asked<Ipv4Addr, Ipv4Net>>,
    pub ipv6: Option<Asked<Ipv6Addr, Ipv6Net>>,
    /// Further subnets of a family that has one, where the driver gives addresses of several: no bridge does.
    pub further4: Vec<Asked<Ipv4Addr, Ipv4Net>>,
    pub further6: Vec<Asked<Ipv6Addr, Ipv6Net>>,
    pub internal: bool,
    pub attachable: bool,
    pub config_only: bool,
    /// The network whose settings it gets; empty for none.
    pub config_from: String,
    pub ipam: Ipam,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

impl Default for CreateOptions {
    fn default() -> Self {
        Self {
            name: String::new(),
            driver: Driver::Bridge,
            ipv4: Some(Asked::default()),
            ipv6: None,
            further4: Vec::new(),
            further6: Vec::new(),
            internal: false,
            attachable: false,
            config_only: false,
            config_from: String::new(),
            ipam: Ipam::default(),
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }
}

/// Addresses of one family; what is not given is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<A, N> {
    pub subnet: Option<N>,
    pub range: Option<N>,
    pub gateway: Option<A>,
    pub auxiliary: BTreeMap<String, A>,
    /// Who leads out instead of the gateway.
    pub router: Option<A>,
}

impl<A, N> Default for Asked<A, N> {
    fn default() -> Self {
        let auxiliary = BTreeMap::new();
        Self { subnet: None, range: None, gateway: None, auxiliary, router: None }
    }
}

const DEFAULT_DEVICE: &str = "gantry";

impl Networks {
    /// Makes a network.
    ///
    /// # Errors
    /// The name is taken, a subnet meets another one or the host's own, an address lies outside of it, or what is asked for contradicts
    /// itself.
    pub fn create(
        &self,
        id: NetworkId,
        mut options: CreateOptions,
        now: Timestamp,
    ) -> Result<Network> {
        check_name(&options.name)?;
        if !options.config_only && options.driver == Driver::Bridge {
            self.ready()?;
        }
        self.check_plugins(&options)?;
        self.request_pools(&mut options)?;
        let is_remote = matches!(options.driver, Driver::Plugin(_));
        let given = options.clone();
        let created = self.record(id, options, now, is_remote).and_then(|network| {
            if !is_remote {
                return Ok(network);
            }
            // No lock is held: a plugin may take long.
            let made = self.create_remote(&network);
            self.settle(&network, made.is_ok())?;
            made.map(|()| network)
        });
        if created.is_err() {
            self.release_pools(&given);
        }
        created
    }

    fn record(
        &self,
        id: NetworkId,
        mut options: CreateOptions,
        now: Timestamp,
        is_in_change: bool,
    ) -> Result<Network> {
        let _lock = host::lock()?;
        let mut state = self.state();
        if state.find_by_name(&options.name).is_some() {
            return Err(Error::NameTaken(options.name));
        }
        take_config(&state, &mut options)?;
        let network = self.plan(&mut state, id, &options, now)?;
        // On the host's own devices there are others.
        let is_bridge = network.bridge.is_some();
        let known = if is_bridge { Known::of_new_bridge() } else { Known::default() };
        let live = Live { is_in_change, known, ..Live::new(network.clone()) };
        // The record is first and goes last: a device without one would stay for ever.
        self.db.write(|tx| NETWORKS.put(tx, network.id.as_str(), &network))?;
        if let Err(error) = self.bring_up(&mut state, &live) {
            self.db.write(|tx| NETWORKS.remove(tx, network.id.as_str()))?;
            return Err(error);
        }
        state.insert(live);
        Ok(network)
    }

    /// A plugin has answered: the network is there, or it is not.
    fn settle(&self, network: &Network, is_there: bool) -> Result<()> {
        let mut state = self.state();
        if is_there {
            state.get_mut(&network.id)?.is_in_change = false;
            return Ok(());
        }
        state.remove(&network.id);
        self.db.write(|tx| NETWORKS.remove(tx, network.id.as_str()))?;
        Ok(())
    }

    /// The network that the options make; nothing is done yet.
    pub(crate) fn plan(
        &self,
        state: &mut State,
        id: NetworkId,
        options: &CreateOptions,
        now: Timestamp,
    ) -> Result<Network> {
        let mut network = Network {
            id,
            name: options.name.clone(),
            driver: options.driver.clone(),
            created_at: now,
            ipv4: None,
            ipv6: None,
            further4: Vec::new(),
            further6: Vec::new(),
            bridge: None,
            parent: None,
            internal: options.internal,
            attachable: options.attachable,
            config_only: options.config_only,
            config_from: options.config_from.clone(),
            ipam: options.ipam.clone(),
            options: options.options.clone(),
            labels: options.labels.clone(),
        };
        if options.config_only {
            subnets::as_given(options).give_to(&mut network);
            return Ok(network);
        }
        match &options.driver {
            Driver::Macvlan | Driver::Ipvlan => {
                network.parent = Some(parent::plan(state, &network)?);
            }
            Driver::Bridge => network.bridge = Some(self.plan_bridge(state, &network)?),
            Driver::Host | Driver::Null | Driver::Plugin(_) => {}
        }
        self.subnets(state, &network, options)?.give_to(&mut network);
        if network.ipv4.is_none() && network.ipv6.is_none() && network.bridge.is_some() {
            let reason = "IPv4 or IPv6 must be enabled".to_owned();
            return Err(Error::Contradiction { reason });
        }
        Ok(network)
    }

    fn plan_bridge(&self, state: &mut State, network: &Network) -> Result<Bridge> {
        check_room(state)?;
        let is_default = network.name == DEFAULT_NETWORK;
        let users = self.config.users_bridge.as_ref().filter(|_| is_default);
        Ok(Bridge {
            device: match users {
                Some(device) => device.clone(),
                None => device(state, network)?,
            },
            mtu: options::mtu(&network.options, self.config.mtu, network.ipv6.is_some())?,
            is_users: users.is_some(),
            options: BridgeOptions::parse(&network.options, network.internal)?,
            earlier: None,
        })
    }
}

/// The settings of a network that has nothing else.
fn take_config(state: &State, options: &mut CreateOptions) -> Result<()> {
    if options.config_from.is_empty() {
        return Ok(());
    }
    let contradiction = |reason: &str| Err(Error::Contradiction { reason: reason.to_owned() });
    let found = state.find(&options.config_from)?.network.clone();
    if !found.config_only {
        return contradiction(&format!("network {:?} is not a configuration network", found.name));
    }
    let own = [
        (!options.options.is_empty(), "driver options"),
        (options.ipv4.as_ref().is_some_and(|it| *it != Asked::default()), "addresses"),
        (options.ipv6.as_ref().is_some_and(|it| *it != Asked::default()), "IPv6 addresses"),
        (!options.labels.is_empty(), "labels"),
    ];
    if let Some((_, what)) = own.iter().find(|(given, _)| *given) {
        return contradiction(&format!(
            "user specified configurations are not supported if the network depends on a configuration network: leave out the {what}"
        ));
    }
    options.config_from.clone_from(&found.name);
    options.options.clone_from(&found.options);
    options.labels.clone_from(&found.labels);
    options.take_subnets(found);
    Ok(())
}

/// Whether the packet filter has room for one more bridge.
fn check_room(state: &State) -> Result<()> {
    let limit = firewall::BRIDGE_LIMIT;
    let count = state.all().filter(|live| live.network.bridge.is_some()).count();
    if count < limit as usize { Ok(()) } else { Err(Error::TooManyBridges { limit }) }
}

/// The bridge's device, which must be new.
fn device(state: &mut State, network: &Network) -> Result<String> {
    let device = match network.options.get(options::DEVICE) {
        Some(name) => name.clone(),
        None if network.name == DEFAULT_NETWORK => return free_device(state),
        None => format!("br-{}", network.id.short()),
    };
    if state.route()?.link(&device.parse::<LinkName>()?)?.is_some() {
        return Err(Error::DeviceTaken { device });
    }
    Ok(device)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_bridges() {
        let text = r#"{"id":"0000000000000000000000000000000000000000000000000000000000000000","name":"mine",
            "driver":"bridge","created_at":"1970-01-01T00:00:00Z","ipv4":null,"internal":false,"attachable":false,
            "options":{},"labels":{},"bridge":{"device":"mine","mtu":1500}}"#;
        let network: Network = serde_json::from_str(text).unwrap();
        let mut state = State::default();
        for number in 0..firewall::BRIDGE_LIMIT {
            check_room(&state).unwrap();
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            let id = NetworkId::from_bytes(id);
            state.insert(Live::new(Network { id, ..network.clone() }));
        }
        let error = check_room(&state).unwrap_err().to_string();
        assert!(error.contains("4096 bridge networks"), "{error}");
    }
}
