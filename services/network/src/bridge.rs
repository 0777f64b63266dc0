//! The bridge of a network on the host: its device, its address, its switches. Only devices that carry this daemon's mark are used or
//! removed.

use std::net::IpAddr;

use gantry_netlink::Request;
use gantry_netlink::route::{LinkName, add_address, make_bridge, set_alias};

use crate::endpoint::is_missing;
use crate::network::Bridge;
use crate::state::{Live, State};
use crate::{Error, Networks, Result, firewall, host, pools};

impl Networks {
    /// Makes the bridge of a network and lets its packets through. What is there already stays; what this call made goes when it fails.
    pub(crate) fn bring_up(&self, state: &mut State, live: &Live) -> Result<()> {
        let Some(bridge) = &live.network.bridge else { return Ok(()) };
        let is_new = Self::make_device(state, bridge)?;
        let opened = self.set_switches(bridge).and_then(|()| {
            let requests = firewall::admit(&state.table()?, &live.network);
            Self::change_table(state, &requests)
        });
        if opened.is_err() && is_new {
            Self::undo_device(state, bridge);
        }
        opened
    }

    /// Takes a bridge away, and what was let through for it. A failure of the latter is logged: without the device it means nothing.
    pub(crate) fn tear_down(state: &mut State, live: &Live) -> Result<()> {
        let Some(bridge) = &live.network.bridge else { return Ok(()) };
        Self::remove_device(state, bridge)?;
        if live.failure.is_some() {
            return Ok(());
        }
        let closed = state.table().and_then(|table| {
            let requests = firewall::exclude(&table, &live.network);
            Ok(state.netfilter()?.commit(&requests)?)
        });
        if let Err(error) = closed
            && !matches!(&error, Error::Netlink(error) if is_missing(error))
        {
            let error = gantry_types::error_chain(&error);
            tracing::warn!(error, bridge = bridge.device, "cannot remove a network's rules");
        }
        Ok(())
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
    pub(crate) fn make_device(state: &mut State, bridge: &Bridge) -> Result<bool> {
        let mark = state.mark()?;
        let name: LinkName = bridge.device.parse()?;
        let is_new = match state.route()?.link(&name)? {
            Some(link) if mark.is_on(&link) => false,
            Some(_) => return Err(Error::ForeignDevice { device: bridge.device.clone() }),
            None => true,
        };
        if is_new {
            let subnet = bridge.subnet;
            let host = state.subnets_of_host()?;
            if let Some((_, by)) = host.into_iter().find(|(used, _)| pools::overlap(*used, subnet))
            {
                return Err(Error::Overlap { subnet, by: by.to_owned() });
            }
            state.route()?.send(&[make_bridge(&name, mac_of(bridge), bridge.mtu)])?;
        }
        let ready = Self::make_ready(state, &name, bridge, &mark.text());
        if ready.is_err() && is_new {
            Self::undo_device(state, bridge);
        }
        ready.map(|()| is_new)
    }

    fn make_ready(state: &mut State, name: &LinkName, bridge: &Bridge, mark: &str) -> Result<()> {
        let gateway = IpAddr::V4(bridge.gateway);
        let socket = state.route()?;
        // First of all: without it, the next daemon would not know the device.
        socket.send(&[set_alias(name, mark)])?;
        let link = socket.link(name)?.ok_or_else(|| Error::Unavailable {
            reason: format!("the bridge {name} went away while it was made"),
        })?;
        let has = socket
            .all_addresses()?
            .into_iter()
            .any(|(index, address, _)| index == link.index && address == gateway);
        let mut requests = Vec::new();
        if !has {
            requests.push(add_address(&link, gateway, bridge.subnet.prefix_len()));
        }
        requests.push(link.up());
        Ok(socket.send(&requests)?)
    }

    fn undo_device(state: &mut State, bridge: &Bridge) {
        if let Err(error) = Self::remove_device(state, bridge) {
            let error = gantry_types::error_chain(&error);
            tracing::warn!(error, bridge = bridge.device, "cannot remove a bridge");
        }
    }

    fn remove_device(state: &mut State, bridge: &Bridge) -> Result<()> {
        let mark = state.mark()?;
        let socket = state.route()?;
        match socket.link(&bridge.device.parse()?)? {
            Some(link) if mark.is_on(&link) => Ok(socket.send(&[link.delete()])?),
            _ => Ok(()),
        }
    }

    /// Ports that are published on loopback come from 127.0.0.1 and need a way to the bridge; the packet filter keeps the bridge's
    /// own packets from going to loopback.
    pub(crate) fn set_switches(&self, bridge: &Bridge) -> Result<()> {
        let root = &self.config.sysctl;
        let own = format!("ipv4/conf/{}/route_localnet", bridge.device);
        host::set_switch(root, &own, "1")?;
        Ok(())
    }
}

/// A locally administered address that is the same each time the bridge is made.
fn mac_of(bridge: &Bridge) -> [u8; 6] {
    let [a, b, c, d] = bridge.gateway.octets();
    [0x02, 0x42, a, b, c, d]
}
