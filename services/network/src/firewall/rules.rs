//! The rules of the table: a constant number whatever ports there are, and a few for each network.

use std::net::IpAddr;

use gantry_netlink::nftables::{Base, Comparison, Expression, Hook, Nat, Register, Verdict};
use ipnet::IpNet;

use super::{
    APART, BRIDGES, FORWARDED, Family, IPV4, IPV6, OPEN, RECEIVED, RELAYED, USER, device_key,
};
use crate::forwarding::Closed;

/// `NFT_META_IIFKIND`, `NFT_META_OIFKIND`.
const INPUT_KIND: u32 = 26;
const OUTPUT_KIND: u32 = 27;
const CONNECTION_STATE: u32 = 0;
const CONNECTION_DIRECTION: u32 = 1;
const CONNECTION_STATUS: u32 = 2;
/// `IP_CT_DIR_REPLY`.
const REPLY: u8 = 1;
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

/// Chains that others go on in, and what they are for.
const LED: &str = "led";
const RELAYED_IN: &str = "relayed-in";
const OUTWARDS: &str = "outwards";
const INWARDS: &str = "inwards";
const ROUTED: &str = "into-routed";
const CALLERS: &str = "callers";
const CALLED: &str = "called";
const STRANGERS: &str = "strangers";

/// Of earlier versions.
pub(super) const PREROUTING: (&str, Base) =
    ("prerouting", Base { kind: "filter", hook: Hook::Prerouting, priority: -300 });

pub(super) fn chains() -> [(&'static str, Option<Base>); 13] {
    let base = |kind, hook, priority| Some(Base { kind, hook, priority });
    [
        (LED, None),
        (RELAYED_IN, None),
        (OUTWARDS, None),
        (INWARDS, None),
        (ROUTED, None),
        (CALLERS, None),
        (CALLED, None),
        (STRANGERS, None),
        ("destinations", base("nat", Hook::Prerouting, -100)),
        ("local", base("nat", Hook::Output, -100)),
        ("input", base("filter", Hook::Input, 0)),
        ("forward", base("filter", Hook::Forward, 0)),
        ("sources", base("nat", Hook::Postrouting, 100)),
    ]
}

/// Every packet of the host meets these, those of connections that are known long since as well: what leaves most of them alone comes
/// first, and one look-up decides between networks' packets and others.
pub(super) fn rules(closed: Closed) -> Vec<Rule> {
    let chain = |name, rules: Vec<Vec<Expression>>| rules.into_iter().map(move |it| (name, it));
    let mut rules = Vec::new();
    rules.extend(chain("destinations", destinations()));
    rules.extend(chain("local", local()));
    rules.extend(chain(LED, led()));
    rules.extend(input());
    rules.extend(chain("forward", forward(closed)));
    rules.extend(chain(OUTWARDS, outwards()));
    rules.extend(chain(INWARDS, inwards()));
    rules.extend(chain(ROUTED, into_routed()));
    rules.extend(chain(STRANGERS, strangers()));
    rules.extend(sources());
    rules
}

/// A subnet of a network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    pub(super) subnet: IpNet,
    /// The address in it that may be the host's.
    pub(super) gateway: Option<IpAddr>,
    /// Whether the host has a way there; else its containers reach only one another.
    pub(super) leads_out: bool,
}

/// The chains of one network: what its containers send to others, and what they send to the host itself. Of the subnets' addresses it is
/// plain that they are nobody else's; the rest of this table's rules is for all networks.
pub(super) fn of_network(device: &str, icc: bool, subnets: &[Own]) -> [Vec<Vec<Expression>>; 2] {
    let to_itself =
        || vec![Expression::output_device(A), Expression::equals(A, device_key(device))];
    let open = || subnets.iter().filter(|it| it.leads_out);
    let mut forwarded = vec![user()];
    if icc {
        // Whatever their source: only where bridges show their packets to the filter could it tell that one is pretended.
        forwarded.push([to_itself(), accept()].concat());
    }
    forwarded.extend(open().map(|it| [lies_in(*it), go_on(OUTWARDS)].concat()));
    forwarded.extend([jump(STRANGERS), go_on(OUTWARDS)]);
    // Nobody there may seek the host's loopback; answers to the host's own calls are led back to it.
    let answers = vec![
        Expression::Connection { key: CONNECTION_DIRECTION, to: A },
        Expression::equals(A, [REPLY]),
    ];
    let mut received = vec![
        [loopback(IPV4.destination()), answers, accept()].concat(),
        [loopback(IPV4.destination()), vec![drop_it()]].concat(),
    ];
    received.extend(open().map(|it| [lies_in(*it), go_on(CALLED)].concat()));
    received.extend([jump(STRANGERS), go_on(CALLED)]);
    [forwarded, received]
}

/// Who is none of the network's own containers must be behind one of them.
fn strangers() -> Vec<Vec<Expression>> {
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
    vec![[only(&IPV4), pretended()].concat(), [only(&IPV6), has_source, pretended()].concat()]
}

/// Loopback is the host's own business: what comes in for 127.0.0.1 meets no published port. No device but the one that it was sent by
/// knows a way back to a link-local address, and none to `::1`: those are relayed.
fn destinations() -> Vec<Vec<Expression>> {
    vec![
        [not_here(), accept()].concat(),
        [from(APART), accept()].concat(),
        [loopback(IPV4.destination()), accept()].concat(),
        [only(&IPV6), link_local(source(&IPV6)), accept()].concat(),
        go_on(LED),
    ]
}

fn local() -> Vec<Vec<Expression>> {
    let to_own = vec![destination(&IPV6), Expression::equals(A, one())];
    vec![
        [not_here(), accept()].concat(),
        [only(&IPV6), link_local(source(&IPV6)), accept()].concat(),
        [only(&IPV6), to_own, accept()].concat(),
        go_on(LED),
    ]
}

/// New connections to the host itself.
fn led() -> Vec<Vec<Expression>> {
    let one4 = [vec![destination(&IPV4)], port(B, C), lead(&IPV4, IPV4.ports_of_address)].concat();
    let every4 = [port(A, B), lead(&IPV4, IPV4.ports)].concat();
    let one6 = [vec![destination(&IPV6)], port(E, F), lead(&IPV6, IPV6.ports_of_address)].concat();
    let every6 = [port(A, B), lead(&IPV6, IPV6.ports)].concat();
    vec![
        [only(&IPV4), one4].concat(),
        [only(&IPV4), every4].concat(),
        [only(&IPV6), one6].concat(),
        [only(&IPV6), every6].concat(),
    ]
}

/// Ports that are relayed by this process: its own packets to the container have the host for their source.
fn input() -> Vec<Rule> {
    let relayed = [port(A, B), vec![within(RELAYED, A)]].concat();
    vec![
        ("input", dispatch(RECEIVED)),
        ("input", go_on(CALLED)),
        (CALLED, [relayed, go_on(RELAYED_IN)].concat()),
        (RELAYED_IN, [from(BRIDGES), not_from(OPEN), vec![drop_it()]].concat()),
        (RELAYED_IN, user()),
    ]
}

fn forward(closed: Closed) -> Vec<Vec<Expression>> {
    let mut rules = vec![dispatch(FORWARDED), [to(BRIDGES), go_on(INWARDS)].concat()];
    for (family, is_closed) in [(&IPV4, closed.ipv4), (&IPV6, closed.ipv6)] {
        if is_closed {
            // Other engines' containers lie behind bridges, too: those are not ours to cut off.
            let others = [no_bridge(INPUT_KIND), no_bridge(OUTPUT_KIND)].concat();
            rules.push([only(family), others, vec![drop_it()]].concat());
        }
    }
    rules
}

/// What comes out of networks, and has met the user's chain.
fn outwards() -> Vec<Vec<Expression>> {
    vec![
        [known(), accept()].concat(),
        // Before the published ports: who calls one by its own gateway's address would be led out of an internal network.
        [not_from(OPEN), vec![drop_it()]].concat(),
        [not_to(BRIDGES), accept()].concat(),
        [to(OPEN), published(), accept()].concat(),
        jump(ROUTED),
        vec![drop_it()],
    ]
}

/// What goes into them from elsewhere.
fn inwards() -> Vec<Vec<Expression>> {
    let pretended = |family| {
        [only(family), vec![source(family), within(family.subnets, A), drop_it()]].concat()
    };
    vec![
        user(),
        [known(), accept()].concat(),
        pretended(&IPV4),
        pretended(&IPV6),
        [to(OPEN), published(), accept()].concat(),
        [only(&IPV4), to(IPV4.unprotected), accept()].concat(),
        [only(&IPV6), to(IPV6.unprotected), accept()].concat(),
        jump(ROUTED),
        vec![drop_it()],
    ]
}

fn into_routed() -> Vec<Vec<Expression>> {
    let mut rules = Vec::new();
    for (family, icmp) in [(&IPV4, ICMP), (&IPV6, ICMPV6)] {
        let is_icmp = vec![Expression::protocol(A), Expression::equals(A, [icmp])];
        let behind = if family.number == IPV4.number { (B, C) } else { (E, F) };
        let ports = [
            vec![destination(family)],
            port(behind.0, behind.1),
            vec![within(family.routed_ports, A)],
        ]
        .concat();
        rules.extend([
            [only(family), to(family.routed), is_icmp, accept()].concat(),
            [only(family), to(family.routed), ports, accept()].concat(),
        ]);
    }
    rules
}

fn sources() -> Vec<Rule> {
    let masquerade = || vec![Expression::Nat(Nat::Masquerade)];
    let mut rules = vec![
        ("sources", [to(BRIDGES), go_on(CALLERS)].concat()),
        (CALLERS, [loopback(IPV4.source()), masquerade()].concat()),
    ];
    for family in [&IPV4, &IPV6] {
        let from_neighbour = vec![source(family), within(family.subnets, A)];
        rules.extend([
            ("sources", [only(family), from(family.masqueraded), masquerade()].concat()),
            // Not by the device that it came by: where bridges show their packets to the filter, that is not known here.
            (CALLERS, [published(), only(family), from_neighbour, masquerade()].concat()),
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

fn not_to(set: &str) -> Vec<Expression> {
    let set = set.to_owned();
    vec![Expression::output_device(A), Expression::Lookup { register: A, set, inverted: true }]
}

fn user() -> Vec<Expression> {
    jump(USER)
}

fn jump(chain: &str) -> Vec<Expression> {
    vec![Expression::Verdict(Verdict::Jump(chain.to_owned()))]
}

fn go_on(chain: &str) -> Vec<Expression> {
    vec![Expression::Verdict(Verdict::Goto(chain.to_owned()))]
}

/// By the device that it came by.
fn dispatch(map: &str) -> Vec<Expression> {
    vec![Expression::input_device(A), Expression::Dispatch { register: A, map: map.to_owned() }]
}

fn accept() -> Vec<Expression> {
    vec![Expression::Verdict(Verdict::Accept)]
}

/// Connections that were let through before.
fn known() -> Vec<Expression> {
    bits(CONNECTION_STATE, ESTABLISHED_OR_RELATED)
}

/// Connections to published ports.
fn published() -> Vec<Expression> {
    bits(CONNECTION_STATUS, DESTINATION_CHANGED)
}

/// Packets for others than the host itself.
fn not_here() -> Vec<Expression> {
    vec![Expression::DestinationType { to: A }, unlike(A, LOCAL.to_ne_bytes().to_vec())]
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

/// IPv4 packets with an address of 127.0.0.0/8 at this place.
fn loopback((offset, _): (u32, u32)) -> Vec<Expression> {
    let first = Expression::Payload { base: NETWORK_HEADER, offset, length: 1, to: A };
    [only(&IPV4), vec![first, Expression::equals(A, [127])]].concat()
}

/// Whether the source is one of a subnet, and not the gateway's, whom only a look at the routes can tell from the host.
fn lies_in(Own { subnet, gateway, .. }: Own) -> Vec<Expression> {
    let family = Family::of(subnet.addr());
    let bytes = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mask = bytes(subnet.netmask());
    let is_another = gateway.map(|it| unlike(A, bytes(it)));
    let mut steps = [only(family), vec![source(family)]].concat();
    steps.extend(is_another);
    steps.push(Expression::And { register: A, mask });
    steps.push(Expression::equals(A, bytes(subnet.network())));
    steps
}

/// Whether an address is one of `fe80::/10`.
fn link_local(address: Expression) -> Vec<Expression> {
    let mut mask = vec![0xff, 0xc0];
    mask.resize(16, 0);
    let mut value = vec![0xfe, 0x80];
    value.resize(16, 0);
    vec![address, Expression::And { register: A, mask }, Expression::equals(A, value)]
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
