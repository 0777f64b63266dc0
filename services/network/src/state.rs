//! What is in memory: every network with its endpoints and addresses, and the sockets to the kernel.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::MutexGuard;

use gantry_netlink::nftables::Table;
use gantry_netlink::{Request, Socket};
use gantry_port_proxy::{PortProxy, Relay};
use gantry_types::{EndpointId, NetworkId};
use ipnet::IpNet;

use crate::addresses::Addresses;
use crate::endpoint::Endpoint;
use crate::family::Family;
use crate::forwarding::Closed;
use crate::mark::Mark;
use crate::network::{DEFAULT_NETWORK, Network, Subnet};
use crate::ports::{Held, SctpPorts};
use crate::{Error, Networks, Result, firewall};

/// One network and who is in it.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) network: Network,
    pub(crate) addresses4: Option<Addresses<Ipv4Addr>>,
    pub(crate) addresses6: Option<Addresses<Ipv6Addr>>,
    pub(crate) endpoints: HashMap<EndpointId, Endpoint>,
    /// Why its bridge cannot be had, while those of others can.
    pub(crate) failure: Option<String>,
    /// A plugin is being asked about it.
    pub(crate) is_in_change: bool,
}

impl Live {
    pub(crate) fn new(network: Network) -> Self {
        let addresses4 = network.ipv4.as_ref().map(addresses);
        let addresses6 = network.ipv6.as_ref().map(addresses);
        Self {
            network,
            addresses4,
            addresses6,
            endpoints: HashMap::new(),
            failure: None,
            is_in_change: false,
        }
    }
}

/// Those of a subnet, of which its own are taken.
fn addresses<A: Family>(subnet: &Subnet<A, A::Net>) -> Addresses<A> {
    let mut addresses = Addresses::new(subnet.subnet, subnet.range);
    for address in subnet.auxiliary.values().chain(&subnet.gateway) {
        addresses.take(*address);
    }
    addresses
}

#[derive(Debug, Default)]
pub(crate) struct State {
    networks: BTreeMap<NetworkId, Live>,
    /// The host's ports that are kept from others, by endpoint.
    pub(crate) held: HashMap<EndpointId, Held>,
    /// What relays what comes to them, by endpoint. Dropped before what is held.
    pub(crate) relays: HashMap<EndpointId, Vec<Relay>>,
    proxy: Option<PortProxy>,
    pub(crate) sctp: SctpPorts,
    /// The endpoints whose ports the packet filter leads to them.
    pub(crate) published: HashSet<EndpointId>,
    /// What the rules close because this host would not route it without this daemon.
    pub(crate) closed: Closed,
    /// Whether IPv6 is routed for this daemon.
    pub(crate) routes_ipv6: bool,
    route: Option<Socket>,
    netfilter: Option<Socket>,
    /// The packet filter's table of this daemon: the default bridge's name, which no other daemon of the host has.
    table: Option<Table>,
    /// Why bridges cannot be had here.
    pub(crate) unavailable: Option<String>,
    /// Whether that may be over soon.
    pub(crate) tries_again: bool,
}

impl State {
    /// See [`Self::set_table`].
    pub(crate) fn table(&self) -> Result<Table> {
        self.table.clone().ok_or_else(|| Error::Unavailable {
            reason: self.unavailable.clone().unwrap_or_else(|| "they were not set up".to_owned()),
        })
    }

    /// When the default bridge has its name.
    pub(crate) fn set_table(&mut self, name: &str) {
        self.table = Some(Table::new(name));
    }

    /// The whole table, as it should be now, for the networks that can be used.
    pub(crate) fn rules(&self, table: &Table) -> Vec<Request> {
        let usable = || self.all().filter(|live| live.failure.is_none());
        let networks = usable().map(|live| &live.network);
        let endpoints = usable().flat_map(|live| live.endpoints.values());
        let published = endpoints.filter(|endpoint| self.published.contains(&endpoint.id));
        firewall::lay_out(table, networks, published, self.closed)
    }

    /// The endpoints whose ports the packet filter leads to them.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Endpoint> {
        let all = self.all().flat_map(|live| live.endpoints.values());
        all.filter(|endpoint| self.published.contains(&endpoint.id))
    }

    /// What this daemon's bridges carry.
    pub(crate) fn mark(&self) -> Result<Mark> {
        Ok(Mark::new(&self.find(DEFAULT_NETWORK)?.network.id, self.closed))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Live> {
        self.networks.values()
    }

    pub(crate) fn insert(&mut self, live: Live) {
        self.networks.insert(live.network.id.clone(), live);
    }

    pub(crate) fn remove(&mut self, id: &NetworkId) -> Option<Live> {
        self.networks.remove(id)
    }

    pub(crate) fn get_mut(&mut self, id: &NetworkId) -> Result<&mut Live> {
        self.networks.get_mut(id).ok_or_else(|| Error::NoSuchNetwork(id.to_string()))
    }

    pub(crate) fn find_by_name(&self, name: &str) -> Option<&Live> {
        self.all().find(|live| live.network.name == name)
    }

    /// See [`Networks::find`].
    pub(crate) fn find(&self, text: &str) -> Result<&Live> {
        let exact = self.all().find(|live| live.network.id.as_str() == text);
        if let Some(live) = exact.or_else(|| self.find_by_name(text)) {
            return Ok(live);
        }
        let mut found = self
            .all()
            .filter(|live| !text.is_empty() && live.network.id.as_str().starts_with(text));
        match (found.next(), found.count()) {
            (Some(live), 0) => Ok(live),
            (Some(_), more) => Err(Error::Ambiguous { text: text.to_owned(), count: more + 1 }),
            (None, _) => Err(Error::NoSuchNetwork(text.to_owned())),
        }
    }

    /// The socket for devices, addresses and routes of the host.
    pub(crate) fn route(&mut self) -> Result<&mut Socket> {
        let socket = match self.route.take() {
            Some(socket) => socket,
            None => Socket::route()?,
        };
        Ok(self.route.insert(socket))
    }

    /// The one thread that relays, from the first port on.
    pub(crate) fn proxy(&mut self) -> Result<&mut PortProxy> {
        let proxy = match self.proxy.take() {
            Some(proxy) => proxy,
            None => PortProxy::start()?,
        };
        Ok(self.proxy.insert(proxy))
    }

    /// The socket for the packet filter.
    pub(crate) fn netfilter(&mut self) -> Result<&mut Socket> {
        let socket = match self.netfilter.take() {
            Some(socket) => socket,
            None => Socket::netfilter()?,
        };
        Ok(self.netfilter.insert(socket))
    }

    /// Every subnet that a new one must not meet, and whose it is.
    pub(crate) fn used_subnets(&mut self) -> Result<Vec<(IpNet, String)>> {
        // Networks on the host's own devices may share the subnet of those with others.
        let mut used: Vec<(IpNet, String)> = self
            .all()
            .filter(|live| live.network.parent.is_none() && !live.network.config_only)
            .flat_map(|live| {
                let Network { name, ipv4, ipv6, .. } = &live.network;
                let ipv4 = ipv4.as_ref().map(|it| IpNet::V4(it.subnet));
                let ipv6 = ipv6.as_ref().map(|it| IpNet::V6(it.subnet));
                let whose = format!("the network {name}");
                ipv4.into_iter().chain(ipv6).map(move |subnet| (subnet, whose.clone()))
            })
            .collect();
        let host = self.subnets_of_host()?;
        used.extend(host.into_iter().map(|(subnet, whose)| (subnet, whose.to_owned())));
        Ok(used)
    }

    /// Those of the host's addresses, and those that it has a route to.
    pub(crate) fn subnets_of_host(&mut self) -> Result<Vec<(IpNet, &'static str)>> {
        let route = self.route()?;
        let addresses = route.all_addresses()?.into_iter();
        let addresses =
            addresses.map(|(_, address, prefix)| (address, prefix, "an address of this host"));
        let routes = route.destinations()?.into_iter();
        let routes = routes.map(|(address, prefix)| (address, prefix, "a route of this host"));
        // Every device has a way to the link-local ones and to groups.
        let is_shared = |address: IpAddr| match address {
            IpAddr::V4(address) => address.is_multicast(),
            IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast(),
        };
        let subnet = |(address, prefix, whose)| {
            Some((IpNet::new(address, prefix).ok()?.trunc(), whose)).filter(|_| !is_shared(address))
        };
        Ok(addresses.chain(routes).filter_map(subnet).collect())
    }
}

impl Networks {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // What is changed under the lock is changed by whole steps: a panic leaves nothing half done in it.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
