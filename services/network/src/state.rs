//! What is in memory: every network with its endpoints and addresses, and the sockets to the kernel.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantry_netlink::nftables::Table;
use gantry_netlink::{Request, Socket};
use gantry_port_proxy::{PortProxy, Relay};
use gantry_types::{EndpointId, NetworkId};
use ipnet::IpNet;

use crate::addresses::Addresses;
use crate::announce::Known;
use crate::directory::Directory;
use crate::endpoint::{Endpoint, Place4, Place6};
use crate::family::Family;
use crate::forwarding::Closed;
use crate::mark::Mark;
use crate::network::{DEFAULT_NETWORK, Network, Subnet};
use crate::ports::{Held, Published, SctpPorts};
use crate::{Error, Networks, Result, firewall};

/// One network and who is in it.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) network: Network,
    /// Shared with those who only look.
    pub(crate) addresses: Arc<Mutex<Taken>>,
    pub(crate) endpoints: HashMap<EndpointId, Endpoint>,
    /// Why its bridge cannot be had, while those of others can.
    pub(crate) failure: Option<String>,
    /// A plugin is being asked about it.
    pub(crate) is_in_change: bool,
    /// What its containers' neighbours may remember.
    pub(crate) known: Known,
}

/// Which addresses of each of a network's subnets are taken, in their order. Nobody asks the kernel or a plugin for anything while this is
/// locked, nor for another lock.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) ipv4: Vec<Addresses<Ipv4Addr>>,
    pub(crate) ipv6: Vec<Addresses<Ipv6Addr>>,
}

impl Live {
    pub(crate) fn new(network: Network) -> Self {
        let ipv4 = network.subnets4().map(addresses).collect();
        let ipv6 = network.subnets6().map(addresses).collect();
        Self {
            network,
            addresses: Arc::new(Mutex::new(Taken { ipv4, ipv6 })),
            endpoints: HashMap::new(),
            failure: None,
            is_in_change: false,
            known: Known::default(),
        }
    }

    /// Notes addresses that somebody has already.
    pub(crate) fn keep(&self, ipv4: Option<Place4>, ipv6: Option<Place6>) {
        let mut taken = lock(&self.addresses);
        if let Some(place) = ipv4 {
            of_subnet(&mut taken.ipv4, place.address).map(|it| it.take(place.address));
        }
        if let Some(place) = ipv6 {
            of_subnet(&mut taken.ipv6, place.address).map(|it| it.take(place.address));
        }
    }

    /// The opposite.
    pub(crate) fn give_back(&self, ipv4: Option<Place4>, ipv6: Option<Place6>) {
        let mut taken = lock(&self.addresses);
        if let Some(place) = ipv4
            && let Some(addresses) = of_subnet(&mut taken.ipv4, place.address)
        {
            addresses.free(place.address);
        }
        if let Some(place) = ipv6
            && let Some(addresses) = of_subnet(&mut taken.ipv6, place.address)
        {
            addresses.free(place.address);
        }
    }
}

/// Each change is one step: a panic leaves nothing half done.
pub(crate) fn lock(addresses: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    addresses.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Those of the subnet that an address lies in.
fn of_subnet<A: Family>(all: &mut [Addresses<A>], address: A) -> Option<&mut Addresses<A>> {
    all.iter_mut().find(|addresses| addresses.has(address))
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
    /// The same for those who only look.
    pub(crate) directory: Arc<Directory>,
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
        let unusable = self.all().filter(|live| live.failure.is_some()).map(|live| &live.network);
        firewall::lay_out(table, (networks, unusable), published, self.closed)
    }

    /// A port that is taken, by another container where that is so: clients look for Docker's words.
    pub(crate) fn explained(&self, error: Error) -> Error {
        let Error::Bind { address, port, protocol, source } = error else { return error };
        let is_same = |taken: &Published| {
            let everywhere = taken.host_address.is_unspecified() || address.is_unspecified();
            taken.host_port == port
                && taken.protocol.name() == protocol
                && (everywhere || taken.host_address == address)
        };
        let mut endpoints = self.all().flat_map(|live| live.endpoints.values());
        let is_taken = source.kind() == io::ErrorKind::AddrInUse;
        if is_taken && endpoints.any(|endpoint| endpoint.ports.iter().any(is_same)) {
            return Error::PortAllocated { address, port };
        }
        Error::Bind { address, port, protocol, source }
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
        self.directory.put(live.network.clone(), Arc::clone(&live.addresses));
        self.networks.insert(live.network.id.clone(), live);
    }

    pub(crate) fn remove(&mut self, id: &NetworkId) -> Option<Live> {
        self.directory.remove(id);
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
        let id = self.directory.find(text, |network| network.id.clone())?;
        self.networks.get(&id).ok_or_else(|| Error::NoSuchNetwork(text.to_owned()))
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
                let network = &live.network;
                let ipv4 = network.subnets4().map(|it| IpNet::V4(it.subnet));
                let ipv6 = network.subnets6().map(|it| IpNet::V6(it.subnet));
                let whose = format!("the network {}", network.name);
                ipv4.chain(ipv6).map(move |subnet| (subnet, whose.clone()))
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
