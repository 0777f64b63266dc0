//! Opening: the networks that there were, the three that are always there, and the table of the packet filter.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use gantry_db::Db;
use gantry_netlink::nftables::Table;
use gantry_netlink::route::Link;
use gantry_types::{ErrorKind, NetworkId, Timestamp, error_chain};
use ipnet::{Ipv4Net, Ipv6Net};

use crate::announce::Known;
use crate::create::{Asked, CreateOptions};
use crate::endpoint::Endpoint;
use crate::family::Family;
use crate::forwarding::{Closed, boot};
use crate::network::{
    Bridge, DEFAULT_NETWORK, Driver, Ipam, NETWORKS, Network, SCHEMA, Subnet, upgraded,
};
use crate::state::{Live, State};
use crate::switches::{ContainerSwitches, DeviceSwitches};
use crate::watch::Watch;
use crate::{Config, Error, Networks, Result, firewall, host, options, pools, ports};

impl Networks {
    /// Reads the networks. Nothing is done to the host before [`Self::restore`].
    pub fn open(config: Config, db: Arc<Db>) -> Result<Self> {
        db.migrate(&SCHEMA)?;
        let mut state = State::default();
        for (_, network) in db.read(|tx| NETWORKS.list(tx))? {
            state.insert(Live::new(upgraded(network)));
        }
        let directory = Arc::clone(&state.directory);
        let state = Arc::new(Mutex::new(state));
        let device_switches = DeviceSwitches::open(&config.sysctl);
        Ok(Self {
            config,
            db,
            state,
            directory,
            device_switches,
            container_switches: ContainerSwitches::default(),
            watch: Mutex::default(),
        })
    }

    /// Brings the host to what there should be: the bridges of all networks, the rules, and the ports and addresses of the containers
    /// that went on running, whose connections go on, too. `ids` are for the networks that are always there.
    ///
    /// Where the host lacks something, all but bridges still works; [`Self::unavailable`] says what it is.
    pub fn restore(
        &self,
        endpoints: Vec<Endpoint>,
        ids: [NetworkId; 3],
        now: Timestamp,
    ) -> Result<()> {
        let always =
            [(DEFAULT_NETWORK, Driver::Bridge), ("host", Driver::Host), ("none", Driver::Null)];
        for ((name, driver), id) in always.into_iter().zip(ids) {
            self.add_predefined(name, driver, id, now)?;
        }
        for endpoint in endpoints {
            self.adopt(endpoint);
        }
        if !self.config.default_bridge {
            self.state().unavailable = Some("the daemon was told to have none (bridge)".to_owned());
            return Ok(());
        }
        self.set_up();
        Ok(())
    }

    /// Whether bridges can be had; tries again what only had no time.
    pub(crate) fn ready(&self) -> Result<()> {
        let tries_again = self.state().tries_again;
        if tries_again {
            self.set_up();
        }
        self.unavailable().map_or(Ok(()), |reason| Err(Error::Unavailable { reason }))
    }

    fn set_up(&self) {
        let failure = self.lay_out().err();
        let reason = failure.as_ref().map(|error| error_chain(error));
        if let Some(reason) = &reason {
            tracing::error!(reason, "bridge networks cannot be used on this host");
        }
        let mut state = self.state();
        state.unavailable = reason;
        state.tries_again = matches!(failure, Some(Error::HostBusy { .. }));
        drop(state);
        if failure.is_none() {
            self.relay_all();
            self.watch();
        }
    }

    /// Keeps the table as it is, whoever empties the packet filter.
    fn watch(&self) {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        match Watch::start(Arc::clone(&self.state)) {
            Ok(started) => *watch = Some(started),
            Err(error) => {
                let error = error_chain(&error);
                tracing::warn!(
                    error,
                    "rules that somebody removes stay away until the next change"
                );
            }
        }
    }

    /// What bridges lack on this host.
    pub fn unavailable(&self) -> Option<String> {
        self.state().unavailable.clone()
    }

    /// The host's own address in the default network.
    pub fn host_gateway(&self) -> Option<Ipv4Addr> {
        self.directory.find(DEFAULT_NETWORK, |network| network.ipv4.as_ref()?.gateway).ok()?
    }

    /// The devices and rules go when no container needs them, and the host routes no longer if it does so for this daemon only; networks
    /// stay in the database. A table in which the user has rules stays, and so does one that still closes what the host routes.
    pub fn close(&self) {
        if let Err(error) = self.withdraw() {
            let error = error_chain(&error);
            tracing::warn!(error, "cannot remove all that networks have on this host");
        }
    }

    fn withdraw(&self) -> Result<()> {
        let Ok(table) = self.state().table() else { return Ok(()) };
        let _lock = host::lock()?;
        let mut state = self.state();
        if state.all().any(|live| !live.endpoints.is_empty()) {
            return Ok(());
        }
        let networks: Vec<(Network, Option<String>)> =
            state.all().map(|live| (live.network.clone(), live.failure.clone())).collect();
        for (network, failure) in networks {
            let live = Live { failure, ..Live::new(network) };
            if let Err(error) = Self::tear_down(&mut state, &live) {
                let error = error_chain(&error);
                tracing::warn!(error, network = live.network.name, "cannot remove a bridge");
            }
        }
        let is_open = self.stop_routing(&mut state)?;
        let socket = state.netfilter()?;
        if is_open || socket.has_rules(&table, firewall::USER)? {
            return Ok(());
        }
        Ok(socket.commit(&[table.add(), table.delete()])?)
    }

    fn lay_out(&self) -> Result<()> {
        firewall::needs::check()?;
        let _lock = host::lock()?;
        let mut state = self.state();
        let boot = boot()?;
        self.look_at_routing(&mut state, &boot)?;
        let left = self.settle_default(&mut state)?;
        let networks: Vec<Network> = state
            .all()
            .filter(|live| live.network.bridge.is_some() || live.network.parent.is_some())
            .map(|live| live.network.clone())
            .collect();
        for network in &networks {
            let made = Self::make_device(&mut state, network);
            if network.bridge.is_some() && matches!(made, Ok(true)) {
                state.get_mut(&network.id)?.known = Known::of_new_bridge();
            }
            Self::note(&mut state, &network.id, made.map(drop))?;
        }
        remove_strays(&mut state)?;
        let table = state.table()?;
        let rules = state.rules(&table);
        state.netfilter()?.commit(&rules)?;
        if let Some(left) = left.filter(|left| left.name() != table.name()) {
            give_up(&mut state, &left)?;
        }
        for network in &networks {
            if state.get_mut(&network.id)?.failure.is_some() {
                continue;
            }
            let switched = self.set_switches(network);
            if switched.is_err() {
                // Nothing of a network that cannot be used stays in the table.
                let requests = firewall::exclude(&state.table()?, network);
                state.netfilter()?.commit(&requests)?;
            }
            Self::note(&mut state, &network.id, switched)?;
        }
        self.begin_routing(&mut state, &boot)
    }

    /// One network that fails is no reason to have none.
    fn note(state: &mut State, id: &NetworkId, result: Result<()>) -> Result<()> {
        let live = state.get_mut(id)?;
        live.failure = result.err().map(|error| error_chain(&error));
        if let Some(reason) = &live.failure {
            tracing::error!(reason, network = live.network.name, "a network cannot be used");
        }
        Ok(())
    }

    /// The default network keeps its device and subnets while they are its own and what the daemon was told. Without containers it gives
    /// way to whoever took them while this daemon was away.
    ///
    /// A bridge that is left goes, so that the next one can have its name, and with it the table with the user's rules. Where it has
    /// another all the same, the table that is left comes back.
    fn settle_default(&self, state: &mut State) -> Result<Option<Table>> {
        let live = state.find(DEFAULT_NETWORK)?;
        let (network, is_used) = (live.network.clone(), !live.endpoints.is_empty());
        if let Some(bridge) = &network.bridge
            && (is_used || self.is_as_told(&network))
            && stays(state, &network, bridge, is_used)?
        {
            state.set_table(&table_of(bridge));
            return Ok(None);
        }
        let left = match &network.bridge {
            Some(bridge) => Self::leave(state, &network, bridge)?,
            None => None,
        };
        // Its own subnet is not in its own way.
        state.remove(&network.id);
        let options = self.default_network(state)?;
        let Network { id, created_at, .. } = network.clone();
        let planned = match self.plan(state, id, &options, created_at) {
            Ok(planned) => planned,
            Err(error) => {
                let network = Network { bridge: None, ipv4: None, ipv6: None, ..network };
                state.insert(Live::new(network));
                return Err(error);
            }
        };
        let saved = self.db.write(|tx| NETWORKS.put(tx, planned.id.as_str(), &planned));
        if let Some(bridge) = &planned.bridge {
            state.set_table(&table_of(bridge));
        }
        state.insert(Live::new(planned));
        saved?;
        Ok(left)
    }

    /// Takes the device of a default network away that is to be another, unless it is somebody else's by now. The table that goes with
    /// it, under the same condition.
    fn leave(state: &mut State, network: &Network, bridge: &Bridge) -> Result<Option<Table>> {
        let mark = state.mark()?;
        let link = state.route()?.link(&bridge.device.parse()?)?;
        if !bridge.is_users && link.is_some_and(|link| !mark.is_on(&link)) {
            return Ok(None);
        }
        Self::remove_device(state, network)?;
        Ok(Some(Table::new(table_of(bridge))))
    }

    /// What the daemon was told of the default network. A bridge of the user's has its addresses already.
    fn default_network(&self, state: &mut State) -> Result<CreateOptions> {
        let told = self.config.default_network.clone();
        let mut options = CreateOptions { name: DEFAULT_NETWORK.to_owned(), ..told };
        let Some(device) = &self.config.users_bridge else { return Ok(options) };
        let socket = state.route()?;
        let missing =
            |reason: &str| Error::Parent { device: device.clone(), reason: reason.to_owned() };
        let link = socket.link(&device.parse()?)?;
        let link = link.ok_or_else(|| missing("make the bridge before the daemon starts"))?;
        let own: Vec<(IpAddr, u8)> = socket
            .all_addresses()?
            .into_iter()
            .filter(|(index, ..)| *index == link.index)
            .map(|(_, address, prefix)| (address, prefix))
            .collect();
        let ipv4 = own.iter().find_map(|(address, prefix)| match address {
            IpAddr::V4(address) => Ipv4Net::new(*address, *prefix).ok(),
            IpAddr::V6(_) => None,
        });
        let ipv6 = own.iter().find_map(|(address, prefix)| match address {
            IpAddr::V6(address) if !address.is_unicast_link_local() => {
                Ipv6Net::new(*address, *prefix).ok()
            }
            _ => None,
        });
        if let Some(asked) = options.ipv4.as_mut().filter(|asked| asked.gateway.is_none()) {
            let ipv4 = ipv4.ok_or_else(|| missing("give it an IPv4 address first"))?;
            (asked.subnet, asked.gateway) = (Some(ipv4.trunc()), Some(ipv4.addr()));
        }
        if let (Some(asked), Some(ipv6)) = (options.ipv6.as_mut(), ipv6) {
            (asked.subnet, asked.gateway) = (Some(ipv6.trunc()), Some(ipv6.addr()));
        }
        Ok(options)
    }

    /// Whether a default network that was planned earlier is what the daemon is told today.
    fn is_as_told(&self, network: &Network) -> bool {
        let told = &self.config.default_network;
        let Some(bridge) = &network.bridge else { return false };
        let device = match &self.config.users_bridge {
            Some(device) => bridge.is_users && bridge.device == *device,
            None => !bridge.is_users,
        };
        let mtu = options::mtu(&told.options, self.config.mtu, false);
        device
            && mtu.is_ok_and(|mtu| mtu == bridge.mtu)
            && network.options == told.options
            && is_as_asked(network.ipv4.as_ref(), told.ipv4.as_ref())
            && is_as_asked(network.ipv6.as_ref(), told.ipv6.as_ref())
    }

    fn add_predefined(
        &self,
        name: &str,
        driver: Driver,
        id: NetworkId,
        now: Timestamp,
    ) -> Result<()> {
        let mut state = self.state();
        if state.find_by_name(name).is_some() {
            return Ok(());
        }
        let network = Network {
            id,
            name: name.to_owned(),
            driver,
            created_at: now,
            ipv4: None,
            ipv6: None,
            further4: Vec::new(),
            further6: Vec::new(),
            bridge: None,
            parent: None,
            internal: false,
            attachable: false,
            config_only: false,
            config_from: String::new(),
            ipam: Ipam::default(),
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
        };
        self.db.write(|tx| NETWORKS.put(tx, network.id.as_str(), &network))?;
        state.insert(Live::new(network));
        Ok(())
    }

    /// Takes what a running container has.
    fn adopt(&self, endpoint: Endpoint) {
        let mut state = self.state();
        let (held, errors) = ports::bind_again(&endpoint.ports, &state.sctp);
        for error in errors {
            tracing::warn!(error = error_chain(&error), "another program has a published port");
        }
        state.held.insert(endpoint.id.clone(), held);
        if !endpoint.ports.is_empty() {
            state.published.insert(endpoint.id.clone());
        }
        match state.get_mut(&endpoint.network_id) {
            Ok(live) => {
                live.keep(endpoint.ipv4, endpoint.ipv6);
                live.known.note(&endpoint);
                live.endpoints.insert(endpoint.id.clone(), endpoint);
            }
            Err(error) => {
                tracing::warn!(error = error_chain(&error), "a container's network is gone");
            }
        }
    }
}

/// A bridge of the user's may be shared by several daemons, and a table may not.
fn table_of(bridge: &Bridge) -> String {
    if bridge.is_users { format!("gantry-{}", bridge.device) } else { bridge.device.clone() }
}

/// Takes a table away that is this daemon's no longer: what is in it would go on leading packets to addresses that others get. The
/// user's rules stay, in a table without anything else.
fn give_up(state: &mut State, table: &Table) -> Result<()> {
    let socket = state.netfilter()?;
    let requests = if socket.has_rules(table, firewall::USER)? {
        tracing::warn!(
            table = table.name(),
            "the default bridge has another name: rules in the chain user of its table are to be moved to the new one"
        );
        let all = state.all().map(|live| &live.network);
        firewall::lay_out(table, (std::iter::empty(), all), std::iter::empty(), Closed::default())
    } else {
        vec![table.add(), table.delete()]
    };
    Ok(state.netfilter()?.commit(&requests)?)
}

/// Takes away containers' devices that no record knows: the daemon died while it made them.
fn remove_strays(state: &mut State) -> Result<()> {
    let mark = state.mark()?;
    let links = state.route()?.links()?;
    let known: HashSet<String> =
        state.all().flat_map(|live| live.endpoints.values().map(Endpoint::host_device)).collect();
    let bridges: HashSet<u32> =
        links.iter().filter(|link| mark.is_on(link)).map(|link| link.index).collect();
    let is_stray = |link: &&Link| {
        link.kind.as_deref() == Some("veth")
            && link.master.is_some_and(|master| bridges.contains(&master))
            && Endpoint::is_host_device(&link.name)
            && !known.contains(&link.name)
    };
    for link in links.iter().filter(is_stray) {
        tracing::info!(device = link.name, "removing a device that belongs to no container");
        match state.route()?.send(&[link.delete()]) {
            // It went with its container meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            result => result?,
        }
    }
    Ok(())
}

/// Whether a bridge that was planned earlier can be made, or is there. The table has its name: another daemon's cannot be shared.
fn stays(state: &mut State, network: &Network, bridge: &Bridge, is_used: bool) -> Result<bool> {
    if bridge.is_users {
        return Ok(true);
    }
    let mark = state.mark()?;
    if let Some(link) = state.route()?.link(&bridge.device.parse()?)? {
        return match mark.is_on(&link) {
            false if is_used => Err(Error::ForeignDevice { device: bridge.device.clone() }),
            is_ours => Ok(is_ours),
        };
    }
    if is_used {
        return Ok(true);
    }
    let ipv4 = network.ipv4.as_ref().map(|it| it.subnet.into());
    let ipv6 = network.ipv6.as_ref().map(|it| it.subnet.into());
    let taken = state.subnets_of_host()?;
    let is_free = |own| !taken.iter().any(|(subnet, _)| pools::overlap(*subnet, own));
    Ok(ipv4.into_iter().chain(ipv6).all(is_free))
}

/// Whether what there is fulfils what is asked of one family.
fn is_as_asked<A: Family>(
    there: Option<&Subnet<A, A::Net>>,
    asked: Option<&Asked<A, A::Net>>,
) -> bool {
    match (there, asked) {
        (None, None) => true,
        (Some(there), Some(asked)) => {
            asked.subnet.is_none_or(|subnet| subnet == there.subnet)
                && asked.gateway.is_none_or(|gateway| Some(gateway) == there.gateway)
                && asked.range == there.range
                && asked.router == there.router
        }
        _ => false,
    }
}
