//! The SCTP ports of this daemon's containers, which no sockets hold.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The SCTP ports of this daemon's containers. The kernel may have no sockets for them and still lead their packets, so that nothing
/// but this keeps two containers from the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct SctpPorts(Arc<Mutex<BTreeSet<(u16, IpAddr)>>>);

/// One of them; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct SctpPort {
    all: SctpPorts,
    port: (u16, IpAddr),
}

impl SctpPorts {
    /// As sockets do it: every address of a family takes the port on each of them.
    pub(crate) fn take(&self, address: IpAddr, port: u16) -> io::Result<SctpPort> {
        let mut taken = self.taken();
        let meets = |other: &IpAddr| {
            other.is_ipv4() == address.is_ipv4()
                && (*other == address || other.is_unspecified() || address.is_unspecified())
        };
        let (first, last) =
            (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)));
        if taken.range((port, first)..=(port, last)).any(|(_, other)| meets(other)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_taken_once_and_free_again() {
        let all = SctpPorts::default();
        let take = |address: &str| all.take(address.parse().unwrap(), 5000);
        let one = take("127.0.0.1").unwrap();
        take("127.0.0.1").unwrap_err();
        take("0.0.0.0").unwrap_err();
        let two = take("127.0.0.2").unwrap();
        let three = take("::").unwrap();
        drop((one, two));
        let every = take("0.0.0.0").unwrap();
        take("127.0.0.1").unwrap_err();
        drop((every, three));
        assert!(all.taken().is_empty());
    }
}
