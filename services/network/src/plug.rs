//! The device of an endpoint in its container's namespace: made, led out by, and taken away.

use std::fs;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use gantry_netlink::Socket;
use gantry_netlink::route::{
    BridgePort, Link, LinkName, Peer, add_address, add_route, close_bridge_port, default_route,
    make_veth, no_default_route, set_bridge_port, set_up,
};
use gantry_sys::clone::{Namespaces, setns};
use gantry_types::error_chain;

use crate::announce::await_questions;
use crate::endpoint::Endpoint;
use crate::network::{Driver, Network};
use crate::remote::Route;
use crate::state::State;
use crate::{Error, Networks, Result, parent, switches};

/// How an endpoint's device is set up.
#[derive(Debug, Clone, Default)]
pub struct PlugOptions {
    /// What goes out goes by this device, for each family.
    pub leads_out4: bool,
    pub leads_out6: bool,
    /// Kernel parameters below `/proc/sys/net`, as paths.
    pub sysctls: Vec<(String, String)>,
    /// Further addresses, of the local link.
    pub link_local: Vec<IpAddr>,
}

/// How long a device may take to go.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_micros(200);
/// Between two looks whether a hardware address is free.
const WAIT: Duration = Duration::from_millis(2);
const LINK_LOCAL_BITS: [u8; 2] = [16, 64];

impl Networks {
    /// Makes the endpoint's device in a namespace, with its addresses and, where it leads out, the ways; then lets the published ports
    /// lead there.
    pub fn plug(
        &self,
        endpoint: &Endpoint,
        namespace: BorrowedFd<'_>,
        options: &PlugOptions,
    ) -> Result<()> {
        let inner: LinkName = endpoint.device.parse()?;
        let mut endpoint = endpoint.clone();
        let network = self.state().get_mut(&endpoint.network_id)?.network.clone();
        let mut routes = Vec::new();
        if let Driver::Plugin(plugin) = &network.driver {
            let joined = self.plug_remote(plugin, &endpoint, namespace)?;
            if let (Some(place), Some(gateway)) = (&mut endpoint.ipv4, joined.gateway4) {
                place.gateway = Some(gateway);
            }
            if let (Some(place), Some(gateway)) = (&mut endpoint.ipv6, joined.gateway6) {
                place.gateway = Some(gateway);
            }
            routes = joined.routes;
        } else {
            let mut state = self.state();
            self.make(&mut state, (&endpoint, &network), &inner, namespace)?;
        }
        let endpoint = &endpoint;
        let device = (endpoint, &network);
        let root = self.container_switches.root(&self.config.sysctl);
        inside(namespace, || configure(root.path(), device, &inner, options, &routes))?;
        if !endpoint.ports.is_empty() {
            self.open_ports(endpoint)?;
        }
        self.introduce(endpoint, &network, namespace);
        Ok(())
    }

    fn make(
        &self,
        state: &mut State,
        (endpoint, network): (&Endpoint, &Network),
        inner: &LinkName,
        namespace: BorrowedFd<'_>,
    ) -> Result<()> {
        if let Some(parent) = &network.parent {
            return parent::plug(state, (endpoint, parent), inner, namespace, &network.driver);
        }
        let bridge =
            network.bridge.as_ref().ok_or_else(|| Error::NoAddresses(network.name.clone()))?;
        let outer: LinkName = endpoint.host_device().parse()?;
        let device: LinkName = bridge.device.parse()?;
        let earlier = state.get_mut(&network.id)?.known.earlier_devices(endpoint);
        let socket = state.route()?;
        close_ports(socket, &earlier);
        let gone = || Error::Unavailable { reason: format!("the bridge {device} is gone") };
        let index = socket.link(&device)?.ok_or_else(gone)?.index;
        let peer = Peer { name: inner, namespace, mac: endpoint.mac };
        socket.send(&[make_veth(&outer, index, bridge.mtu, peer)])?;
        // While the device is down, there is nothing to take away.
        self.device_switches.without_ipv6(outer.as_str());
        let mut requests = vec![set_up(&outer)];
        let port = BridgePort {
            hairpin: bridges_show_packets(&self.config.sysctl),
            isolated: !bridge.options.icc,
        };
        if port != BridgePort::default() {
            requests.push(set_bridge_port(&outer, port));
        }
        Ok(socket.send(&requests)?)
    }

    /// Lets what goes out of a namespace go by these endpoints from now on, and by no other; one of them may have no gateway.
    pub fn lead_out(
        &self,
        namespace: BorrowedFd<'_>,
        ipv4: Option<&Endpoint>,
        ipv6: Option<&Endpoint>,
    ) -> Result<()> {
        let gateway4 = ipv4.and_then(|it| Some((&it.device, it.ipv4?.gateway?.into())));
        let gateway6 = ipv6.and_then(|it| Some((&it.device, it.ipv6?.gateway?.into())));
        inside(namespace, || {
            let mut socket = Socket::route()?;
            for (is_ipv4, way) in [(true, gateway4), (false, gateway6)] {
                match way {
                    Some((device, gateway)) => {
                        let link = find(&mut socket, &device.parse()?)?;
                        socket.send(&[default_route(&link, gateway)])?;
                    }
                    None => no_default(&mut socket, is_ipv4)?,
                }
            }
            Ok(())
        })
    }

    /// Takes the endpoint's device out of a namespace that goes on. The kernel needs long to forget a device altogether; this waits only
    /// until nobody can see it any more.
    pub fn unplug(&self, endpoint: &Endpoint, namespace: BorrowedFd<'_>) -> Result<()> {
        let is_bridge = self.state().get_mut(&endpoint.network_id)?.network.bridge.is_some();
        if is_bridge {
            return vanish(&mut Socket::route()?, &endpoint.host_device().parse()?);
        }
        let name: LinkName = endpoint.device.parse()?;
        inside(namespace, || vanish(&mut Socket::route()?, &name))
    }

    /// Whether the endpoint's device is in a namespace.
    pub fn is_plugged(&self, endpoint: &Endpoint, namespace: BorrowedFd<'_>) -> Result<bool> {
        let is_bridge = self.state().get_mut(&endpoint.network_id)?.network.bridge.is_some();
        if is_bridge {
            // The other end may have another name by now.
            return Ok(Socket::route()?.link(&endpoint.host_device().parse()?)?.is_some());
        }
        let name: LinkName = endpoint.device.parse()?;
        inside(namespace, || Ok(Socket::route()?.link(&name)?.is_some()))
    }
}

/// The kernel of the host answers for a namespace until it is gone, also when nobody is in it any more: whoever has its addresses now would
/// not be found.
fn close_ports(socket: &mut Socket, devices: &[String]) {
    for device in devices {
        let closed = device.parse().and_then(|device| socket.send(&[close_bridge_port(&device)]));
        match closed {
            Err(error) if error.kind() != gantry_types::ErrorKind::NotFound => {
                let error = error_chain(&error);
                tracing::debug!(error, device, "a device that is going stays in its bridge");
            }
            _ => {}
        }
    }
}

/// Deletes a device of the calling thread's namespace, and its peer with it.
fn vanish(socket: &mut Socket, name: &LinkName) -> Result<()> {
    let Some(link) = socket.link(name)? else { return Ok(()) };
    let mut other = Socket::route()?;
    let delete = link.delete();
    let deleting = thread::Builder::new()
        .name("gantry-unplug".to_owned())
        .spawn(move || other.send(&[delete]))
        .map_err(|source| Error::Host { action: "start a thread to remove a device", source })?;
    let start = Instant::now();
    while !deleting.is_finished() && start.elapsed() < PATIENCE {
        if socket.link(name)?.is_none_or(|found| found.index != link.index) {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
    match deleting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
        // The container's end was taken away by somebody else.
        Err(error) if error.kind() == gantry_types::ErrorKind::NotFound => Ok(()),
        result => Ok(result?),
    }
}

/// Whether bridges show their packets to the packet filter (`br_netfilter`). Then who calls itself by a published port is led back
/// before the host routes it.
fn bridges_show_packets(sysctl: &Path) -> bool {
    fs::read(sysctl.join("bridge/bridge-nf-call-iptables")).is_ok_and(|text| text.starts_with(b"1"))
}

/// A thread of its own goes into the namespace: it never comes back, and no other work of this process may end up there.
pub(crate) fn inside<T: Send>(
    namespace: BorrowedFd<'_>,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let work = || {
        setns(namespace, Namespaces::NETWORK).map_err(|source| Error::Host {
            action: "enter a container's network namespace",
            source,
        })?;
        work()
    };
    let started =
        |source| Error::Host { action: "start a thread for a container's network", source };
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, work).map_err(started)?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn find(socket: &mut Socket, name: &LinkName) -> Result<Link> {
    socket.link(name)?.ok_or_else(|| Error::Unavailable {
        reason: format!("the device {name} went away while it was set up"),
    })
}

fn no_default(socket: &mut Socket, is_ipv4: bool) -> Result<()> {
    match socket.send(&[no_default_route(is_ipv4)]) {
        // ESRCH: there was none.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
            Ok(())
        }
        // A namespace without IPv6.
        Err(error) if !is_ipv4 => {
            tracing::debug!(error = error_chain(&error), "no default route of IPv6 to remove");
            Ok(())
        }
        result => Ok(result?),
    }
}

/// In the namespace.
fn configure(
    sysctl: &Path,
    (endpoint, network): (&Endpoint, &Network),
    name: &LinkName,
    options: &PlugOptions,
    routes: &[Route],
) -> Result<()> {
    let mut socket = Socket::route()?;
    let link = find(&mut socket, name)?;
    set_switches(sysctl, (endpoint, network), options)?;
    let mut requests = Vec::new();
    // Each port of a bridge would be told; there, somebody looks first whether anybody has to be.
    if endpoint.ipv4.is_some() && network.bridge.is_none() {
        requests.push(link.announce_ipv4());
    }
    let addresses = endpoint.addresses();
    requests.extend(addresses.map(|(address, prefix)| add_address(&link, address, prefix)));
    for address in &options.link_local {
        let bits = LINK_LOCAL_BITS[usize::from(address.is_ipv6())];
        requests.push(add_address(&link, *address, bits));
    }
    if network.parent.is_some() {
        socket.send(&requests)?;
        requests.clear();
        up_when_free(&mut socket, &link)?;
    } else {
        requests.push(link.up());
    }
    requests.extend(routes.iter().map(|route| {
        let to = (route.destination.addr(), route.destination.prefix_len());
        add_route(&link, to, route.gateway)
    }));
    let gateway4 = endpoint.ipv4.and_then(|it| it.gateway).filter(|_| options.leads_out4);
    let gateway6 = endpoint.ipv6.and_then(|it| it.gateway).filter(|_| options.leads_out6);
    requests.extend(gateway4.map(|gateway| default_route(&link, IpAddr::V4(gateway))));
    requests.extend(gateway6.map(|gateway| default_route(&link, IpAddr::V6(gateway))));
    socket.send(&requests)?;
    if let Some(address) = endpoint.address6().filter(|_| network.bridge.is_some())
        && let Err(error) = await_questions(name.as_str(), address)
    {
        let error = error_chain(&error);
        tracing::warn!(error, endpoint = %endpoint.id, "neighbours may find a device late");
    }
    Ok(())
}

/// On the host's devices, a hardware address is one device's. The one that had it last may still be going: it goes with its namespace, and
/// nobody can wait for that.
fn up_when_free(socket: &mut Socket, link: &Link) -> Result<()> {
    let taken = rustix::io::Errno::ADDRINUSE.raw_os_error();
    let start = Instant::now();
    loop {
        match socket.send(&[link.up()]) {
            Err(error) if error.raw_os_error() == Some(taken) && start.elapsed() < PATIENCE => {
                thread::sleep(WAIT);
            }
            result => return Ok(result?),
        }
    }
}

/// While the device is down: nobody waits for an IPv6 address to be found unique, and a network without IPv6 has not even that of the
/// link.
///
/// The kernel finds a switch the slower, the more namespaces there are: only what must be is touched.
fn set_switches(
    sysctl: &Path,
    (endpoint, network): (&Endpoint, &Network),
    options: &PlugOptions,
) -> Result<()> {
    let device = &endpoint.device;
    let set = |path: String, value: &str| switches::set_switch(sysctl, &path, value);
    let of_ipv6 = |name: &str| format!("ipv6/conf/{device}/{name}");
    let is_local6 = options.link_local.iter().any(IpAddr::is_ipv6);
    if network.ipam.is_nobody() {
        // What the container makes of its device is its own business.
    } else if endpoint.ipv6.is_none() && !is_local6 {
        switches::set_new_switch(sysctl, &of_ipv6("disable_ipv6"), "1")?;
    } else if sysctl.join("ipv6/conf").is_dir() {
        set(of_ipv6("disable_ipv6"), "0")?;
        set(of_ipv6("accept_dad"), "0")?;
        set(of_ipv6("ndisc_notify"), "1")?;
        if network.bridge.is_some() {
            // The daemon says where packets go, and no neighbour.
            set(of_ipv6("accept_ra"), "0")?;
        }
    }
    options.sysctls.iter().try_for_each(|(path, value)| set(path.clone(), value))
}
