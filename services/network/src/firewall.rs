//! The packet filter's table of this daemon. Nobody else's rules are touched, and the chain `user` is the user's: it is never written
//! to, and every packet to or from a container meets it first.
//!
//! ```text
//! prerouting    raw       nothing from a container may pretend to be another network's, or go to the host's loopback
//! destinations  nat       published ports, of packets that come in
//! local         nat       published ports, of the host's own packets
//! forward       filter    user; what was let through before; within a network; published ports, but not from internal networks; out of
//!                         networks; nothing else in or between
//! sources       nat       containers that go out, loopback that comes in, and who calls a neighbour by the host's port
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;

use gantry_netlink::Request;
use gantry_netlink::nftables::{
    Base, Comparison, Element, Expression, Hook, KeyType, Nat, Register, Set, SetKind, Table,
    Verdict,
};

use crate::endpoint::Endpoint;
use crate::network::Network;
use crate::ports::Published;

/// The user's own chain.
pub(crate) const USER: &str = "user";

/// Devices of networks.
const BRIDGES: &str = "bridges";
/// Devices of networks with a way out.
const OPEN: &str = "open";
/// Pairs of a device and itself.
const WITHIN: &str = "within";
/// What networks' containers have for addresses.
const SUBNETS: &str = "subnets";
/// Published on every address of the host.
const PORTS: &str = "ports";
/// Published on one.
const PORTS_OF_ADDRESS: &str = "ports-of-address";

/// `NFT_META_IIFKIND`, `NFT_META_OIFKIND`.
const INPUT_KIND: u32 = 26;
const OUTPUT_KIND: u32 = 27;
const CONNECTION_STATE: u32 = 0;
const CONNECTION_STATUS: u32 = 2;
const ESTABLISHED_OR_RELATED: u32 = 6;
/// `IPS_DST_NAT`.
const DESTINATION_CHANGED: u32 = 0x20;
/// `NFPROTO_IPV4`.
const IPV4: u8 = 2;
/// `RTN_LOCAL`.
const LOCAL: u32 = 2;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const IPV4_SOURCE: u32 = 12;
const IPV4_DESTINATION: u32 = 16;
const PORT_DESTINATION: u32 = 2;

const A: Register = Register::A;
const B: Register = Register::B;
const C: Register = Register::C;

/// Makes the table with its rules, in place of those that an earlier daemon left. What sets hold is made anew, too: `networks` and
/// `endpoints` are all that there are.
pub(crate) fn lay_out<'a>(
    table: &Table,
    networks: impl Iterator<Item = &'a Network>,
    endpoints: impl Iterator<Item = &'a Endpoint>,
    closes_the_rest: bool,
) -> Vec<Request> {
    let mut requests = vec![table.add()];
    for set in sets() {
        requests.push(table.add_set(&set));
        requests.push(table.flush_set(set.name));
    }
    requests.push(table.add_chain(USER, None));
    for (name, base) in chains() {
        requests.push(table.add_chain(name, Some(base)));
        requests.push(table.flush_chain(name));
    }
    for (chain, rule) in rules(closes_the_rest) {
        requests.push(table.add_rule(chain, &rule));
    }
    networks.for_each(|network| requests.extend(admit(table, network)));
    requests.extend(change_ports(endpoints, |set, elements| table.add_elements(set, elements)));
    requests
}

/// Lets a network's packets through.
pub(crate) fn admit(table: &Table, network: &Network) -> Vec<Request> {
    change_devices(network, |set, elements| table.add_elements(set, elements))
}

/// The opposite of [`admit`].
pub(crate) fn exclude(table: &Table, network: &Network) -> Vec<Request> {
    change_devices(network, |set, elements| table.remove_elements(set, elements))
}

/// Leads an endpoint's published ports to it.
pub(crate) fn publish(table: &Table, endpoint: &Endpoint) -> Vec<Request> {
    change_ports([endpoint], |set, elements| table.add_elements(set, elements))
}

/// The opposite of [`publish`]. Ports that somebody else took out already are put in before: one that is missing would keep the others
/// where they are.
pub(crate) fn unpublish(table: &Table, endpoint: &Endpoint) -> Vec<Request> {
    change_ports([endpoint], |set, elements| {
        let mut requests = table.add_elements(set, elements);
        requests.extend(table.remove_elements(set, elements));
        requests
    })
}

fn change_devices(
    network: &Network,
    change: impl Fn(&'static str, &[Element]) -> Vec<Request>,
) -> Vec<Request> {
    let Some(bridge) = &network.bridge else { return Vec::new() };
    let name = device_key(&bridge.device);
    let pair = [name.clone(), name.clone()].concat();
    let mut requests = change(BRIDGES, &[Element::key(name.clone())]);
    requests.extend(change(WITHIN, &[Element::key(pair)]));
    let behind = bridge.subnet.broadcast().to_bits().checked_add(1);
    let subnet = Element::interval(
        bridge.subnet.network().octets(),
        behind.map(|behind| behind.to_be_bytes().to_vec()),
    );
    requests.extend(change(SUBNETS, &subnet));
    if !network.internal {
        requests.extend(change(OPEN, &[Element::key(name)]));
    }
    requests
}

/// Of two endpoints with the same port, which only the records of a broken daemon can have, the first one keeps it.
fn change_ports<'a>(
    endpoints: impl IntoIterator<Item = &'a Endpoint>,
    change: impl Fn(&'static str, &[Element]) -> Vec<Request>,
) -> Vec<Request> {
    let (mut everywhere, mut somewhere) = (BTreeMap::new(), BTreeMap::new());
    let ports = endpoints.into_iter().flat_map(|it| it.ports.iter().map(move |port| (it, port)));
    for (endpoint, port) in ports {
        let key = port_key(port);
        let value = [&endpoint.address.octets()[..], &padded(port.port)].concat();
        match port.host_address {
            IpAddr::V4(address) if address.is_unspecified() => {
                everywhere.entry(key).or_insert(value);
            }
            IpAddr::V4(address) => {
                let key = [&address.octets()[..], &key].concat();
                somewhere.entry(key).or_insert(value);
            }
            // A container has no address of that family to lead to.
            IpAddr::V6(_) => {}
        }
    }
    let mut requests = Vec::new();
    for (set, elements) in [(PORTS, everywhere), (PORTS_OF_ADDRESS, somewhere)] {
        let elements: Vec<Element> =
            elements.into_iter().map(|(key, value)| Element::mapping(key, value)).collect();
        requests.extend(change(set, &elements));
    }
    requests
}

fn port_key(port: &Published) -> Vec<u8> {
    [&[port.protocol.number(), 0, 0, 0][..], &padded(port.host_port)].concat()
}

/// Each part of a concatenation takes a multiple of four bytes.
fn padded(port: u16) -> [u8; 4] {
    let [high, low] = port.to_be_bytes();
    [high, low, 0, 0]
}

fn device_key(name: &str) -> Vec<u8> {
    let mut key = name.as_bytes().to_vec();
    key.resize(16, 0);
    key
}

fn sets() -> [Set; 6] {
    use KeyType::{DeviceName, Ipv4Address, Port, Protocol};
    let keys = |name, keys: &[KeyType]| Set { name, kind: SetKind::Keys(keys.to_vec()) };
    let map = |name, keys: &[KeyType]| Set {
        name,
        kind: SetKind::Map(keys.to_vec(), vec![Ipv4Address, Port]),
    };
    [
        keys(BRIDGES, &[DeviceName]),
        keys(OPEN, &[DeviceName]),
        Set { name: SUBNETS, kind: SetKind::Intervals(Ipv4Address) },
        keys(WITHIN, &[DeviceName, DeviceName]),
        map(PORTS, &[Protocol, Port]),
        map(PORTS_OF_ADDRESS, &[Ipv4Address, Protocol, Port]),
    ]
}

fn chains() -> [(&'static str, Base); 5] {
    let base = |kind, hook, priority| Base { kind, hook, priority };
    [
        ("prerouting", base("filter", Hook::Prerouting, -300)),
        ("destinations", base("nat", Hook::Prerouting, -100)),
        ("local", base("nat", Hook::Output, -100)),
        ("forward", base("filter", Hook::Forward, 0)),
        ("sources", base("nat", Hook::Postrouting, 100)),
    ]
}

type Rule = (&'static str, Vec<Expression>);

fn rules(closes_the_rest: bool) -> Vec<Rule> {
    let mut rules = Vec::new();
    rules.extend(prerouting());
    rules.extend(destinations());
    rules.extend(forward(closes_the_rest));
    rules.extend(sources());
    rules
}

fn prerouting() -> Vec<Rule> {
    let to_loopback = [
        vec![Expression::input_device(A), within(BRIDGES, A)],
        loopback(IPV4_DESTINATION, true),
        vec![drop_it()],
    ];
    let pretended = vec![
        Expression::input_device(A),
        within(BRIDGES, A),
        Expression::family(A),
        Expression::equals(A, [IPV4]),
        // Without a way back through the device that it came by, the source is somebody else's.
        Expression::ReversePath { to: A },
        Expression::equals(A, 0_u32.to_ne_bytes()),
        drop_it(),
    ];
    vec![("prerouting", to_loopback.concat()), ("prerouting", pretended)]
}

/// Loopback is the host's own business: what comes in for 127.0.0.1 meets no published port.
fn destinations() -> Vec<Rule> {
    let address = |address| {
        vec![Expression::Payload {
            base: NETWORK_HEADER,
            offset: IPV4_DESTINATION,
            length: 4,
            to: address,
        }]
    };
    let port = |protocol, port| {
        vec![
            Expression::protocol(protocol),
            Expression::Payload {
                base: TRANSPORT_HEADER,
                offset: PORT_DESTINATION,
                length: 2,
                to: port,
            },
        ]
    };
    let lead = |map: &str| {
        vec![
            Expression::Map { register: A, map: map.to_owned(), to: A },
            Expression::Nat(Nat::Destination4 { address: A, port: B }),
        ]
    };
    let ipv4 = vec![Expression::family(A), Expression::equals(A, [IPV4])];
    let here =
        vec![Expression::DestinationType { to: A }, Expression::equals(A, LOCAL.to_ne_bytes())];
    let one = [address(A), port(B, C), lead(PORTS_OF_ADDRESS)].concat();
    let every = [here, port(A, B), lead(PORTS)].concat();
    let not_loopback = loopback(IPV4_DESTINATION, false);
    vec![
        ("destinations", [not_loopback.clone(), one.clone()].concat()),
        ("destinations", [not_loopback, every.clone()].concat()),
        ("local", [ipv4.clone(), one].concat()),
        ("local", [ipv4, every].concat()),
    ]
}

fn forward(closes_the_rest: bool) -> Vec<Rule> {
    let from = |set| vec![Expression::input_device(A), within(set, A)];
    let to = |set| vec![Expression::output_device(A), within(set, A)];
    let user = || vec![Expression::Verdict(Verdict::Jump(USER.to_owned()))];
    let accept = || vec![Expression::Verdict(Verdict::Accept)];
    let known = bits(CONNECTION_STATE, ESTABLISHED_OR_RELATED);
    // Both names, four registers each.
    let same = vec![
        Expression::input_device(A),
        Expression::output_device(Register::E),
        within(WITHIN, A),
    ];
    let published = bits(CONNECTION_STATUS, DESTINATION_CHANGED);
    let not_open = Expression::Lookup { register: A, set: OPEN.to_owned(), inverted: true };
    let mut rules = vec![
        [from(BRIDGES), user()].concat(),
        [to(BRIDGES), user()].concat(),
        [from(BRIDGES), known.clone(), accept()].concat(),
        [to(BRIDGES), known, accept()].concat(),
        [same, accept()].concat(),
        // Before the published ports: who calls one by its own gateway's address would be led out of an internal network.
        [from(BRIDGES), vec![not_open, drop_it()]].concat(),
        [to(OPEN), published, accept()].concat(),
        [to(BRIDGES), vec![drop_it()]].concat(),
        [from(OPEN), accept()].concat(),
    ];
    if closes_the_rest {
        // Other engines' containers lie behind bridges, too: those are not ours to cut off.
        let no_bridge = |kind| {
            let mut word = b"bridge".to_vec();
            word.resize(16, 0);
            let comparison = Comparison::NotEqual;
            [
                Expression::Meta { key: kind, to: A },
                Expression::Compare { register: A, comparison, value: word },
            ]
        };
        let (input, output) = (no_bridge(INPUT_KIND), no_bridge(OUTPUT_KIND));
        // Whether the host routes IPv6 is not this daemon's doing.
        let ipv4 = [Expression::family(A), Expression::equals(A, [IPV4])];
        rules.push([&ipv4[..], &input[..], &output[..], &[drop_it()]].concat());
    }
    rules.into_iter().map(|rule| ("forward", rule)).collect()
}

fn sources() -> Vec<Rule> {
    let masquerade = || vec![Expression::Nat(Nat::Masquerade)];
    let ipv4 = || vec![Expression::family(A), Expression::equals(A, [IPV4])];
    let from_open = || vec![Expression::input_device(A), within(OPEN, A)];
    let out = vec![
        Expression::output_device(A),
        Expression::Lookup { register: A, set: BRIDGES.to_owned(), inverted: true },
    ];
    let to_bridge = || vec![Expression::output_device(A), within(BRIDGES, A)];
    let from_neighbour = vec![
        Expression::Payload { base: NETWORK_HEADER, offset: IPV4_SOURCE, length: 4, to: A },
        within(SUBNETS, A),
    ];
    let published = bits(CONNECTION_STATUS, DESTINATION_CHANGED);
    [
        [ipv4(), from_open(), out, masquerade()].concat(),
        [loopback(IPV4_SOURCE, true), to_bridge(), masquerade()].concat(),
        // Not by the device that it came by: where bridges show their packets to the filter, that is not known here.
        [ipv4(), from_neighbour, to_bridge(), published, masquerade()].concat(),
    ]
    .into_iter()
    .map(|rule| ("sources", rule))
    .collect()
}

fn within(set: &str, register: Register) -> Expression {
    Expression::Lookup { register, set: set.to_owned(), inverted: false }
}

fn drop_it() -> Expression {
    Expression::Verdict(Verdict::Drop)
}

/// IPv4 packets with (or without) an address of 127.0.0.0/8 at this place.
fn loopback(offset: u32, is: bool) -> Vec<Expression> {
    vec![
        Expression::family(A),
        Expression::equals(A, [IPV4]),
        Expression::Payload { base: NETWORK_HEADER, offset, length: 1, to: A },
        Expression::Compare {
            register: A,
            comparison: if is { Comparison::Equal } else { Comparison::NotEqual },
            value: vec![127],
        },
    ]
}

/// Packets whose connection has one of these bits.
fn bits(key: u32, mask: u32) -> Vec<Expression> {
    vec![
        Expression::Connection { key, to: A },
        Expression::And { register: A, mask: mask.to_ne_bytes().to_vec() },
        Expression::Compare { register: A, comparison: Comparison::NotEqual, value: vec![0; 4] },
    ]
}
