//! What cannot be: each is refused with a sentence that names it, nothing is half made, and who is there goes on.

use super::{Place, page};

/// What the host has of networks: links, addresses, routes, rules. What the kernel adds by itself to a link that comes up is no part of it.
fn traces(place: &Place) -> [String; 4] {
    let links = place.host.prints("ip", &["-o", "link"]);
    let names = links.lines().filter_map(|line| line.split(": ").nth(1)).collect::<Vec<_>>();
    [
        names.join(" "),
        place.host.prints("ip", &["-o", "addr", "show", "scope", "global"]),
        place.host.prints("ip", &["route"]),
        place.host.prints("nft", &["list", "ruleset"]),
    ]
}

/// Flags of `network create`, and what is said of them.
const NETWORKS: &[(&[&str], &str)] = &[
    (&["--subnet", "10.50.0.0/24", "x"], "Pool overlaps with other one on this address space"),
    (&["--subnet", "10.50.0.128/25", "x"], "10.50.0.128/25 is used by the network one"),
    (&["--subnet", "10.0.0.0/8", "x"], "10.0.0.0/8 is used by the network one"),
    (&["--subnet", "192.0.2.0/24", "x"], "192.0.2.0/24 is used by an address of this host"),
    (&["--subnet", "172.17.0.0/16", "x"], "is used by the network bridge"),
    (&["--subnet", "10.51.0.7/24", "x"], "it should be 10.51.0.0/24"),
    (&["--subnet", "10.51.0.0/33", "x"], "invalid subnet: \"10.51.0.0/33\""),
    (&["--subnet", "everything", "x"], "invalid subnet: \"everything\""),
    (
        &["--subnet", "10.51.0.0/24", "--subnet", "10.52.0.0/24", "x"],
        "doesn't support multiple subnets",
    ),
    (&["--subnet", "10.51.0.0/24", "--subnet", "10.51.0.0/25", "x"], "multiple overlapping subnet"),
    (
        &["--subnet", "10.51.0.0/24", "--gateway", "10.52.0.1", "x"],
        "no matching subnet for gateway 10.52.0.1",
    ),
    (&["--subnet", "10.51.0.0/24", "--gateway", "10.51.0.255", "x"], "that of its broadcasts"),
    (
        &["--subnet", "10.51.0.0/24", "--gateway", "10.51.0.1", "--gateway", "10.51.0.2", "x"],
        "cannot configure multiple gateways",
    ),
    (
        &["--subnet", "10.51.0.0/24", "--ip-range", "10.52.0.0/25", "x"],
        "no matching subnet for range 10.52.0.0/25",
    ),
    (
        &["--subnet", "10.51.0.0/24", "--ip-range", "10.51.0.0/16", "x"],
        "no configured subnet contains",
    ),
    (
        &[
            "--subnet",
            "10.51.0.0/24",
            "--aux-address",
            "a=10.51.0.1",
            "--gateway",
            "10.51.0.1",
            "x",
        ],
        "Address already in use: 10.51.0.1",
    ),
    (&["--gateway", "10.51.0.1", "x"], "must have a corresponding subnet"),
    (&["--ipv6", "--subnet", "fd00:1::1/64", "x"], "it should be fd00:1::/64"),
    (&["--subnet", "fd00:1::/64", "x"], "give --ipv6, too"),
    (&["--ipv4=false", "x"], "IPv4 or IPv6 must be enabled"),
    (&["one"], "network with name one already exists"),
    (&["a b"], "invalid network name \"a b\""),
    (&["../x"], "invalid network name \"../x\""),
    (&["container"], "means something else"),
    (&["-d", "nothing", "x"], "could not find plugin nothing"),
    (&["-d", "host", "x"], "only one instance of \"host\" network is allowed"),
    (&["-d", "overlay", "x"], "This node is not a swarm manager"),
    (&["-o", "com.docker.network.driver.mtu=1", "x"], "invalid MTU \"1\""),
    (&["-o", "com.docker.network.bridge.name=lo", "x"], "lo is there already"),
    (
        &["-o", "com.docker.network.bridge.name=much-too-long-for-it", "x"],
        "cannot be the name of a network device",
    ),
    (&["-o", "com.docker.network.bridge.gateway_mode_ipv4=isolated", "x"], "invalid option"),
    (&["-o", "com.docker.network.bridge.unheard=1", "x"], "is not known"),
    (&["-d", "macvlan", "-o", "parent=nowhere", "x"], "nowhere"),
    (&["-d", "macvlan", "-o", "parent=wire.9999", "x"], "1 to 4094"),
    (&["--config-from", "one", "x"], "is not a configuration network"),
];

/// Commands about networks and ports that are not so.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["network", "rm", "one"], "network one id"),
    (&["network", "rm", "one"], "has active endpoints (1)"),
    (&["network", "rm", "bridge"], "bridge is a pre-defined network and cannot be removed"),
    (&["network", "rm", "nowhere"], "network nowhere not found"),
    (&["network", "inspect", "nowhere"], "network nowhere not found"),
    (&["network", "connect", "nowhere", "web"], "network nowhere not found"),
    (&["network", "disconnect", "bridge", "web"], "is not connected to the network bridge"),
    (&["port", "web", "http"], "invalid port \"http\""),
    (&["port", "web", "81"], "No public port '81' published for web"),
    (&["port", "nobody"], "No such container: nobody"),
];

#[test]
fn networks_that_cannot_be_are_refused() {
    let place = Place::new();
    let daemon = &place.daemon;
    daemon.ok(&["network", "create", "--subnet", "10.50.0.0/24", "one"]);
    place.serve("web", &["--network", "one", "-p", "8080:80"]);
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
    let before = traces(&place);
    for (flags, says) in NETWORKS {
        let words = [&["network", "create"], *flags].concat();
        daemon.gantry(&words).run().exits(1).plainly().complains(says);
        assert_eq!(traces(&place), before, "{words:?}");
    }
    let names = daemon.ok(&["network", "ls", "--format", "{{.Name}}"]);
    assert_eq!(names.lines().collect::<Vec<_>>(), ["bridge", "host", "none", "one"]);
    for (words, says) in COMMANDS {
        daemon.gantry(words).run().exits(1).plainly().complains(says);
    }
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
    assert_eq!(traces(&place), before);
}

/// Flags of `run`, and what is said of them.
const CONNECTIONS: &[(&[&str], &str)] = &[
    (&["--network", "one", "--ip", "10.50.0.2"], "Address already in use: 10.50.0.2"),
    (&["--network", "one", "--ip", "10.50.0.1"], "Address already in use: 10.50.0.1"),
    (
        &["--network", "one", "--ip", "10.51.0.2"],
        "no configured subnet contains IP address 10.51.0.2",
    ),
    (&["--network", "one", "--ip", "10.50.0.7"], "that of its broadcasts"),
    (&["--network", "one", "--ip", "10.50.0.300"], "10.50.0.300"),
    (
        &["--network", "one", "--ip6", "fd00:51::2"],
        "no configured subnet contains IP address fd00:51::2",
    ),
    (&["--network", "one", "--ip6", "fd00:50::1"], "Address already in use: fd00:50::1"),
    (&["--network", "two", "--ip6", "fd00:50::9"], "has no IPv6 addresses"),
    (&["--ip", "172.17.0.9"], "supported on user defined networks only"),
    (&["--network-alias", "a"], "only supported for user-defined networks"),
    (&["--network", "one", "--mac-address", "nonsense"], "nonsense"),
    (
        &["--network", "one", "--mac-address", "01:00:00:00:00:01"],
        "invalid MAC address: 01:00:00:00:00:01",
    ),
    (&["--network", "one", "--mac-address", "00:00:00:00:00:00"], "invalid MAC address"),
    (&["--network", "one", "--mac-address", "02:00:00:00:00"], "02:00:00:00:00"),
    (&["--network", "one", "--network", "one"], "specified multiple times"),
    (&["--network", "nowhere"], "network nowhere not found"),
    (&["--network", "one", "--network", "host"], "host"),
    (&["-p", "8080:80"], "Bind for 0.0.0.0:8080 failed: port is already allocated"),
    (&["-p", "8081:80/udp"], "Bind for 0.0.0.0:8081 failed: port is already allocated"),
    (&["-p", "9000:80", "-p", "9000:81"], "failed to bind host port 0.0.0.0:9000/tcp"),
    (
        &["-p", "198.51.100.7:9000:80"],
        "failed to bind host port 198.51.100.7:9000/tcp: Cannot assign requested address",
    ),
    (&["-p", "70000:80"], "70000"),
    (&["-p", "80:80/icmp"], "icmp"),
    (&["-p", "9000-9001:80-82"], "9000-9001"),
    (&["--add-host", "db:nonsense"], "nonsense"),
    (&["--dns", "nonsense"], "nonsense"),
    (&["--link", "nobody"], "nobody"),
];

#[test]
fn containers_that_cannot_be_connected_are_refused() {
    let place = Place::new();
    let daemon = &place.daemon;
    let create = [
        "network",
        "create",
        "--subnet",
        "10.50.0.0/29",
        "--ipv6",
        "--subnet",
        "fd00:50::/64",
        "one",
    ];
    daemon.ok(&create);
    daemon.ok(&["network", "create", "--subnet", "10.51.0.0/24", "two"]);
    place.serve(
        "web",
        &["--network", "one", "--ip", "10.50.0.2", "-p", "8080:80", "-p", "8081:81/udp"],
    );
    let before = traces(&place);
    for (flags, says) in CONNECTIONS {
        let words = [&["run", "--rm"], *flags, &["busybox", "true"]].concat();
        daemon.gantry(&words).run().exits(125).plainly().complains(says);
        assert_eq!(traces(&place), before, "{words:?}");
    }
    assert_eq!(daemon.ok(&["ps", "-a", "--format", "{{.Names}}"]), "web");
    // A full subnet: 10.50.0.1 to .6, of which two are taken.
    for number in 3..=6 {
        let name = format!("box{number}");
        daemon.ok(&["run", "-d", "--name", &name, "--network", "one", "busybox", "sleep", "1000"]);
    }
    let full = ["run", "--rm", "--network", "one", "busybox", "true"];
    let says = "no available IPv4 addresses on this network's address pools: one (10.50.0.0/29)";
    daemon.gantry(&full).run().exits(125).plainly().complains(says);
    daemon.ok(&["rm", "-f", "box3"]);
    daemon.ok(&full);
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
}
