//! The devices of a network on the host: its bridge with addresses and switches, or what its containers share. Only devices that carry
//! this daemon's mark are made different or removed.

use std::net::IpAddr;

use gantry_netlink::Request;
use gantry_netlink::route::{Link, LinkName, add_address, make_bridge, set_alias};
use ipnet::IpNet;

use crate::mark::make_marked;
use crate::network::{Bridge, Network};
use crate::options::GatewayMode;
use crate::publish::is_missing;
use crate::state::{Live, State};
use crate::{Error, Networks, Result, firewall, parent, pools, switches};

impl Networks {
    /// Makes what a network needs on the host and lets its packets through. What is there already stays; what this call made goes when it
    /// fails.
    pub(crate) fn bring_up(&self, state: &mut State, live: &Live) -> Result<()> {
        if live.network.bridge.is_some() && live.network.ipv6.is_some() {
            self.prepare_ipv6(state)?;
        }
        let is_new = Self::make_device(state, &live.network)?;
        if live.network.bridge.is_none() {
            return Ok(());
        }
        let opened = self.open_network(state, &live.network);
        if opened.is_err() && is_new {
            Self::undo_device(state, &live.network);
        }
        opened
    }

    fn open_network(&self, state: &mut State, network: &Network) -> Result<()> {
        self.set_switches(network)?;
        let requests = firewall::admit(&state.table()?, network);
        Self::change_table(state, &requests)?;
        let routed = if network.ipv6.is_some() { self.route_ipv6(state) } else { Ok(()) };
        if routed.is_err() {
            Self::close_network(state, network);
        }
        routed
    }

    /// Takes a network's devices away, and what was let through for it. A failure of the latter is logged: without the device it means
    /// nothing.
    pub(crate) fn tear_down(state: &mut State, live: &Live) -> Result<()> {
        Self::remove_device(state, &live.network)?;
        if live.network.bridge.is_some() && live.failure.is_none() {
            Self::close_network(state, &live.network);
        }
        Ok(())
    }

    fn close_network(state: &mut State, network: &Network) {
        let closed = state.table().and_then(|table| {
            let requests = firewall::exclude(&table, network);
            Ok(state.netfilter()?.commit(&requests)?)
        });
        if let Err(error) = closed
            && !matches!(&error, Error::Netlink(error) if is_missing(error))
        {
            let error = gantry_types::error_chain(&error);
            tracing::warn!(error, network = network.name, "cannot remove a network's rules");
        }
    }

    /// Changes the table. Where somebody removed it, it is made again first, with all that there is.
    pub(crate) fn change_table(state: &mut State, requests: &[Request]) -> Result<()> {
        match state.netfilter()?.commit(requests) {
            Err(error) if is_missing(&error) => {
                let table = state.table()?;
                tracing::warn!(table = table.name(), "the packet filter's table was gone");
                let rules = state.rules(&table);
                let socket = state.netfilter()?;
                socket.commit(&rules)?;
                Ok(socket.commit(requests)?)
            }
            result => Ok(result?),
        }
    }

    /// Whether it had to be made. A failure leaves what was there before.
    pub(crate) fn make_device(state: &mut State, network: &Network) -> Result<bool> {
        if let Some(shared) = &network.parent {
            return parent::bring_up(state, shared);
        }
        let Some(bridge) = &network.bridge else { return Ok(false) };
        let mark = state.mark()?;
        let name: LinkName = bridge.device.parse()?;
        let is_new = match state.route()?.link(&name)? {
            Some(_) if bridge.is_users => return Ok(false),
            Some(link) if mark.is_on(&link) => false,
            Some(_) => return Err(Error::ForeignDevice { device: bridge.device.clone() }),
            None if bridge.is_users => {
                return Err(Error::Parent {
                    device: bridge.device.clone(),
                    reason: "it is not there: make the bridge before the daemon starts".to_owned(),
                });
            }
            None => true,
        };
        if is_new {
            let host = state.subnets_of_host()?;
            for (subnet, _, _) in places(network) {
                if let Some((_, by)) = host.iter().find(|(used, _)| pools::overlap(*used, subnet)) {
                    return Err(Error::Overlap { subnet, by: (*by).to_owned() });
                }
            }
            let make = make_bridge(&name, mac_of(network), bridge.mtu);
            make_marked(state.route()?, make, &name, &mark.text())?;
        }
        let ready = Self::make_ready(state, &name, network, &mark.text());
        if ready.is_err() && is_new {
            Self::undo_device(state, network);
        }
        ready.map(|()| is_new)
    }

    fn make_ready(state: &mut State, name: &LinkName, network: &Network, mark: &str) -> Result<()> {
        let socket = state.route()?;
        // What it says may have changed since the device was made.
        socket.send(&[set_alias(name, mark)])?;
        let link = socket.link(name)?.ok_or_else(|| Error::Unavailable {
            reason: format!("the bridge {name} went away while it was made"),
        })?;
        let all = socket.all_addresses()?;
        let has = |link: &Link, address: IpAddr| {
            all.iter().any(|(index, other, _)| *index == link.index && *other == address)
        };
        let own = places(network).filter(|(_, _, is_own)| *is_own);
        let mut requests: Vec<Request> = own
            .filter_map(|(subnet, gateway, _)| {
                let gateway = gateway.filter(|it| !has(&link, *it))?;
                Some(add_address(&link, gateway, subnet.prefix_len()))
            })
            .collect();
        requests.push(link.up());
        Ok(socket.send(&requests)?)
    }

    fn undo_device(state: &mut State, network: &Network) {
        if let Err(error) = Self::remove_device(state, network) {
            let error = gantry_types::error_chain(&error);
            tracing::warn!(error, network = network.name, "cannot remove a network's device");
        }
    }

    pub(crate) fn remove_device(state: &mut State, network: &Network) -> Result<()> {
        if let Some(shared) = &network.parent {
            return parent::tear_down(state, network, shared);
        }
        let Some(bridge) = network.bridge.as_ref().filter(|bridge| !bridge.is_users) else {
            return Ok(());
        };
        let mark = state.mark()?;
        let socket = state.route()?;
        match socket.link(&bridge.device.parse()?)? {
            Some(link) if mark.is_on(&link) => Ok(socket.send(&[link.delete()])?),
            _ => Ok(()),
        }
    }

    /// Ports that are published on loopback come from 127.0.0.1 and need a way to the bridge; the packet filter keeps the bridge's
    /// own packets from going to loopback. What routers announce there is not the host's.
    pub(crate) fn set_switches(&self, network: &Network) -> Result<()> {
        let Some(Bridge { device, .. }) = &network.bridge else { return Ok(()) };
        let root = &self.config.sysctl;
        if network.ipv4.is_some() {
            switches::set_switch(root, &format!("ipv4/conf/{device}/route_localnet"), "1")?;
        }
        if network.ipv6.is_some() {
            switches::set_switch(root, &format!("ipv6/conf/{device}/accept_ra"), "0")?;
        }
        Ok(())
    }
}

/// The subnets, their gateways, and whether the bridge is to have the gateway's address.
fn places(network: &Network) -> impl Iterator<Item = (IpNet, Option<IpAddr>, bool)> {
    let options = network.bridge.as_ref().map(|it| it.options.clone()).unwrap_or_default();
    let ipv4 = network.ipv4.as_ref().map(|it| {
        let is_own = !options.inhibit_ipv4 && options.gateway_mode4 != GatewayMode::Isolated;
        (it.subnet.into(), it.gateway.map(Into::into), is_own)
    });
    let ipv6 = network.ipv6.as_ref().map(|it| {
        let is_own = options.gateway_mode6 != GatewayMode::Isolated;
        (it.subnet.into(), it.gateway.map(Into::into), is_own)
    });
    ipv4.into_iter().chain(ipv6)
}

/// A locally administered address that is the same each time the bridge is made.
fn mac_of(network: &Network) -> [u8; 6] {
    let mut mac = [0x02, 0x42, 0, 0, 0, 1];
    let tail = match places(network).next() {
        Some((_, Some(IpAddr::V4(gateway)), _)) => gateway.octets(),
        Some((subnet, gateway, _)) => {
            let bits = match gateway.unwrap_or_else(|| subnet.addr()) {
                IpAddr::V4(address) => address.to_bits(),
                // The subnet's number, and the host's.
                IpAddr::V6(address) => {
                    let [.., a, b, _, _, _, c] = address.segments();
                    (u32::from(a ^ b) << 16) | u32::from(c)
                }
            };
            bits.to_be_bytes()
        }
        None => return mac,
    };
    mac[2..].copy_from_slice(&tail);
    mac
}
