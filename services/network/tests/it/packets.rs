//! What packets meet: neighbours, other networks, the host, and hosts outside.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gantry_network::{CreateOptions, EndpointWish, PortProtocol, PortWish};
use gantry_types::Timestamp;

use crate::host::{Host, call, inside, ip, is_cut_off, namespace, ruleset, serve};

/// A machine outside, 192.0.2.2, that can send anything to the host, 192.0.2.1.
fn outside() -> File {
    let outside = namespace();
    ip("link add uplink type veth peer name far");
    let output =
        Command::new("ip").args(["link", "set", "far", "netns"]).arg(fd_path(&outside)).output();
    assert!(output.unwrap().status.success());
    ip("addr add 192.0.2.1/24 dev uplink");
    ip("link set uplink up");
    inside(&outside, || {
        ip("addr add 192.0.2.2/24 dev far");
        ip("link set far up");
        ip("route add 172.16.0.0/12 via 192.0.2.1");
        ip("route add 10.0.0.0/8 via 192.0.2.1");
    });
    outside
}

/// A name under which another process finds an open namespace file.
pub(crate) fn fd_path(file: &File) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}

fn published(host_address: &str, host_port: u16) -> EndpointWish {
    EndpointWish {
        ports: vec![PortWish {
            protocol: PortProtocol::Tcp,
            port: 80,
            host_address: Some(host_address.parse::<IpAddr>().unwrap()),
            host_ports: Some(host_port..=host_port),
        }],
        ..EndpointWish::default()
    }
}

fn address(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

#[test]
fn neighbours_reach_one_another_and_the_outside_sees_the_host() {
    let mut host = Host::new();
    let outside = outside();
    let (one, _) = host.container("bridge", &EndpointWish::default());
    let (two, endpoint) = host.container("bridge", &EndpointWish::default());
    serve(&two, 80);
    serve(&outside, 80);
    assert_eq!(call(Some(&one), endpoint.address4().unwrap(), 80), Some(address("172.17.0.2")));
    assert_eq!(call(None, endpoint.address4().unwrap(), 80), Some(address("172.17.0.1")));
    assert_eq!(call(Some(&one), address("192.0.2.2"), 80), Some(address("192.0.2.1")));
}

#[test]
fn a_published_port_is_reached_from_everywhere_and_nothing_else_is() {
    published_port("0");
}

#[test]
fn so_it_is_where_bridges_show_their_packets_to_the_filter() {
    published_port("1");
}

/// Whether bridges do so is each namespace's own switch; without the module there is nothing to switch, and nothing is shown.
fn published_port(bridges_show_packets: &str) {
    let mut host = Host::new();
    let switch = Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables");
    if switch.exists() {
        std::fs::write(switch, bridges_show_packets).unwrap();
    }
    let outside = outside();
    let (server, endpoint) = host.container("bridge", &published("0.0.0.0", 8080));
    let (neighbour, _) = host.container("bridge", &EndpointWish::default());
    serve(&server, 80);
    serve(&server, 81);
    assert_eq!(
        call(Some(&outside), address("192.0.2.1"), 8080),
        Some(address("192.0.2.2")),
        "{}",
        ruleset()
    );
    assert!(call(None, address("192.0.2.1"), 8080).is_some());
    assert!(call(None, address("127.0.0.1"), 8080).is_some());
    assert!(call(Some(&neighbour), address("192.0.2.1"), 8080).is_some());
    assert!(call(Some(&server), address("192.0.2.1"), 8080).is_some(), "itself, by the host");
    assert!(is_cut_off(Some(&outside), endpoint.address4().unwrap(), 80), "by its own address");
    assert!(is_cut_off(Some(&outside), endpoint.address4().unwrap(), 81));
    assert!(is_cut_off(Some(&outside), address("192.0.2.1"), 81));
    host.networks.release(&endpoint);
    assert!(is_cut_off(Some(&outside), address("192.0.2.1"), 8080));
}

#[test]
fn a_port_on_loopback_is_the_host_s_alone() {
    let mut host = Host::new();
    let outside = outside();
    let (server, _) = host.container("bridge", &published("127.0.0.1", 8080));
    let (neighbour, _) = host.container("bridge", &EndpointWish::default());
    serve(&server, 80);
    assert!(call(None, address("127.0.0.1"), 8080).is_some());
    assert!(is_cut_off(None, address("192.0.2.1"), 8080));
    assert!(is_cut_off(Some(&outside), address("192.0.2.1"), 8080));
    assert!(is_cut_off(Some(&neighbour), address("172.17.0.1"), 8080));
    // Packets for 127.0.0.1 that come by the wire.
    let routed = |namespace: &File, device: &str, via: &str| {
        inside(namespace, || {
            std::fs::write(format!("/proc/sys/net/ipv4/conf/{device}/route_localnet"), "1")
                .unwrap();
            ip("addr del 127.0.0.1/8 dev lo");
            ip(&format!("route add 127.0.0.1/32 via {via} dev {device}"));
        });
    };
    routed(&outside, "far", "192.0.2.1");
    assert!(is_cut_off(Some(&outside), address("127.0.0.1"), 8080));
    routed(&neighbour, "eth0", "172.17.0.1");
    assert!(is_cut_off(Some(&neighbour), address("127.0.0.1"), 8080));
}

#[test]
fn networks_are_apart() {
    let mut host = Host::new();
    for (name, internal) in [("other", false), ("inner", true)] {
        let options = CreateOptions { name: name.into(), internal, ..CreateOptions::default() };
        let id = host.next_network();
        host.networks.create(id, options, Timestamp::ZERO).unwrap();
    }
    let outside = outside();
    serve(&outside, 80);
    let (one, _) = host.container("bridge", &published("0.0.0.0", 8080));
    serve(&one, 80);
    let (other, of_other) = host.container("other", &EndpointWish::default());
    serve(&other, 80);
    assert!(is_cut_off(Some(&one), of_other.address4().unwrap(), 80));
    assert!(
        call(Some(&other), address("192.0.2.1"), 8080).is_some(),
        "a published port is for all"
    );
    let (inner, of_inner) = host.container("inner", &EndpointWish::default());
    serve(&inner, 80);
    let (inner2, _) = host.container("inner", &EndpointWish::default());
    assert!(call(Some(&inner2), of_inner.address4().unwrap(), 80).is_some());
    assert!(is_cut_off(Some(&one), of_inner.address4().unwrap(), 80));
    inside(&inner, || ip("route add default via 172.19.0.1"));
    assert!(is_cut_off(Some(&inner), address("192.0.2.2"), 80));
    assert!(is_cut_off(Some(&outside), of_inner.address4().unwrap(), 80));
    for gateway in ["172.19.0.1", "172.17.0.1", "192.0.2.1"] {
        assert!(is_cut_off(Some(&inner), address(gateway), 8080), "by a published port: {gateway}");
    }
}

#[test]
fn a_host_that_became_a_router_for_containers_routes_nothing_else_but_ipv6() {
    let host = Host::new();
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
    let host = host.reopen(Vec::new());
    assert!(ruleset().contains("iifkind"), "{}", ruleset());
    let (one, outside) = (namespace(), outside());
    ip("link add near type veth peer name inside");
    let moved =
        Command::new("ip").args(["link", "set", "inside", "netns"]).arg(fd_path(&one)).status();
    assert!(moved.unwrap().success());
    std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
    for (device, number) in [("near", 3), ("uplink", 2)] {
        ip(&format!("addr add fd00:{number}::1/64 dev {device} nodad"));
    }
    ip("addr add 192.0.3.1/24 dev near");
    ip("link set near up");
    for (namespace, device, number) in [(&one, "inside", 3), (&outside, "far", 2)] {
        inside(namespace, || {
            ip(&format!("addr add fd00:{number}::2/64 dev {device} nodad"));
            ip(&format!("link set {device} up"));
            ip(&format!("route add fd00::/16 via fd00:{number}::1"));
        });
    }
    inside(&one, || {
        ip("addr add 192.0.3.2/24 dev inside");
        ip("route add 192.0.2.0/24 via 192.0.3.1");
    });
    inside(&outside, || ip("route add 192.0.3.0/24 via 192.0.2.1"));
    serve(&outside, 80);
    assert!(is_cut_off(Some(&one), address("192.0.2.2"), 80));
    let listener = inside(&outside, || TcpListener::bind("[::]:81").unwrap());
    inside(&one, || {
        let server = "[fd00:2::2]:81".parse().unwrap();
        TcpStream::connect_timeout(&server, Duration::from_secs(10)).unwrap();
    });
    drop((listener, host));
}

#[test]
fn a_pretended_source_goes_nowhere() {
    let mut host = Host::new();
    let outside = outside();
    serve(&outside, 80);
    let (liar, _) = host.container("bridge", &EndpointWish::default());
    inside(&liar, || {
        ip("addr add 10.1.2.3/32 dev eth0");
        ip("route change default via 172.17.0.1 src 10.1.2.3");
    });
    assert!(is_cut_off(Some(&liar), address("192.0.2.2"), 80));
    inside(&liar, || ip("route change default via 172.17.0.1 src 172.17.0.2"));
    assert!(call(Some(&liar), address("192.0.2.2"), 80).is_some());
}

#[test]
fn the_user_s_chain_has_the_first_word() {
    let mut host = Host::new();
    let outside = outside();
    let (server, _) = host.container("bridge", &published("0.0.0.0", 8080));
    serve(&server, 80);
    assert!(call(Some(&outside), address("192.0.2.1"), 8080).is_some());
    let words = "add rule inet gantry0 user ip saddr 192.0.2.2 meta l4proto tcp ct original proto-dst 8080 drop";
    assert!(Command::new("nft").args(words.split(' ')).status().unwrap().success());
    assert!(is_cut_off(Some(&outside), address("192.0.2.1"), 8080));
}

#[test]
fn the_user_s_chain_meets_what_is_under_way() {
    let mut host = Host::new();
    let outside = outside();
    let (server, _) = host.container("bridge", &published("0.0.0.0", 8080));
    let listener = inside(&server, || TcpListener::bind("0.0.0.0:80").unwrap());
    let mut caller = inside(&outside, || TcpStream::connect("192.0.2.1:8080").unwrap());
    let (mut called, _) = listener.accept().unwrap();
    let mut byte = [0];
    caller.write_all(b"1").unwrap();
    called.read_exact(&mut byte).unwrap();
    let words = "add rule inet gantry0 user ip saddr 192.0.2.2 drop";
    assert!(Command::new("nft").args(words.split(' ')).status().unwrap().success());
    caller.write_all(b"2").unwrap();
    called.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    called.read_exact(&mut byte).unwrap_err();
}

#[test]
fn all_stays_over_a_restart() {
    let mut host = Host::new();
    let outside = outside();
    let (server, endpoint) = host.container("bridge", &published("0.0.0.0", 8080));
    serve(&server, 80);
    let host = host.reopen(vec![endpoint.clone()]);
    assert!(call(Some(&outside), address("192.0.2.1"), 8080).is_some());
    assert!(TcpListener::bind("0.0.0.0:8080").is_err());
    assert_eq!(host.networks.endpoints(&host.networks.find("bridge").unwrap()), [endpoint]);
}
