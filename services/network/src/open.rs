//! Opening: the networks that there were, the three that are always there, and the table of the packet filter.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use gantry_db::{Db, Table};
use gantry_netlink::route::Link;
use gantry_types::{NetworkId, Timestamp, error_chain};

use crate::endpoint::Endpoint;
use crate::mark::Mark;
use crate::network::{Bridge, CreateOptions, DEFAULT_NETWORK, Driver, NETWORKS, Network, SCHEMA};
use crate::state::{Live, State};
use crate::{Config, Error, Networks, Result, firewall, host, pools, ports};

/// In which boot this daemon (or another one that was there) made the host a router.
const ROUTER: Table<String> = Table::new("network-router");
const ROUTER_KEY: &str = "boot";
/// The switch that makes the host a router.
const FORWARDING: &str = "ipv4/ip_forward";

impl Networks {
    /// Reads the networks. Nothing is done to the host before [`Self::restore`].
    pub fn open(config: Config, db: Arc<Db>) -> Result<Self> {
        db.migrate(&SCHEMA)?;
        let mut state = State::default();
        for (_, network) in db.read(|tx| NETWORKS.list(tx))? {
            state.insert(Live::new(network));
        }
        Ok(Self { config, db, state: Mutex::new(state) })
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
    }

    /// What bridges lack on this host.
    pub fn unavailable(&self) -> Option<String> {
        self.state().unavailable.clone()
    }

    /// The host's own address in the default network.
    pub fn host_gateway(&self) -> Option<Ipv4Addr> {
        let state = self.state();
        state.find(DEFAULT_NETWORK).ok()?.network.bridge.as_ref().map(|bridge| bridge.gateway)
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
        let _lock = host::lock()?;
        let mut state = self.state();
        let boot = boot()?;
        state.closes_the_rest = self.closes_the_rest(&mut state, &boot)?;
        self.settle_default(&mut state)?;
        let networks: Vec<(NetworkId, Bridge)> = state
            .all()
            .filter_map(|live| Some((live.network.id.clone(), live.network.bridge.clone()?)))
            .collect();
        for (id, bridge) in &networks {
            let made = Self::make_device(&mut state, bridge);
            Self::note(&mut state, id, made.map(drop))?;
        }
        let rules = state.rules(&state.table()?);
        state.netfilter()?.commit(&rules)?;
        for (id, bridge) in &networks {
            if state.get_mut(id)?.failure.is_none() {
                Self::note(&mut state, id, self.set_switches(bridge))?;
            }
        }
        if state.closes_the_rest {
            self.db.write(|tx| ROUTER.put(tx, ROUTER_KEY, &boot))?;
        }
        // Last: before, nothing would keep the host from routing whatever comes.
        host::set_switch(&self.config.sysctl, FORWARDING, "1")
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

    /// The default network keeps its device and subnet while they are its own. Without containers it gives way to whoever took them
    /// while this daemon was away.
    fn settle_default(&self, state: &mut State) -> Result<()> {
        let live = state.find(DEFAULT_NETWORK)?;
        let (mut network, is_used) = (live.network.clone(), !live.endpoints.is_empty());
        if let Some(bridge) = &network.bridge
            && stays(state, bridge, is_used)?
        {
            state.set_table(&bridge.device);
            return Ok(());
        }
        // Its own subnet is not in its own way.
        state.remove(&network.id);
        let options = CreateOptions { name: DEFAULT_NETWORK.into(), ..CreateOptions::default() };
        let planned = self.plan_bridge(state, &network.id, &options);
        network.bridge = planned.as_ref().ok().cloned();
        let saved = self.db.write(|tx| NETWORKS.put(tx, network.id.as_str(), &network));
        state.insert(Live::new(network));
        state.set_table(&planned?.device);
        Ok(saved?)
    }

    /// Whether the host is a router only because of daemons like this one: because of this one in this boot, or of another one whose
    /// table closes the rest as long as that one is there.
    fn closes_the_rest(&self, state: &mut State, boot: &str) -> Result<bool> {
        let noted = self.db.read(|tx| ROUTER.get(tx, ROUTER_KEY))?;
        Ok(noted.is_some_and(|noted| noted == boot)
            || host::switch_is(&self.config.sysctl, FORWARDING, "0")?
            || other_routers(&state.route()?.links()?))
    }

    /// Ends the routing that began for daemons like this one. Whether the host goes on with it behind this daemon's table: for other
    /// bridges than those of daemons that close the rest themselves.
    fn stop_routing(&self, state: &mut State) -> Result<bool> {
        if !state.closes_the_rest {
            return Ok(false);
        }
        let links = state.route()?.links()?;
        if other_routers(&links) {
            return Ok(false);
        }
        if links.iter().any(|link| link.kind.as_deref() == Some("bridge")) {
            return Ok(true);
        }
        host::set_switch(&self.config.sysctl, FORWARDING, "0")?;
        self.db.write(|tx| ROUTER.remove(tx, ROUTER_KEY))?;
        Ok(false)
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
            bridge: None,
            internal: false,
            attachable: false,
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
                if let Some(addresses) = &mut live.addresses {
                    addresses.take(endpoint.address);
                }
                live.endpoints.insert(endpoint.id.clone(), endpoint);
            }
            Err(error) => {
                tracing::warn!(error = error_chain(&error), "a container's network is gone");
            }
        }
    }
}

/// Whether a bridge that was planned earlier can be made, or is there. The table has its name: another daemon's cannot be shared.
fn stays(state: &mut State, bridge: &Bridge, is_used: bool) -> Result<bool> {
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
    let taken = state.subnets_of_host()?;
    Ok(!taken.iter().any(|(subnet, _)| pools::overlap(*subnet, bridge.subnet)))
}

/// Whether another daemon closes what this host did not route before.
fn other_routers(links: &[Link]) -> bool {
    links.iter().filter_map(Mark::of).any(|mark| mark.is_router)
}

fn boot() -> Result<String> {
    let failed = |source| Error::Host { action: "read the id of this boot", source };
    gantry_sys::boot_id::boot_id().map_err(failed)
}
