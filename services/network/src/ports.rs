//! Ports of the host that lead to containers. Each is bound by a socket, so that no other program takes it and one that is taken is told
//! before anything starts. Packets are led by the packet filter where it can; what reaches the sockets all the same is relayed.

mod sctp;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use gantry_port_proxy::{PortProxy, Relay, Transport};
use rustix::io::Errno;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind as bind_socket, getsockname, listen, socket_with,
};
use serde::{Deserialize, Serialize};

use crate::options::{BridgeOptions, GatewayMode};
use crate::{Error, Result};

use sctp::SctpPort;
pub(crate) use sctp::SctpPorts;

const EVERY_IPV4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const EVERY_IPV6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
/// Callers that the kernel keeps for us; it may keep fewer (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortProtocol {
    Tcp,
    Udp,
    Sctp,
}

impl PortProtocol {
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    /// `IPPROTO_`.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

/// A port that is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortWish {
    pub protocol: PortProtocol,
    /// In the container.
    pub port: u16,
    /// On the host; unspecified means every address of that family, and none those of both, or what the network says.
    pub host_address: Option<IpAddr>,
    /// The first free one of these; the kernel chooses one from `ip_local_port_range` when there are none.
    pub host_ports: Option<RangeInclusive<u16>>,
}

/// A port that is published. One on every address of both families is two of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    pub protocol: PortProtocol,
    pub port: u16,
    pub host_address: IpAddr,
    /// Zero in networks that are routed: there it is reached by the container's own address.
    pub host_port: u16,
}

/// What keeps ports from others, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held {
    holds: Vec<Hold>,
}

/// One port that is kept.
#[derive(Debug)]
struct Hold {
    protocol: PortProtocol,
    /// In the container.
    port: u16,
    socket: Option<Arc<OwnedFd>>,
    _sctp: Vec<SctpPort>,
}

/// Where on the host a port is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    protocol: PortProtocol,
    address: IpAddr,
    /// With every address of IPv6: those of IPv4, too.
    is_dual: bool,
}

impl Held {
    /// Relays what reaches the sockets. The container has an address of IPv4, or of IPv6.
    pub(crate) fn relay(
        &self,
        proxy: &PortProxy,
        container: IpAddr,
    ) -> Result<Vec<Relay>, gantry_port_proxy::Error> {
        let served = self.holds.iter().filter_map(|hold| {
            let transport = match hold.protocol {
                PortProtocol::Tcp => Transport::Tcp,
                PortProtocol::Udp => Transport::Udp,
                PortProtocol::Sctp => return None,
            };
            let backend = SocketAddr::new(container, hold.port);
            Some(proxy.serve(Arc::clone(hold.socket.as_ref()?), transport, backend))
        });
        served.collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.holds.iter().all(|hold| hold.socket.is_none())
    }
}

/// Takes all that is wished for in a network with these options, or nothing.
pub(crate) fn bind(
    wishes: &[PortWish],
    options: &BridgeOptions,
    sctp: &SctpPorts,
) -> Result<(Vec<Published>, Held)> {
    let (mut published, mut holds) = (Vec::new(), Vec::new());
    for wish in wishes {
        let PortWish { protocol, port, .. } = *wish;
        let mut show = |address, host_port| {
            published.push(Published { protocol, port, host_address: address, host_port });
        };
        let addresses = match wish.host_address.or(options.host_binding) {
            Some(EVERY_IPV4) if wish.host_address.is_none() => vec![EVERY_IPV4, EVERY_IPV6],
            Some(address) => vec![address],
            None => vec![EVERY_IPV4, EVERY_IPV6],
        };
        let (routed, bound): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| {
            let mode =
                if address.is_ipv4() { options.gateway_mode4 } else { options.gateway_mode6 };
            mode == GatewayMode::Routed
        });
        for address in routed {
            show(address, 0);
        }
        let Some((first, others)) = bound.split_first() else { continue };
        let (hold, host_port, has_both) = take(wish, *first, !others.is_empty(), sctp)?;
        show(*first, host_port);
        if has_both {
            for address in others {
                show(*address, host_port);
            }
        }
        holds.push(hold);
    }
    Ok((published, Held { holds }))
}

/// Takes again what a running container has; what another program took meanwhile is told.
pub(crate) fn bind_again(published: &[Published], sctp: &SctpPorts) -> (Held, Vec<Error>) {
    let (mut holds, mut errors) = (Vec::new(), Vec::new());
    let is_bound = |port: &&Published| port.host_port > 0;
    let other_family = |port: &Published, address| {
        let twin = Published { host_address: address, ..port.clone() };
        published.contains(&twin)
    };
    for port in published.iter().filter(is_bound) {
        let Published { protocol, host_address, host_port, .. } = *port;
        let (address, is_dual) = match host_address {
            EVERY_IPV6 if other_family(port, EVERY_IPV4) => continue,
            EVERY_IPV4 if other_family(port, EVERY_IPV6) => (EVERY_IPV6, true),
            address => (address, false),
        };
        let place = Place { protocol, address, is_dual };
        match hold(place, port.port, host_port, sctp) {
            Ok((hold, _)) => holds.push(hold),
            Err(source) => errors.push(failed(protocol, host_address, host_port, source)),
        }
    }
    (Held { holds }, errors)
}

/// The port on one address, or on every one of both families. Whether it is on both: a host may have no IPv6.
fn take(
    wish: &PortWish,
    address: IpAddr,
    is_dual: bool,
    sctp: &SctpPorts,
) -> Result<(Hold, u16, bool)> {
    let protocol = wish.protocol;
    if is_dual {
        let place = Place { protocol, address: EVERY_IPV6, is_dual: true };
        match take_one(wish, place, sctp) {
            Err(Error::Bind { source, .. })
                if source.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error()) => {}
            Err(Error::Bind { port, protocol, source, .. }) => {
                return Err(Error::Bind { address, port, protocol, source });
            }
            Err(Error::RangeTaken { first, last, protocol, .. }) => {
                return Err(Error::RangeTaken { address, first, last, protocol });
            }
            result => return result.map(|(hold, port)| (hold, port, true)),
        }
    }
    let place = Place { protocol, address, is_dual: false };
    take_one(wish, place, sctp).map(|(hold, port)| (hold, port, false))
}

fn take_one(wish: &PortWish, place: Place, sctp: &SctpPorts) -> Result<(Hold, u16)> {
    let Place { protocol, address, .. } = place;
    let Some(range) = wish.host_ports.clone() else {
        return hold(place, wish.port, 0, sctp)
            .map_err(|source| failed(protocol, address, 0, source));
    };
    let (first, last) = (*range.start(), *range.end());
    for port in range {
        match hold(place, wish.port, port, sctp) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && first != last => {}
            result => return result.map_err(|source| failed(protocol, address, port, source)),
        }
    }
    Err(Error::RangeTaken { address, first, last, protocol: protocol.name() })
}

fn failed(protocol: PortProtocol, address: IpAddr, port: u16, source: io::Error) -> Error {
    Error::Bind { address, port, protocol: protocol.name(), source }
}

/// Port zero is one of the kernel's choice; the one that it is comes back.
fn hold(place: Place, port: u16, mut host_port: u16, sctp: &SctpPorts) -> io::Result<(Hold, u16)> {
    let protocol = place.protocol;
    let is_sctp = protocol == PortProtocol::Sctp;
    let mut socket = None;
    // The kernel may have no sockets for SCTP; it has to choose a port, though.
    if !is_sctp || host_port == 0 {
        let bound = bind_at(place, host_port)?;
        host_port = bound.0;
        socket = Some(Arc::new(bound.1));
    }
    let mut taken = Vec::new();
    if is_sctp {
        taken.push(sctp.take(place.address, host_port)?);
        if place.is_dual {
            taken.push(sctp.take(EVERY_IPV4, host_port)?);
        }
    }
    Ok((Hold { protocol, port, socket, _sctp: taken }, host_port))
}

fn bind_at(place: Place, port: u16) -> io::Result<(u16, OwnedFd)> {
    let Place { protocol, address, is_dual } = place;
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = match protocol {
        PortProtocol::Tcp => SocketType::STREAM,
        PortProtocol::Udp => SocketType::DGRAM,
        PortProtocol::Sctp => SocketType::SEQPACKET,
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    if address.is_ipv6() {
        set_ipv6_v6only(&socket, !is_dual)?;
    }
    // Relayed connections that have ended may still have the port. Without this, two programs that don't listen cannot have the same
    // one; with it, two that do cannot, and this one does.
    let listens = protocol == PortProtocol::Tcp;
    if listens {
        set_socket_reuseaddr(&socket, true)?;
    }
    bind_socket(&socket, &SocketAddr::new(address, port))?;
    if listens {
        listen(&socket, BACKLOG)?;
    }
    if port > 0 {
        return Ok((port, socket));
    }
    let bound = SocketAddr::try_from(getsockname(&socket)?)?;
    Ok((bound.port(), socket))
}
