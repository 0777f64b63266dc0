//! Published ports: whose they are, and that the packet filter has all of them, whatever was done to it.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use gantry_network::{Endpoint, EndpointWish, Place, PortProtocol, PortWish, Published};
use gantry_types::{EndpointId, ErrorKind};

use crate::host::{Host, inside, ip, leads_out, namespace, nft, ruleset};

const EVERYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

fn wish(protocol: PortProtocol, host_ports: &[u16]) -> EndpointWish {
    let port = |port: &u16| PortWish {
        protocol,
        port: 80,
        host_address: Some(EVERYWHERE),
        host_ports: Some(*port..=*port),
    };
    EndpointWish { ports: host_ports.iter().map(port).collect(), ..EndpointWish::default() }
}

#[test]
fn the_ports_of_hundreds_of_containers_are_laid_out_at_once() {
    let host = Host::new();
    let network = host.networks.find("bridge").unwrap();
    // SCTP: the test's own limit of open files is no part of it.
    let endpoint = |number: u16| {
        let [high, low] = (number + 2).to_be_bytes();
        let port = |port| Published {
            protocol: PortProtocol::Sctp,
            port,
            host_address: EVERYWHERE,
            host_port: 1000 + number * 32 + port,
        };
        let mut id = [0; 32];
        id[..2].copy_from_slice(&[high, low]);
        Endpoint {
            id: EndpointId::from_bytes(id),
            network_id: network.id.clone(),
            network_name: "bridge".into(),
            ipv4: Some(Place {
                address: Ipv4Addr::new(172, 17, high, low),
                subnet: "172.17.0.0/16".parse().unwrap(),
                gateway: Some(Ipv4Addr::new(172, 17, 0, 1)),
            }),
            ipv6: None,
            mac: [2, 0x42, 172, 17, high, low],
            device: "eth0".into(),
            ports: (0..32).map(port).collect(),
        }
    };
    let host = host.reopen((0..500).map(endpoint).collect());
    assert_eq!(host.networks.unavailable(), None);
    assert_eq!(ruleset().matches("sctp . ").count(), 16_000);
}

#[test]
fn an_sctp_port_is_one_container_s() {
    let mut host = Host::new();
    let (_one, endpoint) = host.container("bridge", &wish(PortProtocol::Sctp, &[7000]));
    let id = EndpointId::from_bytes([200; 32]);
    let second = wish(PortProtocol::Sctp, &[7000]);
    let error = host.networks.allocate(id.clone(), "bridge", &second).unwrap_err().to_string();
    assert_eq!(error, "Bind for 0.0.0.0:7000 failed: port is already allocated");
    assert!(ruleset().contains("sctp . 7000"));
    host.networks.release(&endpoint);
    assert!(!ruleset().contains("sctp . 7000"));
    host.networks.allocate(id, "bridge", &second).unwrap();
}

#[test]
fn a_release_takes_nothing_that_belongs_to_another() {
    let mut host = Host::new();
    let (_one, first) = host.container("bridge", &wish(PortProtocol::Tcp, &[7000]));
    host.networks.release(&first);
    let (_two, second) = host.container("bridge", &wish(PortProtocol::Tcp, &[7000]));
    assert_eq!(first.ipv4, second.ipv4);
    host.networks.release(&first);
    assert!(ruleset().contains("tcp . 7000"));
    let (_three, third) = host.container("bridge", &EndpointWish::default());
    assert_ne!(third.ipv4, second.ipv4);
}

#[test]
fn one_number_on_two_addresses_is_relayed_until_both_are_gone() {
    let mut host = Host::new();
    let on = |address: &str| {
        ip(&format!("addr add {address}/32 dev lo"));
        let mut wish = wish(PortProtocol::Tcp, &[7000]);
        wish.ports[0].host_address = Some(address.parse().unwrap());
        wish
    };
    let (_one, first) = host.container("bridge", &on("10.9.0.1"));
    let (_two, second) = host.container("bridge", &on("10.9.0.2"));
    let relayed = || {
        let words = ["list", "set", "inet", "gantry0", "relayed"];
        let output = Command::new("nft").args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    host.networks.release(&first);
    assert!(relayed().contains("tcp . 7000"), "{}", relayed());
    assert!(!ruleset().contains("10.9.0.1"), "{}", ruleset());
    host.networks.release(&second);
    assert!(!relayed().contains("tcp . 7000"), "{}", relayed());
}

#[test]
fn ports_that_moved_go_with_the_endpoint_that_has_them() {
    let mut host = Host::new();
    let (_one, first) = host.container("bridge", &wish(PortProtocol::Udp, &[7000]));
    let (_two, second) = host.container("bridge", &EndpointWish::default());
    let (mut from, mut to) = (first.clone(), second.clone());
    host.networks.move_ports(&mut from, &mut to).unwrap();
    assert!(from.ports.is_empty() && to.ports == first.ports);
    let own = second.address4().unwrap().to_string();
    assert!(ruleset().contains(&format!("udp . 7000 : {own} . 80")), "{}", ruleset());
    // The copies of before the move say nothing of where the ports are.
    host.networks.release(&first);
    assert!(ruleset().contains("udp . 7000"), "{}", ruleset());
    host.networks.release(&second);
    assert!(!ruleset().contains("udp . 7000"), "{}", ruleset());
    host.container("bridge", &wish(PortProtocol::Udp, &[7000]));
}

#[test]
fn a_port_that_somebody_took_out_does_not_keep_the_others_open() {
    let mut host = Host::new();
    let (_one, endpoint) = host.container("bridge", &wish(PortProtocol::Tcp, &[7000, 7001]));
    nft("delete element inet gantry0 ports { tcp . 7000 }");
    assert!(ruleset().contains("tcp . 7001"));
    host.networks.release(&endpoint);
    assert!(!ruleset().contains("tcp . 700"), "{}", ruleset());
}

#[test]
fn an_emptied_packet_filter_is_filled_again() {
    let mut host = Host::new();
    let (_one, first) = host.container("bridge", &wish(PortProtocol::Tcp, &[7000]));
    let rules = ruleset();
    nft("flush ruleset");
    is_laid_out_again(&rules);
    nft("flush ruleset");
    let (_two, second) = host.container("bridge", &wish(PortProtocol::Tcp, &[7001]));
    assert!(ruleset().contains("tcp . 7000") && ruleset().contains("tcp . 7001"), "{}", ruleset());
    host.networks.release(&second);
    is_laid_out_again(&rules);
    nft("flush ruleset");
    host.networks.release(&first);
    assert!(!ruleset().contains("tcp . 7000"));
}

fn is_laid_out_again(rules: &str) {
    let start = Instant::now();
    while ruleset() != rules {
        assert!(start.elapsed() < Duration::from_secs(10), "{}", ruleset());
    }
}

#[test]
fn what_others_take_out_is_put_back_but_not_what_the_user_has() {
    let mut host = Host::new();
    let (_one, _endpoint) = host.container("bridge", &wish(PortProtocol::Tcp, &[7000]));
    let rules = ruleset();
    nft("add rule inet gantry0 user tcp dport 9 drop");
    nft("flush chain inet gantry0 user");
    assert_eq!(ruleset(), rules);
    nft("flush chain inet gantry0 forward");
    is_laid_out_again(&rules);
    nft("delete table inet gantry0");
    is_laid_out_again(&rules);
    // Another daemon's table is its own business.
    let other = Host::another();
    let all = ruleset();
    nft("flush table inet gantry1");
    is_laid_out_again(&all);
    drop(other);
}

#[test]
fn what_the_kernel_lacks_is_not_the_caller_s_mistake() {
    let mut host = Host::new();
    let id = EndpointId::from_bytes([200; 32]);
    let mut endpoint = host.networks.allocate(id, "bridge", &EndpointWish::default()).unwrap();
    endpoint.device = "eth0".into();
    let (taken, _) = host.container("bridge", &EndpointWish::default());
    // The name is taken inside: EEXIST.
    let error = host.networks.plug(&endpoint, taken.as_fd(), &leads_out()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    endpoint.device = "a/b".into();
    let error = host.networks.plug(&endpoint, namespace().as_fd(), &leads_out()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{error}");
}

/// Answers every datagram on port 80 with a name.
fn name_server(namespace: &File, name: &'static str) {
    let socket = inside(namespace, || UdpSocket::bind("0.0.0.0:80").unwrap());
    thread::spawn(move || {
        let mut bytes = [0; 16];
        while let Ok((_, from)) = socket.recv_from(&mut bytes) {
            drop(socket.send_to(name.as_bytes(), from));
        }
    });
}

/// Whether a server of this name answers one who sends on and on.
fn is_answered_by(client: &UdpSocket, name: &str) -> bool {
    let start = Instant::now();
    let mut bytes = [0; 16];
    while start.elapsed() < Duration::from_secs(5) {
        client.send_to(b"?", "192.0.2.1:9000").unwrap();
        if client.recv(&mut bytes).is_ok_and(|length| &bytes[..length] == name.as_bytes()) {
            return true;
        }
    }
    false
}

#[test]
fn who_sends_on_and_on_by_udp_finds_each_new_container() {
    let mut host = Host::new();
    ip("addr add 192.0.2.1/32 dev lo");
    let (sender, _) = host.container("bridge", &EndpointWish::default());
    let client = inside(&sender, || UdpSocket::bind("0.0.0.0:0").unwrap());
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    // The packet filter remembers that this went to the host itself.
    client.send_to(b"?", "192.0.2.1:9000").unwrap();
    let (one, first) = host.container("bridge", &wish(PortProtocol::Udp, &[9000]));
    name_server(&one, "one");
    assert!(is_answered_by(&client, "one"));
    host.networks.release(&first);
    host.container("bridge", &EndpointWish::default());
    let (two, second) = host.container("bridge", &wish(PortProtocol::Udp, &[9000]));
    assert_ne!(first.ipv4, second.ipv4);
    name_server(&two, "two");
    assert!(is_answered_by(&client, "two"));
    let (three, third) = host.container("bridge", &EndpointWish::default());
    name_server(&three, "three");
    host.networks.move_ports(&mut second.clone(), &mut third.clone()).unwrap();
    assert!(is_answered_by(&client, "three"));
}
