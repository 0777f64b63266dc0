//! Leading the host's ports to endpoints: when one is plugged in, released, or hands its ports to another one of its container.

use gantry_netlink::{Connection, Socket};

use crate::endpoint::Endpoint;
use crate::ports::{PortProtocol, Published};
use crate::state::State;
use crate::{Networks, Result, firewall};

impl Networks {
    /// Hands the published ports of one endpoint to another one of the same container, which leads out from now on. The host's ports stay
    /// taken meanwhile, and the packet filter changes in one step.
    pub fn move_ports(&self, from: &mut Endpoint, to: &mut Endpoint) -> Result<()> {
        let mut state = self.state();
        let mut requests = Vec::new();
        let table = state.table()?;
        if state.published.contains(&from.id) {
            requests = firewall::unpublish_what_is_left(&table, from, state.published());
        }
        let earlier = from.clone();
        let ports = std::mem::take(&mut from.ports);
        to.ports.extend(ports);
        if !to.ports.is_empty() {
            requests.extend(firewall::publish(&table, to));
        }
        Self::change_table(&mut state, &requests)?;
        state.published.remove(&from.id);
        state.published.insert(to.id.clone());
        state.relays.remove(&from.id);
        if let Some(held) = state.held.remove(&from.id) {
            state.held.insert(to.id.clone(), held);
        }
        for endpoint in [&*from, &*to] {
            if let Ok(live) = state.get_mut(&endpoint.network_id)
                && let Some(known) = live.endpoints.get_mut(&endpoint.id)
            {
                known.clone_from(endpoint);
            }
        }
        let relayed = relay(&mut state, to);
        drop(state);
        if has_senders(&earlier) {
            forget_answered_by(&earlier);
        }
        relayed
    }

    /// Leads an endpoint's published ports to it.
    pub(crate) fn open_ports(&self, endpoint: &Endpoint) -> Result<()> {
        let mut state = self.state();
        let table = state.table()?;
        state.published.insert(endpoint.id.clone());
        let requests = firewall::publish(&table, endpoint);
        if let Err(error) = Self::change_table(&mut state, &requests) {
            state.published.remove(&endpoint.id);
            return Err(error);
        }
        // What the packet filter has goes when the endpoint is released.
        relay(&mut state, endpoint)?;
        if !has_senders(endpoint) {
            return Ok(());
        }
        let own = state.route()?.all_addresses()?;
        drop(state);
        // They sent before there was anybody, to the host itself. Who sends through the host to the same port of others goes on.
        forget_senders(endpoint, |_, connection| {
            let to = connection.destination.ip();
            connection.answers_from == connection.destination
                && (to.is_loopback() || own.iter().any(|(_, address, _)| *address == to))
        });
        Ok(())
    }

    /// Relays the ports of all containers that went on running while nobody did.
    pub(crate) fn relay_all(&self) {
        let mut state = self.state();
        let endpoints: Vec<Endpoint> = state
            .all()
            .flat_map(|live| live.endpoints.values())
            .filter(|endpoint| {
                !endpoint.ports.is_empty() && !state.relays.contains_key(&endpoint.id)
            })
            .cloned()
            .collect();
        for endpoint in endpoints {
            if let Err(error) = relay(&mut state, &endpoint) {
                let error = gantry_types::error_chain(&error);
                tracing::warn!(error, endpoint = %endpoint.id, "published ports are not relayed");
            }
        }
    }

    pub(crate) fn close_ports(state: &mut State, endpoint: &Endpoint) {
        let closed = state.table().and_then(|table| {
            let requests = firewall::unpublish(&table, endpoint, state.published());
            match state.netfilter()?.commit(&requests) {
                Err(error) if is_missing(&error) => {}
                result => return Ok(result?),
            }
            let requests = firewall::unpublish_what_is_left(&table, endpoint, state.published());
            match state.netfilter()?.commit(&requests) {
                // Without a table they are closed.
                Err(error) if is_missing(&error) => Ok(()),
                result => Ok(result?),
            }
        });
        if let Err(error) = closed {
            let error = gantry_types::error_chain(&error);
            tracing::warn!(error, endpoint = %endpoint.id, "cannot close published ports");
        }
    }
}

/// Relays what comes to an endpoint's published ports and is not led there by the packet filter.
fn relay(state: &mut State, endpoint: &Endpoint) -> Result<()> {
    let address = endpoint.addresses().next().map(|(address, _)| address);
    let is_held = state.held.get(&endpoint.id).is_some_and(|held| !held.is_empty());
    let (Some(address), true) = (address, is_held) else { return Ok(()) };
    let held = state.held.remove(&endpoint.id).unwrap_or_default();
    let relays = state.proxy().and_then(|proxy| Ok(held.relay(proxy, address)?));
    state.held.insert(endpoint.id.clone(), held);
    state.relays.insert(endpoint.id.clone(), relays?);
    Ok(())
}

/// Whether the kernel did not find a table, or what should be in it.
pub(crate) fn is_missing(error: &gantry_netlink::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOENT.raw_os_error())
}

/// Whether anybody may send to its ports on and on, without a connection that another container at the same address would reset: by
/// UDP, and by SCTP, which the packet filter remembers for days.
pub(crate) fn has_senders(endpoint: &Endpoint) -> bool {
    endpoint.ports.iter().any(|port| port.protocol != PortProtocol::Tcp)
}

/// [`forget_senders`] whose packets the endpoint itself has answered.
pub(crate) fn forget_answered_by(endpoint: &Endpoint) {
    forget_senders(endpoint, |port, connection| {
        let from = connection.answers_from;
        from.port() == port.port && endpoint.addresses().any(|(own, _)| own == from.ip())
    });
}

/// Who sends to a port all the time would go on to wherever the port led when they began. Failures are logged: what is remembered
/// ends when nobody sends for a while.
pub(crate) fn forget_senders(
    endpoint: &Endpoint,
    is_old: impl Fn(&Published, &Connection) -> bool,
) {
    let sent_to = |port: &&Published| port.protocol != PortProtocol::Tcp;
    let is_unwanted = |connection: &Connection| {
        endpoint.ports.iter().filter(sent_to).any(|port| {
            let to = connection.destination;
            let meant = port.host_address.is_unspecified() || port.host_address == to.ip();
            connection.protocol == port.protocol.number()
                && port.host_port == to.port()
                && meant
                && is_old(port, connection)
        })
    };
    let forgotten = Socket::netfilter().and_then(|mut socket| {
        let done = socket.forget_connections(is_unwanted);
        socket.leave();
        done
    });
    if let Err(error) = forgotten {
        let error = gantry_types::error_chain(&error);
        tracing::warn!(error, endpoint = %endpoint.id, "senders go on to where their port led before");
    }
}
