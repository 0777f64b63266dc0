//! Several subnets in one network, how full they are, and neighbours who remember somebody else at an address.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use gantry_network::{Asked, CreateOptions, Driver, Endpoint, EndpointWish, Error, Ipam, Usage};
use gantry_types::{EndpointId, ErrorKind, Timestamp};

use crate::host::{Host, inside, ip};
use crate::relayed::{both, call, is_cut_off, network, serve};

fn asked<A, N: std::str::FromStr>(subnet: &str) -> Asked<A, N> {
    Asked { subnet: subnet.parse().ok(), ..Asked::default() }
}

/// A network of two subnets for each family on one of the host's devices.
fn several(driver: Driver, subnets: [&str; 4]) -> CreateOptions {
    let [one4, two4, one6, two6] = subnets;
    CreateOptions {
        name: "several".into(),
        driver,
        ipv4: Some(asked(one4)),
        further4: vec![asked(two4)],
        ipv6: Some(asked(one6)),
        further6: vec![asked(two6)],
        ..CreateOptions::default()
    }
}

const SUBNETS: [&str; 4] = ["10.8.0.0/30", "10.8.1.0/29", "fd00:8::/126", "fd00:9::/64"];

fn create(host: &mut Host, options: CreateOptions) -> Result<(), Error> {
    let id = host.next_network();
    host.networks.create(id, options, Timestamp::ZERO).map(drop)
}

#[test]
fn networks_on_the_host_s_devices_have_several_subnets() {
    let mut host = Host::new();
    create(&mut host, several(Driver::Macvlan, SUBNETS)).unwrap();
    let (one, first) = host.container("several", &EndpointWish::default());
    assert_eq!(first.address4(), Some("10.8.0.2".parse().unwrap()));
    assert_eq!(first.address6(), Some("fd00:8::2".parse().unwrap()));
    let wish = |address: &str, address6: &str| EndpointWish {
        address: address.parse().ok(),
        address6: address6.parse().ok(),
        ..EndpointWish::default()
    };
    // The first subnet of IPv4 is full, that of IPv6 is not; an address that is asked for may be of any.
    let (_two, second) = host.container("several", &EndpointWish::default());
    assert_eq!(second.address4(), Some("10.8.1.2".parse().unwrap()));
    assert_eq!(second.ipv4.unwrap().gateway, Some("10.8.1.1".parse().unwrap()));
    assert_eq!(second.address6(), Some("fd00:8::3".parse().unwrap()));
    let (three, third) = host.container("several", &wish("10.8.1.6", "fd00:9::9"));
    assert_eq!(third.ipv6.unwrap().gateway, Some("fd00:9::1".parse().unwrap()));
    let addresses = inside(&three, || output("ip", "-o addr show dev eth0"));
    assert!(addresses.contains("10.8.1.6/29") && addresses.contains("fd00:9::9/64"), "{addresses}");
    let id = EndpointId::from_bytes([90; 32]);
    let error = host.networks.allocate(id.clone(), "several", &wish("10.9.0.1", "")).unwrap_err();
    assert!(error.to_string().contains("has 10.8.0.0/30, 10.8.1.0/29"), "{error}");
    // After a restart, all is as it was.
    let mut host = host.reopen(vec![first.clone(), second.clone(), third]);
    for taken in ["10.8.0.2", "10.8.1.2", "10.8.1.1"] {
        let error = host.networks.allocate(id.clone(), "several", &wish(taken, "")).unwrap_err();
        assert!(matches!(error, Error::AddressTaken { .. }), "{taken}: {error}");
    }
    host.networks.release(&first);
    // Its device goes with its namespace, some time later.
    drop(one);
    let (_four, fourth) = host.container("several", &EndpointWish::default());
    assert_eq!(fourth.address4(), first.address4());
}

#[test]
fn subnets_of_one_network_must_not_meet_and_a_bridge_has_one_of_each_family() {
    let mut host = Host::new();
    let error = create(&mut host, several(Driver::Bridge, SUBNETS)).unwrap_err();
    assert!(
        error.to_string().starts_with("bridge driver doesn't support multiple subnets"),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    let meeting = ["10.8.0.0/24", "10.8.0.128/25", "fd00:8::/64", "fd00:9::/64"];
    let error = create(&mut host, several(Driver::Macvlan, meeting)).unwrap_err();
    assert!(error.to_string().contains("10.8.0.128/25 is used by this network itself"), "{error}");
    let mut config = several(Driver::Macvlan, SUBNETS);
    config.config_only = true;
    create(&mut host, config).unwrap();
    let from = CreateOptions {
        name: "real".into(),
        driver: Driver::Macvlan,
        config_from: "several".into(),
        ..CreateOptions::default()
    };
    create(&mut host, from).unwrap();
    let real = host.networks.find("real").unwrap();
    assert_eq!((real.subnets4().count(), real.subnets6().count()), (2, 2));
}

#[test]
fn a_network_may_leave_addresses_to_others() {
    let mut host = Host::new();
    let ipam = Ipam { driver: "null".into(), ..Ipam::default() };
    let options = CreateOptions {
        name: "dhcp".into(),
        driver: Driver::Macvlan,
        ipv4: None,
        ipam,
        ..CreateOptions::default()
    };
    create(&mut host, options).unwrap();
    let (one, first) = host.container("dhcp", &EndpointWish::default());
    let (two, second) = host.container("dhcp", &EndpointWish::default());
    assert!(first.ipv4.is_none() && first.ipv6.is_none());
    assert_ne!(first.mac, second.mac);
    // What a client of DHCP would do.
    inside(&one, || ip("addr add 10.8.0.5/24 dev eth0"));
    inside(&two, || ip("addr add 10.8.0.6/24 dev eth0"));
    serve(&one, 80);
    assert!(time(&two, "10.8.0.5:80") < Duration::from_secs(5));
    let ipv6 = inside(&one, || output("cat", "/proc/sys/net/ipv6/conf/eth0/disable_ipv6"));
    assert_eq!(ipv6.trim(), "0", "routers may announce addresses");
    let wish = EndpointWish { address: "10.8.0.9".parse().ok(), ..EndpointWish::default() };
    let id = EndpointId::from_bytes([90; 32]);
    let error = host.networks.allocate(id, "dhcp", &wish).unwrap_err();
    assert!(error.to_string().contains("has no IPv4 addresses"), "{error}");
    let bridge = CreateOptions {
        name: "bare".into(),
        ipv4: None,
        ipam: Ipam { driver: "null".into(), ..Ipam::default() },
        ..CreateOptions::default()
    };
    assert!(create(&mut host, bridge).unwrap_err().to_string().contains("must be enabled"));
}

#[test]
fn how_full_subnets_are_is_known() {
    let mut host = Host::new();
    network(&mut host, "own", Some("fd00:6::/120"), &[]);
    let (_one, endpoint) = host.container("own", &EndpointWish::default());
    let found = |host: &Host| host.networks.usage(&host.networks.find("own").unwrap());
    let full = |in_use, available| Usage { in_use, available };
    let subnets = ["172.18.0.0/16", "fd00:6::/120"].map(|text| text.parse().unwrap());
    assert_eq!(found(&host), [(subnets[0], full(4, 65532)), (subnets[1], full(3, 253))]);
    host.networks.release(&endpoint);
    assert_eq!(found(&host), [(subnets[0], full(3, 65533)), (subnets[1], full(2, 254))]);
    let none = host.networks.find("none").unwrap();
    assert!(host.networks.usage(&none).is_empty());
}

fn output(program: &str, words: &str) -> String {
    let output = std::process::Command::new(program).args(words.split(' ')).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn with_mac(last: u8) -> EndpointWish {
    EndpointWish {
        address: Some("172.18.0.9".parse().unwrap()),
        address6: Some("fd00:6::9".parse().unwrap()),
        mac: Some([2, 0, 0, 0, 0, last]),
        ..EndpointWish::default()
    }
}

/// How long a connection takes.
fn time(from: &File, to: &str) -> Duration {
    let to: SocketAddr = to.parse().unwrap();
    inside(from, || {
        let start = Instant::now();
        TcpStream::connect_timeout(&to, Duration::from_secs(10)).unwrap();
        start.elapsed()
    })
}

#[test]
fn neighbours_reach_a_new_container_at_an_old_address_at_once() {
    let mut host = Host::new();
    network(&mut host, "own", Some("fd00:6::/64"), &[]);
    let (neighbour, _) = host.container("own", &EndpointWish::default());
    let addresses = ["172.18.0.9:80", "[fd00:6::9]:80"];
    let own = File::open("/proc/thread-self/ns/net").unwrap();
    let mut before: Option<(File, Endpoint)> = None;
    for last in 1..=4 {
        if let Some((_, endpoint)) = before.take() {
            host.networks.release(&endpoint);
        }
        let (server, endpoint) = host.container("own", &with_mac(last));
        serve(&server, 80);
        for from in [&neighbour, &own] {
            for to in addresses {
                // Neighbours ask again a second after a question that nobody answered, and much later when they know an older answer.
                let took = time(from, to);
                assert!(took < Duration::from_millis(900), "{to} took {took:?} the {last}. time");
            }
        }
        before = Some((server, endpoint));
    }
    let known = inside(&neighbour, || output("ip", "neigh show dev eth0"));
    assert!(known.contains("02:00:00:00:00:04"), "{known}");
}

#[test]
fn who_has_left_an_address_is_not_found_there_any_more() {
    let mut host = Host::new();
    network(&mut host, "own", Some("fd00:6::/64"), &[]);
    let (neighbour, _) = host.container("own", &EndpointWish::default());
    let wish = EndpointWish { mac: None, ..with_mac(0) };
    let (before, endpoint) = host.container("own", &wish);
    serve(&before, 80);
    for to in both(&endpoint, 80) {
        assert!(call(Some(&neighbour), &to).is_some() && call(None, &to).is_some(), "{to}");
    }
    host.networks.release(&endpoint);
    // The kernel may need long to take a namespace away; here somebody keeps it.
    let (now, endpoint) = host.container("own", &wish);
    serve(&now, 81);
    for from in [Some(&neighbour), None] {
        for (new, old) in both(&endpoint, 81).into_iter().zip(both(&endpoint, 80)) {
            assert!(call(from, &new).is_some(), "{new}");
            assert!(is_cut_off(from, &old), "{old}");
        }
    }
    drop((before, now));
}
