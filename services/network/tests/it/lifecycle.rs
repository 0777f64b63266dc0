//! Networks come, stay over a restart, and go without a trace.

use gantry_network::{Asked, CreateOptions, EndpointWish, Error, PortProtocol, PortWish};
use gantry_types::Timestamp;

use crate::host::{FORWARDING, Host, ip, nft, ruleset};

fn options(name: &str, subnet: Option<&str>) -> CreateOptions {
    let subnet = subnet.map(|subnet| subnet.parse().unwrap());
    let ipv4 = Some(Asked { subnet, ..Asked::default() });
    CreateOptions { name: name.into(), ipv4, ..CreateOptions::default() }
}

fn with_gateway(mut options: CreateOptions, gateway: &str) -> CreateOptions {
    options.ipv4.as_mut().unwrap().gateway = Some(gateway.parse().unwrap());
    options
}

fn create(host: &mut Host, options: CreateOptions) -> Result<(), Error> {
    let id = host.next_network();
    host.networks.create(id, options, Timestamp::ZERO).map(drop)
}

#[test]
fn the_default_networks_are_there_and_go_at_the_end() {
    let mut host = Host::new();
    let names: Vec<_> = host
        .networks
        .list()
        .into_iter()
        .map(|network| (network.name.clone(), network.driver.name().to_owned()))
        .collect();
    assert_eq!(
        names,
        [("bridge", "bridge"), ("host", "host"), ("none", "null")]
            .map(|(name, driver)| (name.to_owned(), driver.to_owned()))
    );
    ip("link show gantry0");
    create(&mut host, options("inner", None)).unwrap();
    assert!(ruleset().contains("table inet gantry0"));
    host.networks.close();
    assert_eq!(ruleset(), "");
    let links = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    assert!(!links.contains("gantry0") && !links.contains("br-"), "{links}");
}

#[test]
fn a_table_with_rules_of_the_user_stays() {
    let host = Host::new();
    nft("add rule inet gantry0 user tcp dport 81 drop");
    let host = host.reopen(Vec::new());
    assert!(ruleset().contains("tcp dport 81 drop"));
    host.networks.close();
    assert!(ruleset().contains("tcp dport 81 drop"));
}

#[test]
fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    let mut host = Host::new();
    create(&mut host, options("one", Some("10.5.0.0/24"))).unwrap();
    let before = (host.networks.list(), ruleset());
    ip("link add elsewhere type veth peer name elsewhere2");
    ip("addr add 10.77.0.1/16 dev elsewhere");
    for (options, says) in [
        (options("one", None), "network with name one already exists"),
        (options("two", Some("10.5.0.128/25")), "Pool overlaps"),
        (options("two", Some("10.77.3.0/24")), "Pool overlaps"),
        (options("two", Some("10.6.0.1/24")), "it should be 10.6.0.0/24"),
        (options("a b", None), "invalid network name"),
        (options("default", None), "means something else"),
        (
            with_gateway(options("two", Some("10.9.0.0/24")), "10.6.0.1"),
            "no configured subnet contains IP address 10.6.0.1",
        ),
        (with_gateway(options("two", Some("10.9.0.0/24")), "10.9.0.255"), "that of its broadcasts"),
        (
            CreateOptions {
                options: [("com.docker.network.driver.mtu".into(), "12".into())].into(),
                ..options("two", None)
            },
            "invalid MTU",
        ),
        (
            CreateOptions {
                options: [("com.docker.network.bridge.name".into(), "elsewhere".into())].into(),
                ..options("two", None)
            },
            "is there already",
        ),
    ] {
        let error = create(&mut host, options).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    assert_eq!((host.networks.list(), ruleset()), before);
}

#[test]
fn a_network_in_use_and_the_predefined_ones_cannot_be_removed() {
    let mut host = Host::new();
    create(&mut host, options("mine", Some("10.5.0.0/24"))).unwrap();
    let (_namespace, endpoint) = host.container("mine", &EndpointWish::default());
    let error = host.networks.remove("mine").unwrap_err();
    let id = host.networks.find("mine").unwrap().id;
    assert_eq!(
        error.to_string(),
        format!("error while removing network: network mine id {id} has active endpoints (1)")
    );
    for name in ["bridge", "host", "none"] {
        assert!(matches!(host.networks.remove(name), Err(Error::Predefined(_))), "{name}");
    }
    host.networks.release(&endpoint);
    let id = host.networks.find("mine").unwrap().id;
    host.networks.remove(&id.as_str()[..6]).unwrap();
    assert!(matches!(host.networks.find("mine"), Err(Error::NoSuchNetwork(_))));
    assert!(!ruleset().contains(&format!("br-{}", id.short())));
}

#[test]
fn addresses_are_taken_once_and_inside_the_subnet() {
    let mut host = Host::new();
    create(&mut host, options("tiny", Some("10.5.0.0/30"))).unwrap();
    let wish = |address: &str| EndpointWish {
        address: Some(address.parse().unwrap()),
        ..EndpointWish::default()
    };
    let (_one, endpoint) = host.container("tiny", &EndpointWish::default());
    assert_eq!(endpoint.address4(), Some("10.5.0.2".parse().unwrap()));
    let id = gantry_types::EndpointId::from_bytes([77; 32]);
    for (wish, says) in [
        (EndpointWish::default(), "no available IPv4 addresses"),
        (wish("10.5.0.2"), "Address already in use: 10.5.0.2 on network tiny"),
        (wish("10.5.0.1"), "Address already in use"),
        (wish("10.5.0.0"), "the address 10.5.0.0 is the subnet's own"),
        (wish("10.5.0.3"), "the address 10.5.0.3 is the subnet's own"),
        (wish("10.6.0.2"), "no configured subnet contains IP address 10.6.0.2"),
    ] {
        let error = host.networks.allocate(id.clone(), "tiny", &wish).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    host.networks.release(&endpoint);
    host.container("tiny", &wish("10.5.0.2"));
}

fn publishes(host_port: u16) -> EndpointWish {
    let port = PortWish {
        protocol: PortProtocol::Tcp,
        port: 80,
        host_address: None,
        host_ports: Some(host_port..=host_port),
    };
    EndpointWish { ports: vec![port], ..EndpointWish::default() }
}

#[test]
fn a_default_network_that_is_told_anew_leaves_nothing_of_the_one_before() {
    let mut host = Host::new();
    create(&mut host, options("lan", Some("10.77.0.0/24"))).unwrap();
    let (_container, endpoint) = host.container("lan", &publishes(8095));
    nft("add rule inet gantry0 user tcp dport 81 drop");
    let told = options("", Some("10.200.0.0/24"));
    let host = host.reopen_with(told, vec![endpoint.clone()]);
    assert_eq!(host.networks.unavailable(), None);
    assert_eq!(default_device(&host), "gantry0");
    let bridge = host.networks.find("bridge").unwrap();
    assert_eq!(bridge.ipv4.unwrap().subnet, "10.200.0.0/24".parse().unwrap());
    let rules = ruleset();
    assert!(rules.contains("8095") && rules.contains("tcp dport 81 drop"), "{rules}");
    host.networks.release(&endpoint);
    let rules = ruleset();
    assert!(!rules.contains("8095") && !rules.contains("gantry1"), "{rules}");
}

#[test]
fn a_table_whose_name_has_changed_keeps_the_users_rules_alone() {
    for rule in [None, Some("tcp dport 81 drop")] {
        let first = Host::new();
        let mut second = Host::another();
        let (_container, endpoint) = {
            create(&mut second, options("lan", Some("10.77.0.0/24"))).unwrap();
            second.container("lan", &publishes(8095))
        };
        if let Some(rule) = rule {
            nft(&format!("add rule inet gantry1 user {rule}"));
        }
        first.networks.close();
        let told = options("", Some("10.200.0.0/24"));
        let second = second.reopen_with(told, vec![endpoint.clone()]);
        assert_eq!(default_device(&second), "gantry0");
        second.networks.release(&endpoint);
        let rules = ruleset();
        assert!(!rules.contains("8095"), "{rules}");
        assert_eq!(rules.contains("table inet gantry1"), rule.is_some(), "{rules}");
        assert!(rule.is_none_or(|rule| rules.contains(rule)), "{rules}");
        let links = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        assert!(!links.contains("gantry1"), "{links}");
    }
}

fn forwarding() -> String {
    std::fs::read_to_string(FORWARDING).unwrap().trim().to_owned()
}

fn default_device(host: &Host) -> String {
    host.networks.find("bridge").unwrap().bridge.unwrap().device
}

#[test]
fn two_daemons_never_share_a_bridge() {
    let first = Host::new();
    first.networks.close();
    let second = Host::another();
    assert_eq!(default_device(&second), "gantry0");
    // What the first one has in its database is now another's, name and address.
    let first = first.reopen(Vec::new());
    assert_eq!(first.networks.unavailable(), None);
    assert_eq!(default_device(&first), "gantry1");
    let rules = ruleset();
    assert!(rules.contains("table inet gantry0") && rules.contains("table inet gantry1"));
    first.networks.close();
    ip("link show gantry0");
    assert!(ruleset().contains("table inet gantry0"));
    second.networks.close();
    assert_eq!(ruleset(), "");
}

#[test]
fn the_host_routes_as_long_as_there_is_a_daemon_that_made_it_a_router() {
    let first = Host::new();
    assert_eq!(forwarding(), "1");
    let second = Host::another();
    first.networks.close();
    assert_eq!(forwarding(), "1");
    assert!(ruleset().contains("meta iifkind != \"bridge\""), "the second closes the rest, too");
    second.networks.close();
    assert_eq!((forwarding().as_str(), ruleset().as_str()), ("0", ""));
}

#[test]
fn a_host_that_was_a_router_stays_one() {
    let host = Host::new();
    host.networks.close();
    std::fs::write(FORWARDING, "1").unwrap();
    let host = host.reopen(Vec::new());
    host.networks.close();
    assert_eq!(forwarding(), "1");
}

#[test]
fn what_routes_for_another_bridge_stays_closed() {
    let host = Host::new();
    ip("link add other type bridge");
    host.networks.close();
    assert_eq!(forwarding(), "1");
    assert!(ruleset().contains("meta iifkind != \"bridge\""));
}

#[test]
fn one_network_that_fails_takes_no_other_with_it() {
    let mut host = Host::new();
    create(&mut host, options("mine", Some("10.5.0.0/24"))).unwrap();
    create(&mut host, options("other", Some("10.6.0.0/24"))).unwrap();
    let device = host.networks.find("mine").unwrap().bridge.unwrap().device;
    ip(&format!("link del {device}"));
    ip(&format!("link add {device} type bridge"));
    let mut host = host.reopen(Vec::new());
    assert_eq!(host.networks.unavailable(), None);
    host.container("other", &EndpointWish::default());
    let id = gantry_types::EndpointId::from_bytes([77; 32]);
    let error = host.networks.allocate(id, "mine", &EndpointWish::default()).unwrap_err();
    assert!(matches!(error, Error::Down { .. }), "{error}");
    // The stranger's bridge is not this daemon's to remove or to filter.
    assert!(!ruleset().contains(&device));
    host.networks.remove("mine").unwrap();
    ip(&format!("link show {device}"));
}

#[test]
fn a_subnet_that_the_host_uses_meanwhile_is_told() {
    let mut host = Host::new();
    create(&mut host, options("mine", Some("10.5.0.0/24"))).unwrap();
    let device = host.networks.find("mine").unwrap().bridge.unwrap().device;
    ip(&format!("link del {device}"));
    ip("link add elsewhere type veth peer name elsewhere2");
    ip("addr add 10.5.0.9/16 dev elsewhere");
    let host = host.reopen(Vec::new());
    let id = gantry_types::EndpointId::from_bytes([77; 32]);
    let error = host.networks.allocate(id, "mine", &EndpointWish::default()).unwrap_err();
    assert!(error.to_string().contains("Pool overlaps"), "{error}");
}

#[test]
fn a_tunnel_for_all_addresses_is_in_nobodys_way() {
    let mut host = Host::new();
    ip("link add tunnel type veth peer name far");
    ip("addr add 192.0.2.1/24 dev tunnel");
    ip("link set far up");
    ip("link set tunnel up");
    for half in ["0.0.0.0/1", "128.0.0.0/1"] {
        ip(&format!("route add {half} via 192.0.2.3"));
    }
    create(&mut host, options("mine", None)).unwrap();
    // Its own network is still the host's.
    let error = create(&mut host, options("other", Some("192.0.2.0/25"))).unwrap_err();
    assert!(matches!(error, Error::Overlap { .. }), "{error}");
    let host = host.reopen_with(options("", Some("10.200.0.0/24")), Vec::new());
    assert_eq!(host.networks.unavailable(), None);
}
