//! A container's place in a network: its address, its device, and the host's ports that lead to it.

use std::net::{Ipv4Addr, SocketAddrV4};

use gantry_netlink::{Connection, Socket};
use gantry_types::{EndpointId, NetworkId};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::network::Network;
use crate::ports::{self, PortProtocol, PortWish, Published};
use crate::state::State;
use crate::{Error, Networks, Result, firewall};

/// What a container asks of a network.
#[derive(Debug, Clone, Default)]
pub struct EndpointWish {
    pub address: Option<Ipv4Addr>,
    pub mac: Option<[u8; 6]>,
    pub ports: Vec<PortWish>,
}

/// What it has. The caller keeps it in the container's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub id: EndpointId,
    pub network_id: NetworkId,
    pub network_name: String,
    pub address: Ipv4Addr,
    pub subnet: Ipv4Net,
    /// None in internal networks.
    pub gateway: Option<Ipv4Addr>,
    pub mac: [u8; 6],
    pub ports: Vec<Published>,
}

impl Endpoint {
    /// The device's end on the host.
    pub(crate) fn host_device(&self) -> String {
        format!("veth{}", &self.id.as_str()[..8])
    }
}

impl Networks {
    /// Chooses an address and takes the host's ports; nothing of it is to be seen outside of this process yet.
    ///
    /// # Errors
    /// There is no such network, no address left, an address or port is taken, or an address lies outside of the subnet. Nothing is
    /// kept then.
    pub fn allocate(&self, id: EndpointId, network: &str, wish: &EndpointWish) -> Result<Endpoint> {
        let network_id = self.find(network)?.id;
        self.ready()?;
        let mut state = self.state();
        let sctp = state.sctp.clone();
        let live = state.get_mut(&network_id)?;
        let name = live.network.name.clone();
        let (Some(bridge), Some(addresses)) = (&live.network.bridge, &mut live.addresses) else {
            return Err(Error::NoAddresses(name));
        };
        if let Some(reason) = live.failure.clone() {
            return Err(Error::Down { network: name, reason });
        }
        let address = match wish.address {
            None => addresses
                .next()
                .ok_or(Error::NoAddress { network: name.clone(), subnet: bridge.subnet })?,
            Some(address) if !bridge.subnet.contains(&address) => {
                return Err(Error::Outside { address, network: name, subnet: bridge.subnet });
            }
            Some(address) if !addresses.is_host(address) => {
                return Err(Error::NotAHost { address, network: name, subnet: bridge.subnet });
            }
            Some(address) if !addresses.take(address) => {
                return Err(Error::AddressTaken { address, network: name });
            }
            Some(address) => address,
        };
        let wanted = if live.network.internal { &[][..] } else { &wish.ports };
        let (ports, held) = match ports::bind(wanted, &sctp) {
            Ok(bound) => bound,
            Err(error) => {
                addresses.free(address);
                return Err(error);
            }
        };
        let [a, b, c, d] = address.octets();
        let endpoint = Endpoint {
            id: id.clone(),
            network_id,
            network_name: name,
            address,
            subnet: bridge.subnet,
            gateway: (!live.network.internal).then_some(bridge.gateway),
            mac: wish.mac.unwrap_or([0x02, 0x42, a, b, c, d]),
            ports,
        };
        live.endpoints.insert(id.clone(), endpoint.clone());
        state.held.insert(id, held);
        Ok(endpoint)
    }

    /// Gives everything back. The device goes with the container's namespace. Failures are logged: nobody can do more about them.
    pub fn release(&self, endpoint: &Endpoint) {
        let mut state = self.state();
        // What it does not have (any more) may be another's by now.
        let was_published = state.published.remove(&endpoint.id);
        if was_published {
            Self::close_ports(&mut state, endpoint);
        }
        state.held.remove(&endpoint.id);
        if let Ok(live) = state.get_mut(&endpoint.network_id)
            && live.endpoints.remove(&endpoint.id).is_some()
            && let Some(addresses) = &mut live.addresses
        {
            addresses.free(endpoint.address);
        }
        drop(state);
        if was_published && has_udp(endpoint) {
            forget_senders(endpoint, |port, connection| {
                connection.answers_from == SocketAddrV4::new(endpoint.address, port.port)
            });
        }
    }

    /// Those who are in a network now.
    pub fn endpoints(&self, network: &Network) -> Vec<Endpoint> {
        let mut state = self.state();
        state
            .get_mut(&network.id)
            .map_or_else(|_| Vec::new(), |live| live.endpoints.values().cloned().collect())
    }

    /// Leads an endpoint's published ports to it.
    pub(crate) fn open_ports(&self, endpoint: &Endpoint) -> Result<()> {
        let mut state = self.state();
        let table = state.table()?;
        state.published.insert(endpoint.id.clone());
        let requests = firewall::publish(&table, endpoint);
        let mut opened = state.netfilter()?.commit(&requests);
        if opened.as_ref().is_err_and(is_missing) {
            // Somebody emptied the packet filter (`nft flush ruleset`).
            tracing::warn!(
                table = table.name(),
                "the packet filter's table was gone: it is made again"
            );
            let rules = state.rules(&table);
            opened = state.netfilter()?.commit(&rules);
        }
        if opened.is_err() {
            state.published.remove(&endpoint.id);
        }
        opened?;
        if !has_udp(endpoint) {
            return Ok(());
        }
        let own = state.route()?.all_addresses()?;
        drop(state);
        // They sent before there was anybody, to the host itself. Who sends through the host to the same port of others goes on.
        forget_senders(endpoint, |_, connection| {
            let to = *connection.destination.ip();
            connection.answers_from == connection.destination
                && (to.is_loopback() || own.iter().any(|(_, address, _)| *address == to))
        });
        Ok(())
    }

    fn close_ports(state: &mut State, endpoint: &Endpoint) {
        let closed = state.table().and_then(|table| {
            match state.netfilter()?.commit(&firewall::unpublish(&table, endpoint)) {
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

/// Whether the kernel did not find a table, or what should be in it.
pub(crate) fn is_missing(error: &gantry_netlink::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOENT.raw_os_error())
}

fn has_udp(endpoint: &Endpoint) -> bool {
    endpoint.ports.iter().any(|port| port.protocol == PortProtocol::Udp)
}

/// Who sends UDP to a port all the time would go on to wherever the port led when they began. Failures are logged: what is remembered
/// ends when nobody sends for a while.
fn forget_senders(endpoint: &Endpoint, is_old: impl Fn(&Published, &Connection) -> bool) {
    let udp = |port: &&Published| port.protocol == PortProtocol::Udp;
    let is_unwanted = |connection: &Connection| {
        connection.protocol == PortProtocol::Udp.number()
            && endpoint.ports.iter().filter(udp).any(|port| {
                let to = connection.destination;
                let meant = port.host_address.is_unspecified() || port.host_address == *to.ip();
                port.host_port == to.port() && meant && is_old(port, connection)
            })
    };
    let forgotten =
        Socket::netfilter().and_then(|mut socket| socket.forget_connections(is_unwanted));
    if let Err(error) = forgotten {
        let error = gantry_types::error_chain(&error);
        tracing::warn!(error, endpoint = %endpoint.id, "UDP connections go on to where they led before");
    }
}
