//! The addresses of one subnet: which are taken, and the next free one. Pure.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// The lowest free one is next, as with Docker. The hardware address comes from it, so that neighbours who still know its last owner
/// find the new one.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    /// What is given to those who ask for no particular address.
    range: Ipv4Net,
    subnet: Ipv4Net,
    taken: BTreeSet<Ipv4Addr>,
}

impl Addresses {
    /// `range` lies in `subnet`.
    pub(crate) fn new(subnet: Ipv4Net, range: Option<Ipv4Net>) -> Self {
        Self { range: range.unwrap_or(subnet), subnet, taken: BTreeSet::new() }
    }

    /// Takes one; whether it was free.
    pub(crate) fn take(&mut self, address: Ipv4Addr) -> bool {
        self.taken.insert(address)
    }

    pub(crate) fn free(&mut self, address: Ipv4Addr) {
        self.taken.remove(&address);
    }

    /// Takes the next free one.
    pub(crate) fn next(&mut self) -> Option<Ipv4Addr> {
        let (first, last) = (self.range.network().to_bits(), self.range.broadcast().to_bits());
        let free = |address: &Ipv4Addr| self.is_host(*address) && !self.taken.contains(address);
        let address = (first..=last).map(Ipv4Addr::from_bits).find(free)?;
        self.taken.insert(address);
        Some(address)
    }

    /// In networks of at least four addresses, the first and the last are no host's.
    pub(crate) fn is_host(&self, address: Ipv4Addr) -> bool {
        let ends = [self.subnet.network(), self.subnet.broadcast()];
        self.subnet.prefix_len() > 30 || !ends.contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(subnet: &str, range: Option<&str>) -> Vec<String> {
        let range = range.map(|range| range.parse().unwrap());
        let mut addresses = Addresses::new(subnet.parse().unwrap(), range);
        std::iter::from_fn(|| addresses.next()).map(|address| address.to_string()).collect()
    }

    #[test]
    fn hosts_are_given_in_order_until_none_is_left() {
        assert_eq!(all("10.0.0.0/30", None), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(all("10.0.0.0/31", None), ["10.0.0.0", "10.0.0.1"]);
        assert_eq!(all("10.0.0.7/32", None), ["10.0.0.7"]);
        assert_eq!(
            all("10.0.0.0/24", Some("10.0.0.252/30")),
            ["10.0.0.252", "10.0.0.253", "10.0.0.254"]
        );
        assert_eq!(all("10.0.0.0/20", None).len(), 4094);
    }

    #[test]
    fn the_lowest_free_one_is_next() {
        let mut addresses = Addresses::new("10.0.0.0/29".parse().unwrap(), None);
        let one = addresses.next().unwrap();
        let two = addresses.next().unwrap();
        addresses.free(one);
        assert!(addresses.take("10.0.0.3".parse().unwrap()));
        assert!(!addresses.take(two));
        let rest: Vec<u8> =
            std::iter::from_fn(|| addresses.next()).map(|address| address.octets()[3]).collect();
        assert_eq!(rest, [1, 4, 5, 6]);
    }
}
