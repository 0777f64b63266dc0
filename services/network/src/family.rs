//! What IPv4 and IPv6 addresses have in common, for what is done with both. Pure.

use std::fmt::{Debug, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// An address of one family.
pub(crate) trait Family: Copy + Ord + Debug + Display + Into<IpAddr> {
    /// A subnet of that family.
    type Net: Copy + PartialEq + Debug + Display + Into<IpNet>;

    /// As messages name it.
    const NAME: &'static str;

    fn bits(self) -> u128;
    /// The opposite of [`Self::bits`]; more bits than the family has are cut off.
    fn of_bits(bits: u128) -> Self;
    fn first(net: Self::Net) -> Self;
    fn last(net: Self::Net) -> Self;
    fn trunc(net: Self::Net) -> Self::Net;
    /// Whether an address of this subnet may be a host's: IPv4 keeps the first for the subnet and the last for broadcasts, IPv6 the first
    /// for any of its routers.
    fn is_host(self, net: Self::Net) -> bool;
}

impl Family for Ipv4Addr {
    type Net = Ipv4Net;

    const NAME: &'static str = "IPv4";

    fn bits(self) -> u128 {
        self.to_bits().into()
    }

    fn of_bits(bits: u128) -> Self {
        Self::from_bits(u32::try_from(bits & u128::from(u32::MAX)).unwrap_or_default())
    }

    fn first(net: Ipv4Net) -> Self {
        net.network()
    }

    fn last(net: Ipv4Net) -> Self {
        net.broadcast()
    }

    fn trunc(net: Ipv4Net) -> Ipv4Net {
        net.trunc()
    }

    fn is_host(self, net: Ipv4Net) -> bool {
        net.prefix_len() > 30 || ![net.network(), net.broadcast()].contains(&self)
    }
}

impl Family for Ipv6Addr {
    type Net = Ipv6Net;

    const NAME: &'static str = "IPv6";

    fn bits(self) -> u128 {
        self.to_bits()
    }

    fn of_bits(bits: u128) -> Self {
        Self::from_bits(bits)
    }

    fn first(net: Ipv6Net) -> Self {
        net.network()
    }

    fn last(net: Ipv6Net) -> Self {
        net.broadcast()
    }

    fn trunc(net: Ipv6Net) -> Ipv6Net {
        net.trunc()
    }

    fn is_host(self, net: Ipv6Net) -> bool {
        net.prefix_len() > 126 || net.network() != self
    }
}
