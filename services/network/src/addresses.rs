//! The addresses of one subnet: which are taken, and the next free one. Pure.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::family::Family;

/// The lowest free one is next, as with Docker. The hardware address comes from it, so that neighbours who still know its last owner
/// find the new one.
#[derive(Debug, Clone)]
pub(crate) struct Addresses<A: Family> {
    /// What is given to those who ask for no particular address.
    range: A::Net,
    subnet: A::Net,
    taken: BTreeSet<A>,
}

/// How full a subnet is; what is too large for the numbers is their largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Addresses that nobody can get any more: those of containers, of the network itself, and what is no host's.
    pub in_use: u64,
    /// Addresses that are left for those who ask for no particular one.
    pub available: u64,
}

impl<A: Family> Addresses<A> {
    /// `range` lies in `subnet`.
    pub(crate) fn new(subnet: A::Net, range: Option<A::Net>) -> Self {
        Self { range: range.unwrap_or(subnet), subnet, taken: BTreeSet::new() }
    }

    /// Whether an address lies in the subnet.
    pub(crate) fn has(&self, address: A) -> bool {
        (A::first(self.subnet)..=A::last(self.subnet)).contains(&address)
    }

    /// How many are taken or are no host's, and how many are left for those who ask for none.
    pub(crate) fn usage(&self) -> Usage {
        let ends = [A::first(self.subnet), A::last(self.subnet)];
        let is_reserved = |it: &&A| !it.is_host(self.subnet) && !self.taken.contains(it);
        let reserved: BTreeSet<A> = ends.iter().filter(is_reserved).copied().collect();
        let (first, last) = (A::first(self.range), A::last(self.range));
        let used_of_range =
            self.taken.range(first..=last).count() + reserved.range(first..=last).count();
        // The whole of IPv6 has one more than fits.
        let size = (last.bits() - first.bits()).saturating_add(1);
        Usage {
            in_use: u64::try_from(self.taken.len() + reserved.len()).unwrap_or(u64::MAX),
            available: u64::try_from(size.saturating_sub(used_of_range as u128))
                .unwrap_or(u64::MAX),
        }
    }

    /// Takes one; whether it was free.
    pub(crate) fn take(&mut self, address: A) -> bool {
        self.taken.insert(address)
    }

    pub(crate) fn free(&mut self, address: A) {
        self.taken.remove(&address);
    }

    /// Takes the next free one.
    pub(crate) fn next(&mut self) -> Option<A> {
        let range: RangeInclusive<A> = A::first(self.range)..=A::last(self.range);
        let (mut bits, last) = (range.start().bits(), range.end().bits());
        if !range.start().is_host(self.subnet) {
            bits += 1;
        }
        for taken in self.taken.range(range) {
            if taken.bits() > bits {
                break;
            }
            // One that is no host's may be taken, too: it lies before the first.
            if taken.bits() == bits {
                bits = bits.checked_add(1)?;
            }
        }
        let address = A::of_bits(bits);
        if bits > last || !address.is_host(self.subnet) {
            return None;
        }
        self.taken.insert(address);
        Some(address)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn all(subnet: &str, range: Option<&str>) -> Vec<String> {
        let range = range.map(|range| range.parse().unwrap());
        let mut addresses = Addresses::<Ipv4Addr>::new(subnet.parse().unwrap(), range);
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
        assert_eq!(all("255.255.255.254/31", None).len(), 2);
    }

    #[test]
    fn the_lowest_free_one_is_next() {
        let mut addresses = Addresses::<Ipv4Addr>::new("10.0.0.0/29".parse().unwrap(), None);
        let one = addresses.next().unwrap();
        let two = addresses.next().unwrap();
        addresses.free(one);
        assert!(addresses.take("10.0.0.3".parse().unwrap()));
        assert!(!addresses.take(two));
        let rest: Vec<u8> =
            std::iter::from_fn(|| addresses.next()).map(|address| address.octets()[3]).collect();
        assert_eq!(rest, [1, 4, 5, 6]);
    }

    #[test]
    fn what_is_used_is_counted() {
        let mut addresses = Addresses::<Ipv4Addr>::new(
            "10.0.0.0/29".parse().unwrap(),
            Some("10.0.0.4/30".parse().unwrap()),
        );
        assert_eq!(addresses.usage(), Usage { in_use: 2, available: 3 });
        addresses.take("10.0.0.1".parse().unwrap());
        addresses.next().unwrap();
        assert_eq!(addresses.usage(), Usage { in_use: 4, available: 2 });
        let mut two = Addresses::<Ipv4Addr>::new("10.0.0.0/31".parse().unwrap(), None);
        two.next();
        assert_eq!(two.usage(), Usage { in_use: 1, available: 1 });
        let mut large = Addresses::<Ipv6Addr>::new("fd00::/120".parse().unwrap(), None);
        large.next();
        assert_eq!(large.usage(), Usage { in_use: 2, available: 254 });
        let all = Addresses::<Ipv6Addr>::new("::/0".parse().unwrap(), None);
        assert_eq!(all.usage(), Usage { in_use: 1, available: u64::MAX });
    }

    #[test]
    fn large_subnets_take_no_longer() {
        let mut addresses = Addresses::<Ipv6Addr>::new("fd00::/64".parse().unwrap(), None);
        assert_eq!(addresses.next(), Some("fd00::1".parse().unwrap()));
        assert!(addresses.take("fd00::2".parse().unwrap()));
        assert_eq!(addresses.next(), Some("fd00::3".parse().unwrap()));
        let mut last = Addresses::<Ipv6Addr>::new("fd00::ff:ffff:fffe/127".parse().unwrap(), None);
        assert_eq!(std::iter::from_fn(|| last.next()).count(), 2);
    }
}
