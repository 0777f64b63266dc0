//! The packet filter's table of this daemon. Nobody else's rules are touched, and the chain `user` is the user's: it is never written
//! to, and every packet to or from a container, and to a published port that is relayed, meets it first.
//!
//! ```text
//! destinations  nat       published ports, of packets that come in
//! local         nat       published ports, of the host's own packets
//! input         filter    nothing from a container may pretend to be another network's, or go to the host's loopback; user, and
//!                         nothing from internal networks, for published ports that are relayed
//! forward       filter    user; within a network; nothing from a container may pretend to be another network's; what was let through
//!                         before; published ports, but not from internal networks; networks that are not protected; out of
//!                         networks; nothing else in or between. What comes out of a network goes on in the chain outwards, what goes
//!                         into one from elsewhere in the chain inwards
//! sources       nat       containers that go out, loopback that comes in, and who calls a neighbour by the host's port
//! ```
//!
//! The rules are in `rules`; what their sets hold is here.

pub(crate) mod needs;
mod rules;

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use gantry_netlink::Request;
use gantry_netlink::nftables::{Element, Expression, KeyType, Set, SetKind, Table, Verdict};
use ipnet::IpNet;

use crate::endpoint::Endpoint;
use crate::forwarding::Closed;
use crate::network::Network;
use crate::options::GatewayMode;
use crate::ports::{PortProtocol, Published};

/// How many networks may have a bridge. The sets that every packet meets take sixteen bytes for each that there may be.
pub(crate) const BRIDGE_LIMIT: u32 = 4096;
/// The user's own chain.
pub(crate) const USER: &str = "user";

/// Devices of networks.
const BRIDGES: &str = "bridges";
/// Devices of networks with a way out.
const OPEN: &str = "open";
/// From devices of networks to the chains of each: what is sent to others, and to the host itself.
const FORWARDED: &str = "forwarded";
const RECEIVED: &str = "received";
/// Devices of networks where neighbours don't reach one another. Their calls to published ports are relayed: where bridges show their packets to the filter, it
/// would lead them from neighbour to neighbour, which is not to be.
const APART: &str = "apart";
/// Ports that are relayed.
const RELAYED: &str = "relayed";
/// The sets that there are for each family.
const IPV4: Family = Family {
    number: 2,
    address: KeyType::Ipv4Address,
    subnets: "subnets",
    masqueraded: "masqueraded",
    unprotected: "unprotected",
    routed: "routed",
    routed_ports: "routed-ports",
    ports: "ports",
    ports_of_address: "ports-of-address",
};
const IPV6: Family = Family {
    number: 10,
    address: KeyType::Ipv6Address,
    subnets: "subnets6",
    masqueraded: "masqueraded6",
    unprotected: "unprotected6",
    routed: "routed6",
    routed_ports: "routed-ports6",
    ports: "ports6",
    ports_of_address: "ports-of-address6",
};

struct Family {
    /// `NFPROTO_`.
    number: u8,
    address: KeyType,
    /// What networks' containers have for addresses.
    subnets: &'static str,
    /// Devices whose containers go out under the host's address.
    masqueraded: &'static str,
    /// Devices whose containers are reached by their own addresses.
    unprotected: &'static str,
    /// Devices whose containers are reached so by published ports only.
    routed: &'static str,
    /// Those.
    routed_ports: &'static str,
    /// Published on every address of the host.
    ports: &'static str,
    /// Published on one.
    ports_of_address: &'static str,
}

impl Family {
    fn of(address: IpAddr) -> &'static Self {
        if address.is_ipv4() { &IPV4 } else { &IPV6 }
    }

    fn sets(&self) -> [Set; 7] {
        use KeyType::{DeviceName, Port, Protocol};
        let address = self.address;
        let map = |name, keys: &[KeyType]| Set {
            name,
            kind: SetKind::Map(keys.to_vec(), vec![address, Port]),
            limit: None,
        };
        [
            Set { name: self.subnets, kind: SetKind::Intervals(address), limit: None },
            keys(self.masqueraded, &[DeviceName]),
            keys(self.unprotected, &[DeviceName]),
            keys(self.routed, &[DeviceName]),
            keys(self.routed_ports, &[address, Protocol, Port]),
            map(self.ports, &[Protocol, Port]),
            map(self.ports_of_address, &[address, Protocol, Port]),
        ]
    }
}

fn keys(name: &'static str, keys: &[KeyType]) -> Set {
    Set { name, kind: SetKind::Keys(keys.to_vec()), limit: None }
}

/// One that every packet meets.
fn of_devices(name: &'static str, kind: SetKind) -> Set {
    Set { name, kind, limit: Some(BRIDGE_LIMIT) }
}

fn sets() -> Vec<Set> {
    use KeyType::{DeviceName, Port, Protocol};
    let mut sets = vec![
        of_devices(BRIDGES, SetKind::Keys(vec![DeviceName])),
        keys(OPEN, &[DeviceName]),
        keys(APART, &[DeviceName]),
        keys(RELAYED, &[Protocol, Port]),
        of_devices(FORWARDED, SetKind::Verdicts(DeviceName)),
        of_devices(RECEIVED, SetKind::Verdicts(DeviceName)),
    ];
    sets.extend([IPV4, IPV6].iter().flat_map(Family::sets));
    sets
}

/// Makes the table with its rules, in place of those that an earlier daemon left. What sets hold is made anew, too: `networks` and
/// `endpoints` are all that there are; of the unusable networks nothing stays.
pub(crate) fn lay_out<'a>(
    table: &Table,
    (networks, unusable): (impl Iterator<Item = &'a Network>, impl Iterator<Item = &'a Network>),
    endpoints: impl Iterator<Item = &'a Endpoint>,
    closed: Closed,
) -> Vec<Request> {
    let mut requests = vec![table.add()];
    for set in sets() {
        requests.push(table.add_set(&set));
        requests.push(table.flush_set(set.name));
    }
    let (earlier, base) = rules::PREROUTING;
    requests.extend([table.add_chain(earlier, Some(base)), table.remove_chain(earlier)]);
    requests.push(table.add_chain(USER, None));
    for (name, base) in rules::chains() {
        requests.push(table.add_chain(name, base));
        requests.push(table.flush_chain(name));
    }
    for (chain, rule) in rules::rules(closed) {
        requests.push(table.add_rule(chain, &rule));
    }
    networks.for_each(|network| requests.extend(admit(table, network)));
    for (chain, _) in unusable.flat_map(own_chains) {
        requests.extend([table.add_chain(&chain, None), table.remove_chain(&chain)]);
    }
    requests.extend(change_ports(endpoints, |set, elements| table.add_elements(set, elements)));
    requests
}

/// Lets a network's packets through.
pub(crate) fn admit(table: &Table, network: &Network) -> Vec<Request> {
    let mut requests = Vec::new();
    for (chain, rules) in own_chains(network) {
        requests.extend([table.add_chain(&chain, None), table.flush_chain(&chain)]);
        requests.extend(rules.iter().map(|rule| table.add_rule(&chain, rule)));
    }
    requests.extend(change_devices(network, |set, elements| table.add_elements(set, elements)));
    requests
}

/// The opposite of [`admit`].
pub(crate) fn exclude(table: &Table, network: &Network) -> Vec<Request> {
    let mut requests =
        change_devices(network, |set, elements| table.remove_elements(set, elements));
    requests.extend(own_chains(network).iter().map(|(chain, _)| table.remove_chain(chain)));
    requests
}

/// The chains of one network, with their rules.
fn own_chains(network: &Network) -> Vec<(String, Vec<Vec<Expression>>)> {
    let Some(bridge) = &network.bridge else { return Vec::new() };
    let own = |subnet: IpNet, gateway, mode| rules::Own {
        subnet,
        gateway,
        leads_out: mode != GatewayMode::Isolated,
    };
    let options = &bridge.options;
    let subnets4 = network
        .subnets4()
        .map(|it| own(it.subnet.into(), it.gateway.map(IpAddr::V4), options.gateway_mode4));
    let subnets6 = network
        .subnets6()
        .map(|it| own(it.subnet.into(), it.gateway.map(IpAddr::V6), options.gateway_mode6));
    let subnets: Vec<_> = subnets4.chain(subnets6).collect();
    let rules = rules::of_network(&bridge.device, bridge.options.icc, &subnets);
    own_names(&bridge.device).into_iter().zip(rules).collect()
}

/// What they are called: for what is forwarded, and for what the host itself receives.
fn own_names(device: &str) -> [String; 2] {
    [format!("from-{device}"), format!("to-host-{device}")]
}

/// Leads an endpoint's published ports to it.
pub(crate) fn publish(table: &Table, endpoint: &Endpoint) -> Vec<Request> {
    change_ports([endpoint], |set, elements| table.add_elements(set, elements))
}

/// The opposite of [`publish`]. What `others`, who are published, need as well stays.
pub(crate) fn unpublish<'a>(
    table: &Table,
    endpoint: &Endpoint,
    others: impl Iterator<Item = &'a Endpoint>,
) -> Vec<Request> {
    let gone = without(endpoint, others);
    change_ports([endpoint], |set, elements| table.remove_elements(set, &gone(set, elements)))
}

/// [`unpublish`] where somebody else took ports out already: one that is missing would keep the others where they are, so all are put in
/// before.
pub(crate) fn unpublish_what_is_left<'a>(
    table: &Table,
    endpoint: &Endpoint,
    others: impl Iterator<Item = &'a Endpoint>,
) -> Vec<Request> {
    let gone = without(endpoint, others);
    change_ports([endpoint], |set, elements| {
        let gone = gone(set, elements);
        let mut requests = table.add_elements(set, &gone);
        requests.extend(table.remove_elements(set, &gone));
        requests
    })
}

/// What goes of an endpoint's elements. Only relayed ports are told apart by nothing but their number, which another one may have on
/// another address.
fn without<'a>(
    endpoint: &Endpoint,
    others: impl Iterator<Item = &'a Endpoint>,
) -> impl Fn(&'static str, &[Element]) -> Vec<Element> {
    let own: HashSet<_> = endpoint.ports.iter().map(|it| (it.protocol, it.host_port)).collect();
    let others = others.filter(|other| other.id != endpoint.id);
    let theirs = others.flat_map(|it| it.ports.iter().map(move |port| (it, port)));
    let shared = theirs.filter(|(_, port)| own.contains(&(port.protocol, port.host_port)));
    let shared = shared.flat_map(|(it, port)| elements(it, port));
    let shared: HashSet<Vec<u8>> =
        shared.filter(|(set, ..)| *set == RELAYED).map(|(_, key, _)| key).collect();
    move |set, elements| {
        let stays = |it: &&Element| set == RELAYED && shared.contains(&it.key);
        elements.iter().filter(|it| !stays(it)).cloned().collect()
    }
}

fn change_devices(
    network: &Network,
    change: impl Fn(&'static str, &[Element]) -> Vec<Request>,
) -> Vec<Request> {
    let Some(bridge) = &network.bridge else { return Vec::new() };
    let name = device_key(&bridge.device);
    let device = || [Element::key(name.clone())];
    let mut requests = change(BRIDGES, &device());
    for (map, chain) in [FORWARDED, RECEIVED].into_iter().zip(own_names(&bridge.device)) {
        requests.extend(change(map, &[Element::verdict(name.clone(), Verdict::Goto(chain))]));
    }
    if !bridge.options.icc {
        requests.extend(change(APART, &device()));
    }
    if !network.internal {
        requests.extend(change(OPEN, &device()));
    }
    let ipv4 = network.ipv4.as_ref().map(|it| (IpNet::V4(it.subnet), bridge.options.gateway_mode4));
    let ipv6 = network.ipv6.as_ref().map(|it| (IpNet::V6(it.subnet), bridge.options.gateway_mode6));
    for (subnet, mode) in ipv4.into_iter().chain(ipv6) {
        let family = Family::of(subnet.addr());
        requests.extend(change(family.subnets, &interval(subnet)));
        if network.internal {
            continue;
        }
        let is_nat = matches!(mode, GatewayMode::Nat | GatewayMode::NatUnprotected);
        if is_nat && bridge.options.masquerade {
            requests.extend(change(family.masqueraded, &device()));
        }
        match mode {
            GatewayMode::NatUnprotected => requests.extend(change(family.unprotected, &device())),
            GatewayMode::Routed => requests.extend(change(family.routed, &device())),
            GatewayMode::Nat | GatewayMode::Isolated => {}
        }
    }
    requests
}

fn interval(subnet: IpNet) -> Vec<Element> {
    match subnet {
        IpNet::V4(subnet) => {
            let behind = subnet.broadcast().to_bits().checked_add(1);
            let behind = behind.map(|behind| behind.to_be_bytes().to_vec());
            Element::interval(subnet.network().octets(), behind)
        }
        IpNet::V6(subnet) => {
            let behind = subnet.broadcast().to_bits().checked_add(1);
            let behind = behind.map(|behind| behind.to_be_bytes().to_vec());
            Element::interval(subnet.network().octets(), behind)
        }
    }
}

/// Of two endpoints with the same port, which only the records of a broken daemon can have, the first one keeps it.
fn change_ports<'a>(
    endpoints: impl IntoIterator<Item = &'a Endpoint>,
    change: impl Fn(&'static str, &[Element]) -> Vec<Request>,
) -> Vec<Request> {
    let mut sets: BTreeMap<&'static str, BTreeMap<Vec<u8>, Option<Vec<u8>>>> = BTreeMap::new();
    let ports = endpoints.into_iter().flat_map(|it| it.ports.iter().map(move |port| (it, port)));
    for (endpoint, port) in ports {
        for (set, key, value) in elements(endpoint, port) {
            sets.entry(set).or_default().entry(key).or_insert(value);
        }
    }
    let mut requests = Vec::new();
    for (set, elements) in sets {
        let elements: Vec<Element> = elements
            .into_iter()
            .map(|(key, value)| match value {
                Some(value) => Element::mapping(key, value),
                None => Element::key(key),
            })
            .collect();
        requests.extend(change(set, &elements));
    }
    requests
}

type Entry = (&'static str, Vec<u8>, Option<Vec<u8>>);

/// What one port needs. A container without an address of the port's family is reached by the relay only.
fn elements(endpoint: &Endpoint, port: &Published) -> Vec<Entry> {
    let family = Family::of(port.host_address);
    let own = match port.host_address {
        IpAddr::V4(_) => endpoint.address4().map(|address| address.octets().to_vec()),
        IpAddr::V6(_) => endpoint.address6().map(|address| address.octets().to_vec()),
    };
    if port.host_port == 0 {
        let key = own.map(|own| [own, port_key(port.protocol, port.port)].concat());
        return key.into_iter().map(|key| (family.routed_ports, key, None)).collect();
    }
    let key = port_key(port.protocol, port.host_port);
    let mut entries = Vec::new();
    // Nobody but the host itself comes by loopback.
    if port.protocol != PortProtocol::Sctp && !port.host_address.is_loopback() {
        entries.push((RELAYED, key.clone(), None));
    }
    let Some(own) = own else { return entries };
    let value = Some([own, padded(port.port).to_vec()].concat());
    entries.push(match port.host_address {
        address if address.is_unspecified() => (family.ports, key, value),
        IpAddr::V4(address) => {
            (family.ports_of_address, [&address.octets()[..], &key].concat(), value)
        }
        IpAddr::V6(address) => {
            (family.ports_of_address, [&address.octets()[..], &key].concat(), value)
        }
    });
    entries
}

fn port_key(protocol: PortProtocol, port: u16) -> Vec<u8> {
    [&[protocol.number(), 0, 0, 0][..], &padded(port)].concat()
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
