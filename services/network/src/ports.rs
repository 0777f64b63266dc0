//! Ports of the host that lead to containers. Each is bound by a socket, so that no other program takes it and one that is taken is told
//! before anything starts; the packets themselves are led by the packet filter.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind as bind_socket, getsockname, socket_with,
};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

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
    /// On the host; unspecified means every address of that family.
    pub host_address: IpAddr,
    /// The first free one of these; the kernel chooses one from `ip_local_port_range` when there are none.
    pub host_ports: Option<RangeInclusive<u16>>,
}

/// A port that is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    pub protocol: PortProtocol,
    pub port: u16,
    pub host_address: IpAddr,
    pub host_port: u16,
}

/// What keeps ports from others, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held {
    _ports: Vec<Hold>,
}

/// The SCTP ports of this daemon's containers. The kernel may have no sockets for them and still lead their packets, so that nothing
/// but this keeps two containers from the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct SctpPorts(Arc<Mutex<BTreeSet<(u16, IpAddr)>>>);

/// One of them; it is free again when this is dropped.
#[derive(Debug)]
struct SctpPort {
    all: SctpPorts,
    port: (u16, IpAddr),
}

impl SctpPorts {
    /// As sockets do it: every address of a family takes the port on each of them.
    fn take(&self, address: IpAddr, port: u16) -> io::Result<SctpPort> {
        let mut taken = self.taken();
        let meets = |other: &IpAddr| {
            other.is_ipv4() == address.is_ipv4()
                && (*other == address || other.is_unspecified() || address.is_unspecified())
        };
        if taken.iter().any(|(number, other)| *number == port && meets(other)) {
            return Err(rustix::io::Errno::ADDRINUSE.into());
        }
        taken.insert((port, address));
        Ok(SctpPort { all: self.clone(), port: (port, address) })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeSet<(u16, IpAddr)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SctpPort {
    fn drop(&mut self) {
        self.all.taken().remove(&self.port);
    }
}

/// One port that is kept.
#[derive(Debug)]
struct Hold {
    port: u16,
    _socket: Option<OwnedFd>,
    _sctp: Option<SctpPort>,
}

/// Takes all that is wished for, or nothing.
pub(crate) fn bind(wishes: &[PortWish], sctp: &SctpPorts) -> Result<(Vec<Published>, Held)> {
    let (mut published, mut holds) = (Vec::new(), Vec::new());
    for wish in wishes {
        let hold = bind_one(wish, sctp)?;
        let PortWish { protocol, port, host_address, .. } = *wish;
        published.push(Published { protocol, port, host_address, host_port: hold.port });
        holds.push(hold);
    }
    Ok((published, Held { _ports: holds }))
}

/// Takes again what a running container has; what another program took meanwhile is told.
pub(crate) fn bind_again(published: &[Published], sctp: &SctpPorts) -> (Held, Vec<Error>) {
    let (mut holds, mut errors) = (Vec::new(), Vec::new());
    for port in published {
        match bind_at(port.protocol, port.host_address, port.host_port, sctp) {
            Ok(hold) => holds.push(hold),
            Err(source) => {
                errors.push(failed(port.protocol, port.host_address, port.host_port, source));
            }
        }
    }
    (Held { _ports: holds }, errors)
}

fn bind_one(wish: &PortWish, sctp: &SctpPorts) -> Result<Hold> {
    let PortWish { protocol, host_address, .. } = *wish;
    let Some(range) = wish.host_ports.clone() else {
        return bind_at(protocol, host_address, 0, sctp)
            .map_err(|source| failed(protocol, host_address, 0, source));
    };
    let (first, last) = (*range.start(), *range.end());
    for port in range {
        match bind_at(protocol, host_address, port, sctp) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && first != last => {}
            result => return result.map_err(|source| failed(protocol, host_address, port, source)),
        }
    }
    Err(Error::RangeTaken { address: host_address, first, last, protocol: protocol.name() })
}

fn failed(protocol: PortProtocol, address: IpAddr, port: u16, source: io::Error) -> Error {
    Error::Bind { address, port, protocol: protocol.name(), source }
}

fn bind_at(
    protocol: PortProtocol,
    address: IpAddr,
    port: u16,
    sctp: &SctpPorts,
) -> io::Result<Hold> {
    let kind = match protocol {
        PortProtocol::Tcp => SocketType::STREAM,
        PortProtocol::Udp => SocketType::DGRAM,
        PortProtocol::Sctp if port != 0 => {
            return Ok(Hold { port, _socket: None, _sctp: Some(sctp.take(address, port)?) });
        }
        PortProtocol::Sctp => SocketType::SEQPACKET,
    };
    let (port, socket) = bind_socket_at(kind, address, port)?;
    let sctp = match protocol {
        PortProtocol::Sctp => Some(sctp.take(address, port)?),
        PortProtocol::Tcp | PortProtocol::Udp => None,
    };
    Ok(Hold { port, _socket: Some(socket), _sctp: sctp })
}

/// Without `SO_REUSEADDR`, with which two programs that don't listen could have the same port.
fn bind_socket_at(kind: SocketType, address: IpAddr, port: u16) -> io::Result<(u16, OwnedFd)> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    if address.is_ipv6() {
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind_socket(&socket, &SocketAddr::new(address, port))?;
    let bound = SocketAddr::try_from(getsockname(&socket)?)?;
    Ok((bound.port(), socket))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    fn wish(ports: Option<RangeInclusive<u16>>) -> PortWish {
        let host_address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        PortWish { protocol: PortProtocol::Tcp, port: 80, host_address, host_ports: ports }
    }

    #[test]
    fn a_taken_port_is_told_and_a_range_goes_on() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = other.local_addr().unwrap().port();
        let error =
            bind(&[wish(None), wish(Some(taken..=taken))], &SctpPorts::default()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("failed to bind host port 127.0.0.1:{taken}/tcp: ")),
            "{text}"
        );
        if let Some(next) = taken.checked_add(1) {
            let (published, held) =
                bind(&[wish(Some(taken..=next))], &SctpPorts::default()).unwrap();
            assert_eq!(published[0].host_port, next);
            TcpListener::bind(("127.0.0.1", next)).unwrap_err();
            drop(held);
            TcpListener::bind(("127.0.0.1", next)).unwrap();
        }
    }

    #[test]
    fn one_that_nobody_chose_is_found() {
        let (published, _held) = bind(&[wish(None), wish(None)], &SctpPorts::default()).unwrap();
        assert!(published[0].host_port > 0);
        assert_ne!(published[0].host_port, published[1].host_port);
        let (_, errors) = bind_again(&published, &SctpPorts::default());
        assert_eq!(errors.len(), 2);
    }

    #[test]
    fn an_sctp_port_is_taken_once_and_free_again() {
        let all = SctpPorts::default();
        let bind = |address: &str| {
            let wish = PortWish {
                protocol: PortProtocol::Sctp,
                host_address: address.parse().unwrap(),
                ..wish(Some(5000..=5000))
            };
            bind(&[wish], &all)
        };
        let one = bind("127.0.0.1").unwrap();
        bind("127.0.0.1").unwrap_err();
        bind("0.0.0.0").unwrap_err();
        let two = bind("127.0.0.2").unwrap();
        let three = bind("::").unwrap();
        drop((one, two));
        let every = bind("0.0.0.0").unwrap();
        bind("127.0.0.1").unwrap_err();
        drop((every, three));
        assert!(all.taken().is_empty());
    }
}
