//! The device of an endpoint in its container's namespace.

use std::fs;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::thread;

use gantry_netlink::Socket;
use gantry_netlink::route::{LinkName, Peer, add_address, allow_hairpin, default_route, make_veth};
use gantry_sys::clone::{Namespaces, setns};

use crate::endpoint::Endpoint;
use crate::{Error, Networks, Result};

impl Networks {
    /// Makes the device `name` in a namespace, with the endpoint's address and, with `is_gateway`, the way out; then lets the
    /// published ports lead there.
    pub fn plug(
        &self,
        endpoint: &Endpoint,
        namespace: BorrowedFd<'_>,
        name: &str,
        is_gateway: bool,
    ) -> Result<()> {
        let inner: LinkName = name.parse()?;
        let outer: LinkName = endpoint.host_device().parse()?;
        {
            let mut state = self.state();
            let network = &state.get_mut(&endpoint.network_id)?.network;
            let bridge = network.bridge.clone();
            let bridge = bridge.ok_or_else(|| Error::NoAddresses(network.name.clone()))?;
            let device: LinkName = bridge.device.parse()?;
            let socket = state.route()?;
            let index = socket
                .link(&device)?
                .ok_or_else(|| Error::Unavailable {
                    reason: format!("the bridge {device} is gone"),
                })?
                .index;
            let peer = Peer { name: &inner, namespace, mac: endpoint.mac };
            let mut requests = vec![make_veth(&outer, index, bridge.mtu, peer)];
            if bridges_show_packets(&self.config.sysctl) {
                requests.push(allow_hairpin(&outer));
            }
            socket.send(&requests)?;
        }
        configure(endpoint, namespace, &inner, is_gateway)?;
        if !endpoint.ports.is_empty() {
            self.open_ports(endpoint)?;
        }
        Ok(())
    }
}

/// Whether bridges show their packets to the packet filter (`br_netfilter`). Then who calls itself by a published port is led back
/// before the host routes it.
fn bridges_show_packets(sysctl: &Path) -> bool {
    fs::read(sysctl.join("bridge/bridge-nf-call-iptables")).is_ok_and(|text| text.starts_with(b"1"))
}

/// A thread of its own goes into the namespace: it never comes back, and no other work of this process may end up there.
fn configure(
    endpoint: &Endpoint,
    namespace: BorrowedFd<'_>,
    name: &LinkName,
    is_gateway: bool,
) -> Result<()> {
    let inside = || -> Result<()> {
        setns(namespace, Namespaces::NETWORK).map_err(|source| Error::Host {
            action: "enter a container's network namespace",
            source,
        })?;
        let mut socket = Socket::route()?;
        let link = socket.link(name)?.ok_or_else(|| Error::Unavailable {
            reason: format!("the device {name} went away while it was made"),
        })?;
        let address = IpAddr::V4(endpoint.address);
        let mut requests =
            vec![add_address(&link, address, endpoint.subnet.prefix_len()), link.up()];
        requests.extend(
            endpoint
                .gateway
                .filter(|_| is_gateway)
                .map(|gateway| default_route(&link, IpAddr::V4(gateway))),
        );
        Ok(socket.send(&requests)?)
    };
    let started =
        |source| Error::Host { action: "start a thread for a container's network", source };
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, inside).map_err(started)?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
