//! What changes while containers run: devices come and go, ways out move, addresses of both families are there at once.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use gantry_network::{Asked, CreateOptions, Driver, Endpoint, EndpointWish, Error, PlugOptions};
use gantry_types::{EndpointId, Timestamp};

use crate::host::{Host, inside, ip, namespace};

fn create(host: &mut Host, options: CreateOptions) -> Result<(), Error> {
    let id = host.next_network();
    host.networks.create(id, options, Timestamp::ZERO).map(drop)
}

fn dual(name: &str, ipv4: &str, ipv6: &str) -> CreateOptions {
    CreateOptions {
        name: name.into(),
        ipv4: Some(Asked { subnet: Some(ipv4.parse().unwrap()), ..Asked::default() }),
        ipv6: Some(Asked { subnet: Some(ipv6.parse().unwrap()), ..Asked::default() }),
        ..CreateOptions::default()
    }
}

/// One more device in a namespace that is there.
fn plug(host: &Host, namespace: &File, network: &str, device: &str, number: u8) -> Endpoint {
    let id = EndpointId::from_bytes([number; 32]);
    let mut endpoint = host.networks.allocate(id, network, &EndpointWish::default()).unwrap();
    device.clone_into(&mut endpoint.device);
    host.networks.plug(&endpoint, namespace.as_fd(), &PlugOptions::default()).unwrap();
    endpoint
}

fn prints(namespace: &File, program: &str, words: &str) -> String {
    inside(namespace, || {
        let output = std::process::Command::new(program).args(words.split(' ')).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    })
}

/// Whether an address answers: nobody listens there, and its host says so.
fn pings(namespace: &File, address: &str) -> bool {
    answers(namespace, address, Duration::from_secs(5))
}

fn answers(namespace: &File, address: &str, patience: Duration) -> bool {
    let address = SocketAddr::new(address.parse().unwrap(), 9);
    inside(namespace, || match TcpStream::connect_timeout(&address, patience) {
        Err(error) => error.kind() == ErrorKind::ConnectionRefused,
        Ok(_) => true,
    })
}

#[test]
fn both_families_are_there_at_once() {
    let mut host = Host::new();
    create(&mut host, dual("both", "10.5.0.0/24", "fd00:5::/64")).unwrap();
    let (one, first) = host.container("both", &EndpointWish::default());
    let wish =
        EndpointWish { address6: Some("fd00:5::99".parse().unwrap()), ..EndpointWish::default() };
    let (_two, second) = host.container("both", &wish);
    assert_eq!(first.address6(), Some("fd00:5::2".parse().unwrap()));
    assert_eq!(second.address6(), Some("fd00:5::99".parse().unwrap()));
    // Nobody waits for an address to be found unique.
    let addresses = prints(&one, "ip", "-6 addr show dev eth0");
    assert!(addresses.contains("fd00:5::2/64") && !addresses.contains("tentative"), "{addresses}");
    let routes = prints(&one, "ip", "-6 route show default");
    assert!(routes.contains("default via fd00:5::1 dev eth0"), "{routes}");
    assert!(pings(&one, "fd00:5::99") && pings(&one, "fd00:5::1") && pings(&one, "10.5.0.3"));
    assert_eq!(switch("ipv6/conf/all/forwarding"), "1");
    for (wish, says) in [
        (
            EndpointWish {
                address6: Some("fd00:6::1".parse().unwrap()),
                ..EndpointWish::default()
            },
            "no configured subnet contains IP address fd00:6::1",
        ),
        (wish, "Address already in use: fd00:5::99"),
        (
            EndpointWish { address6: Some("fd00:5::".parse().unwrap()), ..EndpointWish::default() },
            "the subnet's own",
        ),
    ] {
        let id = EndpointId::from_bytes([90; 32]);
        let error = host.networks.allocate(id, "both", &wish).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    // What was refused kept nothing: the next IPv4 address is the one that it would have had.
    let id = EndpointId::from_bytes([90; 32]);
    let next = host.networks.allocate(id, "both", &EndpointWish::default()).unwrap();
    assert_eq!(next.address4(), Some("10.5.0.4".parse().unwrap()));
}

fn switch(path: &str) -> String {
    fs::read_to_string(format!("/proc/sys/net/{path}")).unwrap().trim().to_owned()
}

#[test]
fn a_network_may_have_one_family_only() {
    let mut host = Host::new();
    let mut options = dual("six", "10.5.0.0/24", "fd00:5::/64");
    options.ipv4 = None;
    create(&mut host, options).unwrap();
    let (one, endpoint) = host.container("six", &EndpointWish::default());
    assert_eq!(endpoint.address4(), None);
    assert!(pings(&one, "fd00:5::1"));
    let (four, _) = host.container("bridge", &EndpointWish::default());
    assert_eq!(
        prints(&four, "ip", "-6 addr show dev eth0"),
        "",
        "no IPv6 where none was asked for"
    );
    let wish =
        EndpointWish { address: Some("10.5.0.9".parse().unwrap()), ..EndpointWish::default() };
    let id = EndpointId::from_bytes([90; 32]);
    let error = host.networks.allocate(id, "six", &wish).unwrap_err().to_string();
    assert!(error.contains("has no IPv4 addresses"), "{error}");
    let neither = CreateOptions { name: "neither".into(), ipv4: None, ..CreateOptions::default() };
    let error = create(&mut host, neither).unwrap_err().to_string();
    assert!(error.contains("must be enabled"), "{error}");
}

#[test]
fn the_host_stops_to_route_ipv6_when_it_did_not_before() {
    let mut host = Host::new();
    assert_eq!(switch("ipv6/conf/all/forwarding"), "0");
    ip("link add uplink type veth peer name far");
    fs::write("/proc/sys/net/ipv6/conf/uplink/accept_ra", "1").unwrap();
    create(&mut host, dual("both", "10.5.0.0/24", "fd00:5::/64")).unwrap();
    assert_eq!(switch("ipv6/conf/all/forwarding"), "1");
    assert_eq!(switch("ipv6/conf/uplink/accept_ra"), "2", "it goes on to hear of its own way out");
    let host = host.reopen(Vec::new());
    assert_eq!(switch("ipv6/conf/all/forwarding"), "1");
    host.networks.close();
    assert_eq!(switch("ipv6/conf/all/forwarding"), "0");
}

#[test]
fn devices_come_and_go_while_a_container_runs() {
    let mut host = Host::new();
    create(&mut host, dual("one", "10.5.0.0/24", "fd00:5::/64")).unwrap();
    create(&mut host, dual("two", "10.6.0.0/24", "fd00:6::/64")).unwrap();
    let container = namespace();
    let first = plug(&host, &container, "one", "eth0", 81);
    let second = plug(&host, &container, "two", "eth1", 82);
    let networks = &host.networks;
    let defaults = || {
        let four = prints(&container, "ip", "-4 route show default");
        (four.clone(), prints(&container, "ip", "-6 route show default"), four.lines().count())
    };
    assert_eq!(defaults().2, 0);
    networks.lead_out(container.as_fd(), Some(&first), Some(&first)).unwrap();
    let (four, six, _) = defaults();
    assert!(four.contains("via 10.5.0.1") && six.contains("via fd00:5::1"), "{four}{six}");
    networks.lead_out(container.as_fd(), Some(&second), Some(&second)).unwrap();
    let (four, six, count) = defaults();
    assert!(four.contains("via 10.6.0.1") && six.contains("via fd00:6::1"), "{four}{six}");
    assert_eq!((count, six.lines().count()), (1, 1));
    networks.unplug(&second, container.as_fd()).unwrap();
    networks.release(&second);
    let links = prints(&container, "ip", "-o link");
    assert!(links.contains("eth0") && !links.contains("eth1"), "{links}");
    assert_eq!(defaults().2, 0);
    networks.lead_out(container.as_fd(), None, None).unwrap();
    networks.unplug(&second, container.as_fd()).unwrap();
    let again = plug(&host, &container, "two", "eth1", 83);
    assert_eq!(again.address4(), second.address4());
    assert!(pings(&container, "10.6.0.1"));
}

#[test]
fn neighbours_without_communication_do_not_reach_one_another() {
    let mut host = Host::new();
    let mut options = dual("apart", "10.5.0.0/24", "fd00:5::/64");
    let key = "com.docker.network.bridge.enable_icc";
    options.options.insert(key.into(), "false".into());
    create(&mut host, options).unwrap();
    let (one, _) = host.container("apart", &EndpointWish::default());
    let (_two, _) = host.container("apart", &EndpointWish::default());
    assert!(pings(&one, "10.5.0.1") && pings(&one, "fd00:5::1"));
    assert!(!answers(&one, "10.5.0.3", Duration::from_secs(1)));
}

#[test]
fn containers_can_be_on_the_host_s_own_devices() {
    let mut host = Host::new();
    ip("link add uplink type veth peer name far");
    ip("link set far up");
    ip("link set uplink up");
    ip("addr add 10.8.0.1/24 dev far");
    let on = |name: &str, parent: &str, subnet: &str| CreateOptions {
        driver: Driver::Macvlan,
        ipv6: None,
        options: [("parent".to_owned(), parent.to_owned())].into(),
        ..dual(name, subnet, "fd00::/64")
    };
    create(&mut host, on("lan", "uplink", "10.8.0.0/24")).unwrap();
    let wish =
        EndpointWish { address: Some("10.8.0.7".parse().unwrap()), ..EndpointWish::default() };
    let (one, endpoint) = host.container("lan", &wish);
    assert!(pings(&one, "10.8.0.1"));
    host.networks.unplug(&endpoint, one.as_fd()).unwrap();
    assert!(!prints(&one, "ip", "-o link").contains("eth0"));
    host.networks.release(&endpoint);
    // A VLAN is made with its network and goes with it.
    if let Err(error) = create(&mut host, on("vlan", "uplink.10", "10.8.1.0/24")) {
        assert!(error.to_string().contains("kernel has no VLANs"), "{error}");
    } else {
        ip("link show uplink.10");
        host.container("vlan", &EndpointWish::default());
    }
    let error = create(&mut host, on("bad", "uplink.9999", "10.8.2.0/24")).unwrap_err();
    assert!(error.to_string().contains("1 to 4094"), "{error}");
    let error = create(&mut host, on("bad", "nowhere", "10.8.2.0/24")).unwrap_err();
    assert!(
        error.to_string().contains("nowhere") && error.to_string().contains("not there"),
        "{error}"
    );
    // Without a parent, it is a network for its containers alone.
    let mut alone = on("alone", "", "10.8.3.0/24");
    alone.internal = true;
    create(&mut host, alone).unwrap();
    let (three, endpoint) = host.container("alone", &EndpointWish::default());
    let (_four, other) = host.container("alone", &EndpointWish::default());
    assert_ne!(endpoint.address4(), other.address4());
    assert!(pings(&three, &other.address4().unwrap().to_string()));
    host.networks.remove("lan").unwrap();
    ip("link show uplink");
}

#[test]
fn a_kernel_without_ipvlan_says_so() {
    let mut host = Host::new();
    ip("link add uplink type veth peer name far");
    let options = CreateOptions {
        driver: Driver::Ipvlan,
        options: [("parent".to_owned(), "uplink".to_owned())].into(),
        ipv6: None,
        ..dual("lan", "10.8.0.0/24", "fd00::/64")
    };
    create(&mut host, options).unwrap();
    let id = EndpointId::from_bytes([90; 32]);
    let mut endpoint = host.networks.allocate(id, "lan", &EndpointWish::default()).unwrap();
    endpoint.device = "eth0".into();
    let there = namespace();
    match host.networks.plug(&endpoint, there.as_fd(), &PlugOptions::default()) {
        Ok(()) => assert!(prints(&there, "ip", "-o link").contains("eth0")),
        Err(error) => assert!(error.to_string().contains("kernel has no ipvlan"), "{error}"),
    }
}

#[test]
fn a_configuration_is_no_network() {
    let mut host = Host::new();
    let config =
        CreateOptions { config_only: true, ..dual("settings", "10.5.0.0/24", "fd00:5::/64") };
    create(&mut host, config).unwrap();
    let id = EndpointId::from_bytes([90; 32]);
    let error = host.networks.allocate(id, "settings", &EndpointWish::default()).unwrap_err();
    assert!(matches!(error, Error::ConfigOnly { .. }), "{error}");
    let from = |name: &str| CreateOptions {
        name: name.into(),
        config_from: "settings".into(),
        ..CreateOptions::default()
    };
    create(&mut host, from("real")).unwrap();
    let real = host.networks.find("real").unwrap();
    assert_eq!(real.ipv4.unwrap().subnet.to_string(), "10.5.0.0/24");
    assert_eq!(real.ipv6.unwrap().subnet.to_string(), "fd00:5::/64");
    let error = host.networks.remove("settings").unwrap_err().to_string();
    assert!(error.contains("in use by the network real"), "{error}");
    let both = CreateOptions { options: [("a".into(), "b".into())].into(), ..from("other") };
    let error = create(&mut host, both).unwrap_err().to_string();
    assert!(error.contains("leave out the driver options"), "{error}");
    host.networks.remove("real").unwrap();
    host.networks.remove("settings").unwrap();
}

#[test]
fn what_a_daemon_left_half_made_goes() {
    let mut host = Host::new();
    let (_one, known) = host.container("bridge", &EndpointWish::default());
    let (two, stray) = host.container("bridge", &EndpointWish::default());
    ip("link add veth1 type veth peer name other");
    ip("link set veth1 master gantry0");
    let host = host.reopen(vec![known.clone()]);
    assert!(!prints(&two, "ip", "-o link").contains("eth0"));
    ip("link show veth1");
    ip(&format!("link show veth{}", &known.id.as_str()[..8]));
    let wish = EndpointWish { earlier: stray.address4(), ..EndpointWish::default() };
    let id = EndpointId::from_bytes([90; 32]);
    let again = host.networks.allocate(id, "bridge", &wish).unwrap();
    assert_eq!(again.address4(), stray.address4(), "it was free");
}
