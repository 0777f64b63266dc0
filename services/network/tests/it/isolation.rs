//! Who reaches whom: each gateway mode in both families, from outside, from other networks and from the host; and who pretends to be
//! somebody else.

use std::fs::File;
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use gantry_network::{Endpoint, EndpointWish};

use crate::host::{Host, inside, ip, ruleset};
use crate::relayed::{both, call, is_cut_off, network, outside, port, serve};

/// A network of some mode with a container that has port 80 published at 8080 and serves 81 besides, a neighbour of its, a container of
/// another network, and a machine outside.
struct Scene {
    _host: Host,
    outside: File,
    server: File,
    neighbour: File,
    other: File,
    endpoint: Endpoint,
}

impl Scene {
    fn new(mode: &str) -> Self {
        let mut host = Host::new();
        let options = [("gateway_mode_ipv4", mode), ("gateway_mode_ipv6", mode)];
        // Only internal networks can do without a gateway.
        let name = if mode == "isolated" { "inner" } else { "own" };
        network(&mut host, name, Some("fd00:6::/64"), &options);
        network(&mut host, "other", Some("fd00:7::/64"), &[]);
        let outside = outside();
        serve(&outside, 80);
        let (server, endpoint) = host.container(name, &port(None, 8080));
        let (neighbour, _) = host.container(name, &EndpointWish::default());
        let (other, _) = host.container("other", &EndpointWish::default());
        serve(&server, 80);
        serve(&server, 81);
        Self { _host: host, outside, server, neighbour, other, endpoint }
    }
}

/// What is open: to the outside the own addresses (published port, any port), the host's published port; to others' containers the
/// published port at the own address.
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
struct Open {
    own_published: bool,
    own_other: bool,
    by_host: bool,
    to_containers: bool,
}

#[test]
fn nat_lets_published_ports_in_by_the_host() {
    let open = Open { own_published: false, own_other: false, by_host: true, to_containers: false };
    check("nat", &open);
}

#[test]
fn an_unprotected_network_is_open_to_the_outside_alone() {
    let open = Open { own_published: true, own_other: true, by_host: true, to_containers: false };
    check("nat-unprotected", &open);
}

#[test]
fn a_routed_network_has_its_published_ports_at_its_containers() {
    let open = Open { own_published: true, own_other: false, by_host: false, to_containers: true };
    check("routed", &open);
}

#[test]
fn an_isolated_network_is_its_containers_own() {
    let open =
        Open { own_published: false, own_other: false, by_host: false, to_containers: false };
    let scene = check("isolated", &open);
    for own in both(&scene.endpoint, 81) {
        assert!(is_cut_off(None, &own), "the host reaches {own}");
    }
    // Nobody has the gateway's address; who takes the host's by force finds no way either.
    inside(&scene.server, || {
        ip("addr add 10.99.0.1/32 dev eth0");
        ip("route add default dev eth0");
        ip("-6 route add default dev eth0");
    });
    let host = File::open("/proc/thread-self/ns/net").unwrap();
    serve(&host, 82);
    for to in ["192.0.2.2:80", "[fd00:2::2]:80", "192.0.2.1:82", "[fd00:2::1]:82"] {
        assert!(is_cut_off(Some(&scene.server), to), "{to} is reached");
    }
}

fn check(mode: &str, open: &Open) -> Scene {
    let scene = Scene::new(mode);
    let expect = |who: &str, from: &File, to: &str, is_open: bool| {
        if is_open {
            assert!(call(Some(from), to).is_some(), "{mode}: {who} → {to}\n{}", ruleset());
        } else {
            assert!(is_cut_off(Some(from), to), "{mode}: {who} reaches {to}\n{}", ruleset());
        }
    };
    let Scene { outside, neighbour, other, endpoint, .. } = &scene;
    // What is cut off takes its time: all at once.
    thread::scope(|scope| {
        let mut jobs = Vec::new();
        for (number, own_port) in [80, 81].into_iter().enumerate() {
            let is_published = number == 0;
            let from_outside = if is_published { open.own_published } else { open.own_other };
            let from_others = is_published && open.to_containers;
            for to in both(endpoint, own_port) {
                jobs.push(("outside", outside, to.clone(), from_outside));
                jobs.push(("another network", other, to.clone(), from_others));
                jobs.push(("a neighbour", neighbour, to, true));
            }
        }
        for to in ["192.0.2.1:8080", "[fd00:2::1]:8080"] {
            jobs.push(("outside", outside, to.to_owned(), open.by_host));
            jobs.push(("another network", other, to.to_owned(), open.by_host));
        }
        for (who, from, to, is_open) in jobs {
            scope.spawn(move || expect(who, from, &to, is_open));
        }
    });
    scene
}

#[test]
fn nobody_goes_out_under_another_s_address() {
    for mode in ["nat", "nat-unprotected", "routed"] {
        // Each has a host of its own, which is the thread's.
        let run = thread::spawn(move || {
            let scene = Scene::new(mode);
            inside(&scene.outside, || ip("route add default via 192.0.2.1"));
            for to in ["192.0.2.2:80", "[fd00:2::2]:80"] {
                assert!(call(Some(&scene.neighbour), to).is_some(), "{mode}: {to}");
            }
            let (other4, other6) = ("172.19.0.77", "fd00:7::77");
            inside(&scene.neighbour, || {
                ip(&format!("addr add {other4}/32 dev eth0"));
                ip(&format!("addr add {other6}/128 dev eth0 nodad"));
                ip(&format!("route change default via 172.18.0.1 src {other4}"));
                ip(&format!("-6 route change default via fd00:6::1 dev eth0 src {other6}"));
            });
            for to in ["192.0.2.2:80", "[fd00:2::2]:80", "192.0.2.1:8080", "[fd00:2::1]:8080"] {
                assert!(is_cut_off(Some(&scene.neighbour), to), "{mode}: as another to {to}");
            }
        });
        run.join().unwrap();
    }
}

fn listen(namespace: &File, address: &str) -> UdpSocket {
    inside(namespace, || UdpSocket::bind(address).unwrap())
}

#[test]
fn nobody_outside_passes_for_a_container() {
    let scene = Scene::new("nat-unprotected");
    let (server4, server6) =
        (listen(&scene.server, "0.0.0.0:9000"), listen(&scene.server, "[::]:9001"));
    let [own4, _] = both(&scene.endpoint, 9000);
    let [_, own6] = both(&scene.endpoint, 9001);
    inside(&scene.outside, || {
        // A neighbour's addresses, as that container knows them.
        ip("addr add 172.18.0.200/32 dev far");
        ip("addr add fd00:6::200/128 dev far nodad");
        for (bind, to, text) in [
            ("192.0.2.2:0", &own4, "honest"),
            ("172.18.0.200:0", &own4, "liar"),
            ("[fd00:2::2]:0", &own6, "honest"),
            ("[fd00:6::200]:0", &own6, "liar"),
        ] {
            let socket = UdpSocket::bind(bind).unwrap();
            socket.send_to(text.as_bytes(), to.as_str()).unwrap();
        }
    });
    for server in [&server4, &server6] {
        let mut bytes = [0; 16];
        server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let first =
            server.recv_from(&mut bytes).unwrap_or_else(|error| panic!("{server:?}: {error}"));
        assert_eq!(&bytes[..first.0], b"honest");
        server.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let second = server.recv_from(&mut bytes);
        assert!(second.is_err(), "{second:?}\n{}", ruleset());
    }
}

#[test]
fn a_port_on_the_loopback_of_ipv6_is_the_host_s_alone() {
    let mut host = Host::new();
    let outside = outside();
    let (server, _) = host.container("bridge", &port(Some("::1"), 8080));
    network(&mut host, "six", Some("fd00:6::/64"), &[]);
    let (neighbour, _) = host.container("six", &EndpointWish::default());
    serve(&server, 80);
    assert!(call(None, "[::1]:8080").is_some());
    assert!(is_cut_off(Some(&outside), "[fd00:2::1]:8080"));
    assert!(is_cut_off(Some(&neighbour), "[fd00:6::1]:8080"));
    // Packets for ::1 that come by the wire.
    for (namespace, device, via) in
        [(&outside, "far", "fd00:2::1"), (&neighbour, "eth0", "fd00:6::1")]
    {
        inside(namespace, || {
            ip("addr del ::1/128 dev lo");
            ip(&format!("-6 route add ::1/128 via {via} dev {device}"));
        });
        assert!(is_cut_off(Some(namespace), "[::1]:8080"), "by {device}");
    }
}
