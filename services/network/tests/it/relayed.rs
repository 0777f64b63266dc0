//! IPv6, and the published ports that are relayed: who gets in by them, and who does not.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use gantry_network::{Asked, CreateOptions, Endpoint, EndpointWish, PortProtocol, PortWish};
use gantry_types::Timestamp;

use crate::host::{Host, inside, ip, namespace, ruleset};
use crate::packets::fd_path;

/// A machine outside that can send anything to the host: 192.0.2.2 and `fd00:2::2`; the host is `fd00:2::1` there.
pub(crate) fn outside() -> File {
    let outside = namespace();
    ip("link add uplink type veth peer name far");
    let moved =
        Command::new("ip").args(["link", "set", "far", "netns"]).arg(fd_path(&outside)).status();
    assert!(moved.unwrap().success());
    ip("addr add 192.0.2.1/24 dev uplink");
    ip("addr add fd00:2::1/64 dev uplink nodad");
    ip("link set uplink up addrgenmode none");
    ip("addr add fe80::1/64 dev uplink nodad");
    inside(&outside, || {
        ip("addr add 192.0.2.2/24 dev far");
        ip("addr add fd00:2::2/64 dev far nodad");
        ip("link set far up addrgenmode none");
        ip("addr add fe80::2/64 dev far nodad");
        ip("route add 172.16.0.0/12 via 192.0.2.1");
        ip("route add fd00::/16 via fd00:2::1");
    });
    await_answer("[fd00:2::2]:1");
    inside(&outside, || await_answer("[fd00:2::1]:1"));
    outside
}

/// Waits until a wire lets IPv6 through, which the kernel sees to behind its coming up: nobody listens at `to`, and that is answered.
fn await_answer(to: &str) {
    let to = to.parse().unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let refused = TcpStream::connect_timeout(&to, Duration::from_secs(1)).unwrap_err();
        if refused.kind() == ErrorKind::ConnectionRefused {
            return;
        }
        assert!(Instant::now() < deadline, "{to}: {refused}");
    }
}

pub(crate) fn port(host_address: Option<&str>, host_port: u16) -> EndpointWish {
    let port = |protocol| PortWish {
        protocol,
        port: 80,
        host_address: host_address.map(|text| text.parse().unwrap()),
        host_ports: Some(host_port..=host_port),
    };
    let ports = vec![port(PortProtocol::Tcp), port(PortProtocol::Udp)];
    EndpointWish { ports, ..EndpointWish::default() }
}

pub(crate) fn network(
    host: &mut Host,
    name: &str,
    subnet6: Option<&str>,
    options: &[(&str, &str)],
) {
    let word = |(name, value): &(&str, &str)| {
        (format!("com.docker.network.bridge.{name}"), (*value).to_owned())
    };
    let options = CreateOptions {
        name: name.into(),
        ipv6: subnet6.map(|text| Asked { subnet: Some(text.parse().unwrap()), ..Asked::default() }),
        internal: name == "inner",
        options: options.iter().map(word).collect(),
        ..CreateOptions::default()
    };
    let id = host.next_network();
    host.networks.create(id, options, Timestamp::ZERO).unwrap();
}

/// Tells each caller, by TCP and UDP, who it is, as the server sees it.
pub(crate) fn serve(namespace: &File, port: u16) {
    let (listener, socket) = inside(namespace, || {
        (TcpListener::bind(("::", port)).unwrap(), UdpSocket::bind(("::", port)).unwrap())
    });
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let text = stream.peer_addr().unwrap().ip().to_canonical().to_string();
            drop(stream.write_all(text.as_bytes()));
        }
    });
    thread::spawn(move || {
        let mut bytes = [0; 16];
        while let Ok((_, from)) = socket.recv_from(&mut bytes) {
            drop(socket.send_to(from.ip().to_canonical().to_string().as_bytes(), from));
        }
    });
}

pub(crate) fn tcp(from: Option<&File>, to: SocketAddr, limit: Duration) -> Option<IpAddr> {
    let work = || {
        let mut stream = TcpStream::connect_timeout(&to, limit).ok()?;
        stream.set_read_timeout(Some(limit)).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.parse().ok()
    };
    from.map_or_else(work, |namespace| inside(namespace, work))
}

fn udp(from: Option<&File>, to: SocketAddr, limit: Duration) -> Option<IpAddr> {
    let work = || {
        let socket = UdpSocket::bind(("::", 0)).unwrap();
        socket.set_read_timeout(Some(limit)).unwrap();
        let to = match to {
            SocketAddr::V4(it) => SocketAddr::new(it.ip().to_ipv6_mapped().into(), it.port()),
            SocketAddr::V6(_) => to,
        };
        // Connected: only answers from there are heard.
        socket.connect(to).ok()?;
        socket.send(b"?").ok()?;
        let mut bytes = [0; 64];
        let length = socket.recv(&mut bytes).ok()?;
        std::str::from_utf8(&bytes[..length]).ok()?.parse().ok()
    };
    from.map_or_else(work, |namespace| inside(namespace, work))
}

/// Whom the server sees, by TCP and by UDP.
pub(crate) fn call(from: Option<&File>, to: &str) -> Option<IpAddr> {
    let (to, limit) = (to.parse().unwrap(), Duration::from_secs(10));
    let seen = tcp(from, to, limit)?;
    assert_eq!(udp(from, to, limit), Some(seen), "by UDP to {to}\n{}", ruleset());
    Some(seen)
}

pub(crate) fn is_cut_off(from: Option<&File>, to: &str) -> bool {
    let (to, limit) = (to.parse().unwrap(), Duration::from_millis(700));
    tcp(from, to, limit).is_none() && udp(from, to, limit).is_none()
}

/// For comparison with what a call finds.
fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

#[test]
fn a_container_without_ipv6_is_reached_by_ipv6() {
    let mut host = Host::new();
    let outside = outside();
    let (server, endpoint) = host.container("bridge", &port(None, 8080));
    serve(&server, 80);
    assert_eq!(endpoint.ports.len(), 4);
    let gateway = address("172.17.0.1");
    assert_eq!(call(Some(&outside), "[fd00:2::1]:8080"), gateway);
    assert_eq!(call(None, "[::1]:8080"), gateway);
    assert_eq!(call(None, "127.0.0.1:8080"), gateway);
    assert_eq!(call(Some(&outside), "192.0.2.1:8080"), address("192.0.2.2"));
    host.networks.release(&endpoint);
    assert!(is_cut_off(None, "[::1]:8080") && is_cut_off(None, "127.0.0.1:8080"));
}

#[test]
fn a_container_with_ipv6_is_reached_by_nat_where_that_can_be() {
    let mut host = Host::new();
    network(&mut host, "six", Some("fd00:6::/64"), &[]);
    let outside = outside();
    serve(&outside, 80);
    let (server, endpoint) = host.container("six", &port(None, 8080));
    let (neighbour, _) = host.container("six", &EndpointWish::default());
    serve(&server, 80);
    serve(&server, 81);
    let own = endpoint.address6().unwrap();
    assert_eq!(call(Some(&outside), "[fd00:2::1]:8080"), address("fd00:2::2"), "{}", ruleset());
    assert!(call(None, "[fd00:2::1]:8080").is_some());
    // By the relay: there is no way back to these.
    assert!(call(None, "[::1]:8080").is_some());
    let scope = inside(&outside, scope_of_far);
    let link = |port| SocketAddr::V6(std::net::SocketAddrV6::new(link_local(1), port, 0, scope));
    let limit = Duration::from_secs(10);
    assert!(tcp(Some(&outside), link(8080), limit).is_some());
    assert!(udp(Some(&outside), link(8080), limit).is_some());
    assert!(call(Some(&neighbour), "[fd00:2::1]:8080").is_some());
    assert!(call(Some(&server), "[fd00:2::1]:8080").is_some(), "itself, by the host");
    assert_eq!(call(Some(&neighbour), "[fd00:2::2]:80"), address("fd00:2::1"), "masqueraded");
    assert!(is_cut_off(Some(&outside), &format!("[{own}]:80")), "by its own address");
    assert!(is_cut_off(Some(&outside), "[fd00:2::1]:81"));
    host.networks.release(&endpoint);
    assert!(is_cut_off(Some(&outside), "[fd00:2::1]:8080"));
}

fn link_local(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last)
}

/// The index of its device `far`.
fn scope_of_far() -> u32 {
    let output = Command::new("ip").args(["-o", "link", "show", "far"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(':').next().unwrap().parse().unwrap()
}

#[test]
fn what_is_relayed_meets_the_user_s_chain() {
    let mut host = Host::new();
    let outside = outside();
    let (server, _) = host.container("bridge", &port(None, 8080));
    serve(&server, 80);
    assert!(call(Some(&outside), "[fd00:2::1]:8080").is_some());
    let words = "add rule inet gantry0 user ip6 saddr fd00:2::2 meta l4proto {tcp,udp} ct original proto-dst 8080 drop";
    assert!(Command::new("nft").args(words.split(' ')).status().unwrap().success());
    assert!(is_cut_off(Some(&outside), "[fd00:2::1]:8080"));
    assert!(call(None, "[::1]:8080").is_some());
}

#[test]
fn internal_networks_reach_nothing_that_is_relayed() {
    let mut host = Host::new();
    network(&mut host, "inner", Some("fd00:7::/64"), &[]);
    let (server, _) = host.container("bridge", &port(None, 8080));
    serve(&server, 80);
    let (inner, _) = host.container("inner", &EndpointWish::default());
    assert!(call(None, "[::1]:8080").is_some());
    assert!(is_cut_off(Some(&inner), "[fd00:7::1]:8080"), "{}", ruleset());
    assert!(is_cut_off(Some(&inner), "172.18.0.1:8080"));
}

#[test]
fn networks_with_ipv6_are_apart_and_pretended_sources_go_nowhere() {
    let mut host = Host::new();
    network(&mut host, "one", Some("fd00:8::/64"), &[]);
    network(&mut host, "two", Some("fd00:9::/64"), &[]);
    let outside = outside();
    serve(&outside, 80);
    let (one, _) = host.container("one", &EndpointWish::default());
    let (two, of_two) = host.container("two", &EndpointWish::default());
    serve(&two, 80);
    let own = of_two.address6().unwrap();
    assert!(is_cut_off(Some(&one), &format!("[{own}]:80")));
    assert!(is_cut_off(Some(&outside), &format!("[{own}]:80")));
    assert!(call(Some(&one), "[fd00:2::2]:80").is_some());
    inside(&one, || {
        ip("addr add fd00:99::1/128 dev eth0 nodad");
        ip("-6 route change default via fd00:8::1 dev eth0 src fd00:99::1");
    });
    let to = "[fd00:2::2]:80".parse().unwrap();
    assert_eq!(tcp(Some(&one), to, Duration::from_millis(700)), None);
}

#[test]
fn a_loopback_source_from_a_container_goes_nowhere() {
    let mut host = Host::new();
    let (liar, _) = host.container("bridge", &EndpointWish::default());
    let server = UdpSocket::bind("0.0.0.0:9000").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    inside(&liar, || {
        for device in ["all", "eth0"] {
            let path = format!("/proc/sys/net/ipv4/conf/{device}/route_localnet");
            std::fs::write(path, "1").unwrap();
        }
        let honest = UdpSocket::bind("0.0.0.0:0").unwrap();
        honest.send_to(b"honest", "172.17.0.1:9000").unwrap();
        ip("addr add 127.7.7.7/32 dev eth0");
        let liar = UdpSocket::bind("127.7.7.7:0").unwrap();
        drop(liar.send_to(b"liar", "172.17.0.1:9000"));
    });
    let mut bytes = [0; 16];
    let (length, _) = server.recv_from(&mut bytes).unwrap();
    assert_eq!(&bytes[..length], b"honest");
    server.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    server.recv_from(&mut bytes).unwrap_err();
}

/// A network by its own addresses, from outside.
fn by_own_address(mode: &str) -> (Host, File, File, Endpoint) {
    let mut host = Host::new();
    let options = [("gateway_mode_ipv4", mode), ("gateway_mode_ipv6", mode)];
    network(&mut host, "own", Some("fd00:6::/64"), &options);
    let outside = outside();
    serve(&outside, 80);
    let (server, endpoint) = host.container("own", &port(None, 8080));
    serve(&server, 80);
    serve(&server, 81);
    (host, outside, server, endpoint)
}

pub(crate) fn both(endpoint: &Endpoint, port: u16) -> [String; 2] {
    let (ipv4, ipv6) = (endpoint.address4().unwrap(), endpoint.address6().unwrap());
    [format!("{ipv4}:{port}"), format!("[{ipv6}]:{port}")]
}

#[test]
fn a_routed_network_has_its_published_ports_at_its_own_addresses() {
    let (mut host, outside, server, endpoint) = by_own_address("routed");
    assert!(endpoint.ports.iter().all(|port| port.host_port == 0));
    for (own, its) in both(&endpoint, 80).iter().zip(["192.0.2.2", "fd00:2::2"]) {
        assert_eq!(call(Some(&outside), own), address(its), "{}", ruleset());
    }
    for own in &both(&endpoint, 81) {
        assert!(is_cut_off(Some(&outside), own));
    }
    assert!(is_cut_off(Some(&outside), "192.0.2.1:8080"));
    let (other, _) = host.container("bridge", &EndpointWish::default());
    assert!(call(Some(&other), &both(&endpoint, 80)[0]).is_some());
    inside(&outside, || ip("route add 172.18.0.0/16 via 192.0.2.1"));
    assert_eq!(
        call(Some(&server), "192.0.2.2:80").map(|it| it.to_string()),
        endpoint.address4().map(|it| it.to_string())
    );
    host.networks.release(&endpoint);
    assert!(is_cut_off(Some(&outside), &both(&endpoint, 80)[0]));
}

#[test]
fn an_unprotected_network_is_reached_from_outside_but_not_by_other_networks() {
    let (mut host, outside, _server, endpoint) = by_own_address("nat-unprotected");
    for own in both(&endpoint, 80).iter().chain(&both(&endpoint, 81)) {
        assert!(call(Some(&outside), own).is_some(), "{own}\n{}", ruleset());
    }
    assert!(call(Some(&outside), "192.0.2.1:8080").is_some());
    let (other, _) = host.container("bridge", &EndpointWish::default());
    assert!(is_cut_off(Some(&other), &both(&endpoint, 81)[0]));
}

#[test]
fn neighbours_that_are_apart_do_not_meet_by_their_gateway() {
    let mut host = Host::new();
    network(&mut host, "shy", None, &[("enable_icc", "false")]);
    let (one, _) = host.container("shy", &EndpointWish::default());
    let (two, endpoint) = host.container("shy", &port(None, 8080));
    serve(&two, 80);
    let own = endpoint.address4().unwrap();
    assert!(is_cut_off(Some(&one), &format!("{own}:80")));
    inside(&one, || ip(&format!("route add {own}/32 via 172.18.0.1")));
    assert!(is_cut_off(Some(&one), &format!("{own}:80")), "{}", ruleset());
    assert!(call(Some(&one), "172.18.0.1:8080").is_some(), "a published port is for all");
}
