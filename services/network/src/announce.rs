//! A new device and its neighbours: who has been let through can be found, and who remember another hardware address for an address
//! are told of the new one.
//!
//! Else one with an older entry would send to nobody for seconds. Most devices have a hardware address that follows from their address,
//! so that there is nothing to tell, and what is told goes to each port of a bridge, of which there may be a thousand: it is told where
//! somebody chose an address by hand, or where this daemon does not know who was there before.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gantry_netlink::Socket;
use gantry_netlink::route::{LinkName, MacAddress};
use gantry_types::error_chain;

use crate::endpoint::Endpoint;
use crate::network::{Driver, Network};
use crate::plug::inside;
use crate::{Error, Networks, Result};

/// How long a device may take to be ready.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_micros(100);
/// Addresses that are remembered for each network; when there are more, all are forgotten.
const MOST_KNOWN: usize = 1 << 16;

/// Whom neighbours may remember at each address.
#[derive(Debug, Default)]
pub(crate) struct Known {
    owners: HashMap<IpAddr, Owner>,
    /// Whether nobody was there before the first that is noted here.
    is_whole: bool,
}

#[derive(Debug)]
struct Owner {
    mac: MacAddress,
    /// The host's end of its device.
    device: String,
}

impl Known {
    /// Of a bridge that was just made, where nobody remembers anything.
    pub(crate) fn of_new_bridge() -> Self {
        Self { is_whole: true, ..Self::default() }
    }

    /// Notes who has an endpoint's addresses now.
    pub(crate) fn note(&mut self, endpoint: &Endpoint) -> News {
        if self.owners.len() > MOST_KNOWN {
            *self = Self::default();
        }
        let nobody = if self.is_whole { News::None } else { News::Perhaps };
        let of = |before: Option<Owner>| match before {
            None => nobody,
            Some(before) if before.mac == endpoint.mac => News::None,
            Some(_) => News::Certain,
        };
        let addresses = endpoint.addresses();
        let owner = || Owner { mac: endpoint.mac, device: endpoint.host_device() };
        let all = addresses.map(|(address, _)| of(self.owners.insert(address, owner())));
        all.max().unwrap_or(News::None)
    }

    /// The host's ends of the devices that had an endpoint's addresses before it. They go with their namespaces, which may take a while.
    pub(crate) fn earlier_devices(&self, endpoint: &Endpoint) -> Vec<String> {
        let own = endpoint.host_device();
        let owners = endpoint.addresses().filter_map(|(address, _)| self.owners.get(&address));
        let mut devices: Vec<String> = owners.map(|owner| owner.device.clone()).collect();
        devices.dedup();
        devices.retain(|device| *device != own);
        devices
    }
}

/// Whether neighbours may remember somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum News {
    None,
    Perhaps,
    Certain,
}

impl Networks {
    /// Waits until the bridge lets a device's packets through: the kernel sees to that behind its coming up, and what was sent before is
    /// sent again after a second. Then tells its neighbours where it is now, when they may think otherwise, and waits for that only where
    /// they are known to. A failure is logged: their entries end by themselves.
    pub(crate) fn introduce(
        &self,
        endpoint: &Endpoint,
        network: &Network,
        namespace: BorrowedFd<'_>,
    ) {
        let is_own = matches!(network.driver, Driver::Bridge | Driver::Macvlan);
        let mut state = self.state();
        let live = state.get_mut(&network.id);
        let news = live.map_or(News::None, |live| live.known.note(endpoint));
        drop(state);
        let runs = || await_running(&mut Socket::route()?, &endpoint.host_device().parse()?);
        let told = if network.bridge.is_some() { runs() } else { Ok(()) };
        let told = told.and_then(|()| {
            if !is_own || news == News::None {
                return Ok(());
            }
            let telling = begin(endpoint, namespace)?;
            match news {
                News::Certain => {
                    telling.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                }
                News::Perhaps | News::None => Ok(()),
            }
        });
        if let Err(error) = told {
            let error = error_chain(&error);
            tracing::warn!(error, endpoint = %endpoint.id, "neighbours are not told of a device");
        }
    }
}

fn begin(endpoint: &Endpoint, namespace: BorrowedFd<'_>) -> Result<JoinHandle<Result<()>>> {
    let failed = |source| Error::Host { action: "start a thread that tells neighbours", source };
    let namespace = namespace.try_clone_to_owned().map_err(failed)?;
    let (inner, mac): (LinkName, _) = (endpoint.device.parse()?, endpoint.mac);
    let tell = move || tell(&inner, mac, &namespace);
    thread::Builder::new().name("gantry-announce".to_owned()).spawn(tell).map_err(failed)
}

/// Setting a device's hardware address, to the one that it has, makes the kernel announce all of its addresses (`arp_notify`,
/// `ndisc_notify`).
fn tell(inner: &LinkName, mac: MacAddress, namespace: &OwnedFd) -> Result<()> {
    inside(namespace.as_fd(), || {
        let mut socket = Socket::route()?;
        match socket.link(inner)? {
            Some(link) => Ok(socket.send(&[link.announce_ipv4(), link.set_mac(mac)])?),
            None => Ok(()),
        }
    })
}

/// Waits until a device runs: the kernel says so when it has told the bridge.
fn await_running(socket: &mut Socket, device: &LinkName) -> Result<()> {
    await_that("wait for a device to let packets through", || {
        Ok(socket.link(device)?.is_some_and(|link| link.is_running()))
    })
}

/// Waits until a device of the calling thread's namespace hears who asks for its address: the kernel sees to that behind its coming up.
pub(crate) fn await_questions(device: &str, address: Ipv6Addr) -> Result<()> {
    // RFC 4291, 2.7.1: the group of all whose addresses end alike.
    let [.., a, b, c] = address.octets();
    let group = format!("ff0200000000000000000001ff{a:02x}{b:02x}{c:02x}");
    await_that("wait for a device to hear of its neighbours", || {
        let failed = |source| Error::Host { action: "read the groups of devices", source };
        let groups = fs::read_to_string("/proc/thread-self/net/igmp6").map_err(failed)?;
        let is_own = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().take(3).collect();
            words.get(1) == Some(&device) && words.get(2) == Some(&group.as_str())
        };
        Ok(groups.lines().any(is_own))
    })
}

fn await_that(action: &'static str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is_so()? {
        if start.elapsed() >= PATIENCE {
            return Err(Error::Host { action, source: io::ErrorKind::TimedOut.into() });
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gantry_types::{EndpointId, NetworkId};

    use super::*;
    use crate::endpoint::Place;

    fn endpoint(address: &str, last: u8) -> Endpoint {
        Endpoint {
            id: EndpointId::from_bytes([1; 32]),
            network_id: NetworkId::from_bytes([2; 32]),
            network_name: "lan".to_owned(),
            ipv4: Some(Place {
                address: address.parse().unwrap(),
                subnet: "10.0.0.0/24".parse().unwrap(),
                gateway: None,
            }),
            ipv6: None,
            mac: [2, 0, 0, 0, 0, last],
            device: "eth0".to_owned(),
            ports: Vec::new(),
        }
    }

    #[test]
    fn only_a_change_is_news() {
        let mut known = Known::of_new_bridge();
        assert_eq!(known.note(&endpoint("10.0.0.2", 2)), News::None, "nobody was there");
        assert_eq!(known.note(&endpoint("10.0.0.2", 2)), News::None);
        assert_eq!(known.note(&endpoint("10.0.0.2", 9)), News::Certain);
        assert_eq!(known.note(&endpoint("10.0.0.2", 2)), News::Certain);
        let mut later = Known::default();
        assert_eq!(later.note(&endpoint("10.0.0.2", 2)), News::Perhaps, "somebody may have been");
        assert_eq!(later.note(&endpoint("10.0.0.2", 2)), News::None);
    }
}
