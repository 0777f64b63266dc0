//! From a question to what it is answered with: a name of the asker's own networks, or somebody else's business.

use std::net::IpAddr;
use std::sync::Arc;

use crate::message::answer::Answer;
use crate::message::{Code, Query, kind};
use crate::names::{Names, Place, ServicePort, key};

/// What one container sees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// Ids of its networks; the first that knows a name answers.
    pub networks: Vec<String>,
    /// Names that only this container knows, each for another one in its networks.
    pub links: Vec<(String, String)>,
    /// Who is asked for all other names.
    pub upstreams: Upstreams,
}

/// Name servers of the world outside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Upstreams {
    /// The host's, as it has them when the question comes.
    #[default]
    Host,
    /// The user's, asked from the container's namespace.
    These(Vec<IpAddr>),
    /// A container without a way out gets no names from there either.
    None,
}

/// What becomes of a question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// So many bytes of the room are the answer.
    Written(usize),
    /// The networks know nothing of it.
    Forward,
}

/// Ports of services whose names clients use in questions (IANA's registry).
const SERVICES: [(&str, u16); 22] = [
    ("amqp", 5672),
    ("domain", 53),
    ("ftp", 21),
    ("http", 80),
    ("https", 443),
    ("imap", 143),
    ("imaps", 993),
    ("kerberos", 88),
    ("ldap", 389),
    ("ldaps", 636),
    ("mongodb", 27017),
    ("mqtt", 1883),
    ("mysql", 3306),
    ("ntp", 123),
    ("postgresql", 5432),
    ("redis", 6379),
    ("sip", 5060),
    ("smtp", 25),
    ("ssh", 22),
    ("submission", 587),
    ("syslog", 514),
    ("xmpp-client", 5222),
];

/// Answers from the networks. `turn` chooses who is first among those with one name.
pub(crate) fn reply(
    names: &Names,
    view: &View,
    query: &Query<'_>,
    turn: usize,
    (room, limit): (&mut [u8], usize),
) -> Reply {
    let name = query.name.as_bytes();
    if query.kind == kind::PTR
        && let Some(place) = address_of(name).and_then(|address| addressed(names, view, address))
    {
        let mut answer = Answer::new(query, room, limit);
        answer.pointer(&full_name(place));
        return Reply::Written(answer.finish(Code::Success));
    }
    if query.kind == kind::SRV
        && let Some((port, protocol, rest)) = service(name)
    {
        let Some(places) = places(names, view, rest, |_| true) else { return Reply::Forward };
        let answer = Answer::new(query, room, limit);
        return Reply::Written(services(answer, places.turned(turn), (port, protocol)));
    }
    let wants = |address: &IpAddr| match query.kind {
        kind::A => address.is_ipv4(),
        kind::AAAA => address.is_ipv6(),
        kind => kind == kind::ANY,
    };
    let has_one = |place: &Place| place.addresses.iter().any(wants);
    let Some(places) = places(names, view, name, has_one) else { return Reply::Forward };
    let mut answer = Answer::new(query, room, limit);
    for address in places.turned(turn).flat_map(|place| &place.addresses).filter(|it| wants(it)) {
        match address {
            IpAddr::V4(address) => answer.ipv4(*address),
            IpAddr::V6(address) => answer.ipv6(*address),
        }
    }
    Reply::Written(answer.finish(Code::Success))
}

/// Those who have one name.
#[derive(Clone, Copy)]
struct Places<'n>(&'n [Arc<Place>]);

impl<'n> Places<'n> {
    /// All of them, another one first at each turn.
    fn turned(self, turn: usize) -> impl Iterator<Item = &'n Arc<Place>> + Clone {
        let first = if self.0.is_empty() { 0 } else { turn % self.0.len() };
        self.0[first..].iter().chain(&self.0[..first])
    }
}

/// Who is meant in the asker's networks: the first network in which somebody has the name and what is `wanted`, else the first in
/// which somebody has the name at all. `a.b.c` is the container `a.b.c`, or `a.b` in the network `c`, or `a` in `b.c`.
fn places<'n>(
    names: &'n Names,
    view: &View,
    name: &[u8],
    wanted: impl Fn(&Place) -> bool,
) -> Option<Places<'n>> {
    let mut known = None;
    let linked = view.links.iter().filter(|(alias, _)| alias.as_bytes().eq_ignore_ascii_case(name));
    let linked = linked.flat_map(|(_, target)| {
        let target = key(target);
        view.networks.iter().map(move |network| names.named(network, &target))
    });
    let dots = name.iter().enumerate().rev().filter(|(_, byte)| **byte == b'.');
    let splits = dots.map(|(at, _)| (&name[..at], Some(&name[at + 1..])));
    let called = std::iter::once((name, None)).chain(splits).flat_map(|(name, network_name)| {
        view.networks
            .iter()
            .filter(move |network| network_name.is_none_or(|it| names.is_called(network, it)))
            .map(move |network| names.named(network, name))
    });
    for places in linked.chain(called) {
        if places.is_empty() {
            continue;
        }
        if places.iter().any(|place| wanted(place)) {
            return Some(Places(places));
        }
        known.get_or_insert(Places(places));
    }
    known
}

fn addressed<'n>(names: &'n Names, view: &View, address: IpAddr) -> Option<&'n Arc<Place>> {
    view.networks.iter().find_map(|network| names.addressed(network, address))
}

/// `container.network`: what is right in every network of the asker's.
fn full_name(place: &Place) -> Vec<u8> {
    let name = place.names.first().map(String::as_str).unwrap_or_default();
    format!("{name}.{}", place.network_name).into_bytes()
}

/// The parts of `_port._protocol.name`. The port is a number or a service's name.
fn service(name: &[u8]) -> Option<(u16, &str, &[u8])> {
    let mut parts = name.splitn(3, |byte| *byte == b'.');
    let mut label = || std::str::from_utf8(parts.next()?.strip_prefix(b"_")?).ok();
    let (service, protocol) = (label()?, label()?);
    let by_name = || SERVICES.iter().find(|(name, _)| *name == service).map(|(_, port)| *port);
    let port = service.parse().ok().or_else(by_name)?;
    let rest = parts.next().filter(|rest| !rest.is_empty())?;
    matches!(protocol, "tcp" | "udp" | "sctp").then_some((port, protocol, rest))
}

/// Those of the places that say they serve the port.
fn services<'n>(
    mut answer: Answer<'_>,
    places: impl Iterator<Item = &'n Arc<Place>> + Clone,
    (number, protocol): (u16, &str),
) -> usize {
    let serves = |place: &&Arc<Place>| {
        let wanted = |port: &ServicePort| port.number == number && port.protocol == protocol;
        place.ports.iter().any(wanted)
    };
    let places = places.filter(serves);
    for place in places.clone() {
        answer.service(&full_name(place), number);
    }
    for place in places {
        for address in &place.addresses {
            answer.beside(&full_name(place), *address);
        }
    }
    answer.finish(Code::Success)
}

/// The address in `4.3.2.1.in-addr.arpa` or `….ip6.arpa`.
fn address_of(name: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(name).ok()?;
    if let Some(octets) = text.strip_suffix(".in-addr.arpa") {
        let mut address = [0; 4];
        let mut parts = octets.split('.').rev();
        for octet in &mut address {
            *octet = parts.next()?.parse().ok()?;
        }
        return parts.next().is_none().then(|| address.into());
    }
    let mut parts = text.strip_suffix(".ip6.arpa")?.split('.').rev();
    let mut address = [0_u8; 16];
    let mut nibble = || {
        let part = parts.next()?;
        u8::from_str_radix(part, 16).ok().filter(|_| part.len() == 1)
    };
    for octet in &mut address {
        *octet = (nibble()? << 4) | nibble()?;
    }
    parts.next().is_none().then(|| address.into())
}

#[cfg(test)]
mod tests;
