//! The rules of the table: a constant number, whatever networks and ports there are.

use gantry_netlink::nftables::{Base, Comparison, Expression, Hook, Nat, Register, Verdict};

use super::{APART, BRIDGES, Family, IPV4, IPV6, OPEN, RELAYED, USER, WITHIN};
use crate::forwarding::Closed;

/// `NFT_META_IIFKIND`, `NFT_META_OIFKIND`.
const INPUT_KIND: u32 = 26;
const OUTPUT_KIND: u32 = 27;
const CONNECTION_STATE: u32 = 0;
const CONNECTION_STATUS: u32 = 2;
const ESTABLISHED_OR_RELATED: u32 = 6;
/// `IPS_DST_NAT`.
const DESTINATION_CHANGED: u32 = 0x20;
/// `RTN_LOCAL`.
const LOCAL: u32 = 2;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const PORT_DESTINATION: u32 = 2;
/// `IPPROTO_ICMP`, `IPPROTO_ICMPV6`.
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

const A: Register = Register::A;
const B: Register = Register::B;
const C: Register = Register::C;
const E: Register = Register::E;
const F: Register = Register::F;

/// A chain, and the steps of a rule in it.
type Rule = (&'static str, Vec<Expression>);

pub(super) fn chains() -> [(&'static str, Base); 6] {
    let base = |kind, hook, priority| Base { kind, hook, priority };
    [
        ("prerouting", base("filter", Hook::Prerouting, -300)),
        ("destinations", base("nat", Hook::Prerouting, -100)),
        ("local", base("nat", Hook::Output, -100)),
        ("input", base("filter", Hook::Input, 0)),
        ("forward", base("filter", Hook::Forward, 0)),
        ("sources", base("nat", Hook::Postrouting, 100)),
    ]
}

pub(super) fn rules(closed: Closed) -> Vec<Rule> {
    let chain = |name, rules: Vec<Vec<Expression>>| rules.into_iter().map(move |it| (name, it));
    let mut rules = Vec::new();
    rules.extend(chain("prerouting", prerouting()));
    rules.extend(destinations());
    rules.extend(chain("input", input()));
    rules.extend(chain("forward", forward(closed)));
    rules.extend(chain("sources", sources()));
    rules
}

fn prerouting() -> Vec<Vec<Expression>> {
    let pretended = || {
        vec![
            // Without a way back through the device that it came by, the source is somebody else's.
            Expression::ReversePath { to: A },
            Expression::equals(A, 0_u32.to_ne_bytes()),
            drop_it(),
        ]
    };
    // Who looks whether his address is unique has none yet.
    let has_source = vec![source(&IPV6), unlike(A, vec![0; 16])];
    vec![
        [from(BRIDGES), loopback(IPV4.destination(), true), vec![drop_it()]].concat(),
        [from(BRIDGES), only(&IPV4), pretended()].concat(),
        [from(BRIDGES), only(&IPV6), has_source, pretended()].concat(),
    ]
}

/// Loopback is the host's own business: what comes in for 127.0.0.1 meets no published port.
fn destinations() -> Vec<Rule> {
    let here =
        vec![Expression::DestinationType { to: A }, Expression::equals(A, LOCAL.to_ne_bytes())];
    let one4 = [vec![destination(&IPV4)], port(B, C), lead(&IPV4, IPV4.ports_of_address)].concat();
    let every4 = [here.clone(), port(A, B), lead(&IPV4, IPV4.ports)].concat();
    let one6 = [vec![destination(&IPV6)], port(E, F), lead(&IPV6, IPV6.ports_of_address)].concat();
    let every6 = [here, port(A, B), lead(&IPV6, IPV6.ports)].concat();
    let not_loopback = [not_from(APART), loopback(IPV4.destination(), false)].concat();
    // No device but the one that it was sent by knows a way back to a link-local address, and none to ::1: those are relayed.
    let not_link = [only(&IPV6), link_local(source(&IPV6), Comparison::NotEqual)].concat();
    let not_own = vec![destination(&IPV6), unlike(A, one())];
    let into6 = [not_from(APART), not_link.clone()].concat();
    vec![
        ("destinations", [not_loopback.clone(), one4.clone()].concat()),
        ("destinations", [not_loopback, every4.clone()].concat()),
        ("destinations", [into6.clone(), one6.clone()].concat()),
        ("destinations", [into6, every6.clone()].concat()),
        ("local", [only(&IPV4), one4].concat()),
        ("local", [only(&IPV4), every4].concat()),
        ("local", [not_link.clone(), not_own.clone(), one6].concat()),
        ("local", [not_link, not_own, every6].concat()),
    ]
}

/// Ports that are relayed by this process: its own packets to the container have the host for their source.
fn input() -> Vec<Vec<Expression>> {
    let relayed = [port(A, B), vec![within(RELAYED, A)]].concat();
    vec![
        [relayed.clone(), from(BRIDGES), not_from(OPEN), vec![drop_it()]].concat(),
        [relayed, user()].concat(),
    ]
}

fn forward(closed: Closed) -> Vec<Vec<Expression>> {
    let accept = || vec![Expression::Verdict(Verdict::Accept)];
    let known = bits(CONNECTION_STATE, ESTABLISHED_OR_RELATED);
    // Both names, four registers each.
    let same = vec![Expression::input_device(A), Expression::output_device(E), within(WITHIN, A)];
    let published = bits(CONNECTION_STATUS, DESTINATION_CHANGED);
    let mut rules = vec![
        [from(BRIDGES), user()].concat(),
        [to(BRIDGES), user()].concat(),
        [from(BRIDGES), known.clone(), accept()].concat(),
        [to(BRIDGES), known, accept()].concat(),
        [same, accept()].concat(),
        // Before the published ports: who calls one by its own gateway's address would be led out of an internal network.
        [from(BRIDGES), not_from(OPEN), vec![drop_it()]].concat(),
        [to(OPEN), published, accept()].concat(),
    ];
    for (family, icmp) in [(&IPV4, ICMP), (&IPV6, ICMPV6)] {
        let is_icmp = vec![Expression::protocol(A), Expression::equals(A, [icmp])];
        let behind = if family.number == IPV4.number { (B, C) } else { (E, F) };
        let routed = [
            vec![destination(family)],
            port(behind.0, behind.1),
            vec![within(family.routed_ports, A)],
        ]
        .concat();
        rules.extend([
            [only(family), to(family.unprotected), not_from(BRIDGES), accept()].concat(),
            [only(family), to(family.routed), is_icmp, accept()].concat(),
            [only(family), to(family.routed), routed, accept()].concat(),
        ]);
    }
    rules.extend([[to(BRIDGES), vec![drop_it()]].concat(), [from(OPEN), accept()].concat()]);
    for (family, is_closed) in [(&IPV4, closed.ipv4), (&IPV6, closed.ipv6)] {
        if is_closed {
            // Other engines' containers lie behind bridges, too: those are not ours to cut off.
            let others = [no_bridge(INPUT_KIND), no_bridge(OUTPUT_KIND)].concat();
            rules.push([only(family), others, vec![drop_it()]].concat());
        }
    }
    rules
}

fn sources() -> Vec<Vec<Expression>> {
    let masquerade = || vec![Expression::Nat(Nat::Masquerade)];
    let published = bits(CONNECTION_STATUS, DESTINATION_CHANGED);
    let out = vec![
        Expression::output_device(A),
        Expression::Lookup { register: A, set: BRIDGES.to_owned(), inverted: true },
    ];
    let mut rules = vec![[loopback(IPV4.source(), true), to(BRIDGES), masquerade()].concat()];
    for family in [&IPV4, &IPV6] {
        let from_neighbour = vec![source(family), within(family.subnets, A)];
        let is_published = published.clone();
        rules.extend([
            [only(family), from(family.masqueraded), out.clone(), masquerade()].concat(),
            // Not by the device that it came by: where bridges show their packets to the filter, that is not known here.
            [only(family), from_neighbour, to(BRIDGES), is_published, masquerade()].concat(),
        ]);
    }
    rules
}

impl Family {
    /// Where the addresses are in the network header, and how long they are.
    fn source(&self) -> (u32, u32) {
        if self.number == IPV4.number { (12, 4) } else { (8, 16) }
    }

    fn destination(&self) -> (u32, u32) {
        if self.number == IPV4.number { (16, 4) } else { (24, 16) }
    }
}

fn source(family: &Family) -> Expression {
    let (offset, length) = family.source();
    Expression::Payload { base: NETWORK_HEADER, offset, length, to: A }
}

fn destination(family: &Family) -> Expression {
    let (offset, length) = family.destination();
    Expression::Payload { base: NETWORK_HEADER, offset, length, to: A }
}

/// The protocol and the destination's port.
fn port(protocol: Register, port: Register) -> Vec<Expression> {
    let offset = PORT_DESTINATION;
    vec![
        Expression::protocol(protocol),
        Expression::Payload { base: TRANSPORT_HEADER, offset, length: 2, to: port },
    ]
}

fn lead(family: &Family, map: &str) -> Vec<Expression> {
    let nat = if family.number == IPV4.number {
        Nat::Destination4 { address: A, port: B }
    } else {
        Nat::Destination6 { address: A, port: E }
    };
    vec![Expression::Map { register: A, map: map.to_owned(), to: A }, Expression::Nat(nat)]
}

fn only(family: &Family) -> Vec<Expression> {
    vec![Expression::family(A), Expression::equals(A, [family.number])]
}

fn from(set: &str) -> Vec<Expression> {
    vec![Expression::input_device(A), within(set, A)]
}

fn not_from(set: &str) -> Vec<Expression> {
    let set = set.to_owned();
    vec![Expression::input_device(A), Expression::Lookup { register: A, set, inverted: true }]
}

fn to(set: &str) -> Vec<Expression> {
    vec![Expression::output_device(A), within(set, A)]
}

fn user() -> Vec<Expression> {
    vec![Expression::Verdict(Verdict::Jump(USER.to_owned()))]
}

fn within(set: &str, register: Register) -> Expression {
    Expression::Lookup { register, set: set.to_owned(), inverted: false }
}

fn unlike(register: Register, value: Vec<u8>) -> Expression {
    Expression::Compare { register, comparison: Comparison::NotEqual, value }
}

fn drop_it() -> Expression {
    Expression::Verdict(Verdict::Drop)
}

/// IPv4 packets with (or without) an address of 127.0.0.0/8 at this place.
fn loopback((offset, _): (u32, u32), is: bool) -> Vec<Expression> {
    let comparison = if is { Comparison::Equal } else { Comparison::NotEqual };
    let mut steps = only(&IPV4);
    steps.extend([
        Expression::Payload { base: NETWORK_HEADER, offset, length: 1, to: A },
        Expression::Compare { register: A, comparison, value: vec![127] },
    ]);
    steps
}

/// Whether an address is one of `fe80::/10`.
fn link_local(address: Expression, comparison: Comparison) -> Vec<Expression> {
    let mut mask = vec![0xff, 0xc0];
    mask.resize(16, 0);
    let mut value = vec![0xfe, 0x80];
    value.resize(16, 0);
    vec![
        address,
        Expression::And { register: A, mask },
        Expression::Compare { register: A, comparison, value },
    ]
}

/// `::1`.
fn one() -> Vec<u8> {
    let mut address = vec![0; 16];
    address[15] = 1;
    address
}

fn no_bridge(kind: u32) -> Vec<Expression> {
    let mut word = b"bridge".to_vec();
    word.resize(16, 0);
    vec![Expression::Meta { key: kind, to: A }, unlike(A, word)]
}

/// Packets whose connection has one of these bits.
fn bits(key: u32, mask: u32) -> Vec<Expression> {
    vec![
        Expression::Connection { key, to: A },
        Expression::And { register: A, mask: mask.to_ne_bytes().to_vec() },
        unlike(A, vec![0; 4]),
    ]
}
