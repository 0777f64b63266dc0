//! The packet filter's tables, as `nft` lists them afterwards and as packets meet them.

use std::process::Command;

use gantry_netlink::nftables::{
    Base, Comparison, Element, Expression, Hook, KeyType, Loss, Losses, Nat, Register, Set,
    SetKind, Table, Verdict,
};
use gantry_netlink::{Request, Socket};
use gantry_sys::clone::{Namespaces, unshare};
use gantry_types::ErrorKind;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

/// A table in a new namespace of the calling thread.
fn table() -> (Socket, Table) {
    unshare(Namespaces::NETWORK).unwrap();
    (Socket::netfilter().unwrap(), Table::new("gantry-test"))
}

fn listed() -> String {
    let output = Command::new("nft").args(["list", "ruleset"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn port_map() -> Set {
    Set {
        name: "ports",
        kind: SetKind::Map(
            vec![KeyType::Protocol, KeyType::Port],
            vec![KeyType::Ipv4Address, KeyType::Port],
        ),
        limit: None,
    }
}

fn port(number: u16) -> Element {
    let mut key = vec![6, 0, 0, 0];
    key.extend([number.to_be_bytes()[0], number.to_be_bytes()[1], 0, 0]);
    Element::mapping(key, [172, 17, 0, 2, 0, 80, 0, 0])
}

fn destinations(table: &Table) -> Vec<Request> {
    let base = Base { kind: "nat", hook: Hook::Prerouting, priority: -100 };
    let mut requests = vec![
        table.add(),
        table.add_set(&port_map()),
        table.add_chain("to-ports", Some(base)),
        table.add_rule(
            "to-ports",
            &[
                Expression::DestinationType { to: Register::A },
                Expression::equals(Register::A, 2_u32.to_ne_bytes()),
                Expression::protocol(Register::A),
                Expression::Payload { base: 2, offset: 2, length: 2, to: Register::B },
                Expression::Map { register: Register::A, map: "ports".into(), to: Register::A },
                Expression::Nat(Nat::Destination4 { address: Register::A, port: Register::B }),
            ],
        ),
    ];
    requests.extend(table.add_elements("ports", &[port(8080), port(8081)]));
    requests
}

#[test]
fn a_map_of_ports_reads_in_nft_as_it_was_meant() {
    let (mut socket, table) = table();
    socket.commit(&destinations(&table)).unwrap();
    let text = listed();
    for line in [
        "type inet_proto . inet_service : ipv4_addr . inet_service",
        "tcp . 8080 : 172.17.0.2 . 80",
        "type nat hook prerouting priority dstnat; policy accept;",
        "fib daddr type local dnat ip to meta l4proto . th dport map @ports",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    // Elements come and go; the table goes with all it holds.
    socket.commit(&table.remove_elements("ports", &[port(8080)])).unwrap();
    assert!(!listed().contains("8080"), "{}", listed());
    socket.commit(&[table.add(), table.delete()]).unwrap();
    assert_eq!(listed(), "");
}

#[test]
fn a_filter_reads_in_nft_as_it_was_meant() {
    let (mut socket, table) = table();
    let bridges =
        Set { name: "bridges", kind: SetKind::Keys(vec![KeyType::DeviceName]), limit: Some(2) };
    let mut name = b"gantry0".to_vec();
    name.resize(16, 0);
    let mut requests = vec![
        table.add(),
        table.add_set(&bridges),
        table.add_chain("user", None),
        table.add_chain("forward", Some(Base { kind: "filter", hook: Hook::Forward, priority: 0 })),
        table.add_rule("forward", &[Expression::Verdict(Verdict::Jump("user".into()))]),
        table.add_rule(
            "forward",
            &[
                Expression::Connection { key: 0, to: Register::A },
                Expression::And { register: Register::A, mask: 6_u32.to_ne_bytes().to_vec() },
                Expression::Compare {
                    register: Register::A,
                    comparison: Comparison::NotEqual,
                    value: vec![0; 4],
                },
                Expression::Verdict(Verdict::Accept),
            ],
        ),
        table.add_rule(
            "forward",
            &[
                Expression::output_device(Register::A),
                Expression::Lookup {
                    register: Register::A,
                    set: "bridges".into(),
                    inverted: false,
                },
                Expression::Verdict(Verdict::Drop),
            ],
        ),
    ];
    requests.push(table.add_set(&Set {
        name: "subnets",
        kind: SetKind::Intervals(KeyType::Ipv4Address),
        limit: None,
    }));
    let subnet = Element::interval([10, 1, 0, 0], Some(vec![10, 2, 0, 0]));
    requests.extend(table.add_elements("subnets", &subnet));
    requests.extend(table.add_elements("bridges", &[Element::key(name)]));
    socket.commit(&requests).unwrap();
    let text = listed();
    for line in [
        "size 2",
        "elements = { \"gantry0\" }",
        "elements = { 10.1.0.0/16 }",
        "jump user",
        "ct state established,related accept",
        "oifname @bridges drop",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!socket.has_rules(&table, "user").unwrap());
    assert!(socket.has_rules(&table, "forward").unwrap());
    assert!(!socket.has_rules(&Table::new("nobody"), "user").unwrap());
}

#[test]
fn a_transaction_is_all_or_nothing() {
    let (mut socket, table) = table();
    let mut requests = destinations(&table);
    requests.push(table.flush_chain("nobody"));
    let error = socket.commit(&requests).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(error.to_string().contains("nobody"), "{error}");
    assert_eq!(listed(), "");
}

#[test]
fn thousands_of_elements_are_one_transaction() {
    let (mut socket, table) = table();
    socket.commit(&destinations(&table)).unwrap();
    let many: Vec<_> = (10_000..13_000).map(port).collect();
    socket.commit(&table.add_elements("ports", &many)).unwrap();
    assert_eq!(listed().matches("172.17.0.2").count(), 3002);
    socket.commit(&[table.flush_set("ports")]).unwrap();
    assert_eq!(listed().matches("172.17.0.2").count(), 0);
}

#[test]
fn thousands_of_requests_are_one_transaction() {
    let (mut socket, table) = table();
    let mut requests = destinations(&table);
    requests
        .extend((10_000..15_000).flat_map(|number| table.add_elements("ports", &[port(number)])));
    socket.commit(&requests).unwrap();
    assert_eq!(listed().matches("172.17.0.2").count(), 5002);
}

#[test]
fn a_transaction_that_is_refused_as_a_whole_ends() {
    let (mut socket, table) = table();
    let requests = destinations(&table);
    // Of this thread only: the kernel looks at whoever writes, too.
    let mut sets = capabilities(None).unwrap();
    let all = sets;
    sets.effective.remove(CapabilitySet::NET_ADMIN);
    set_capabilities(None, sets).unwrap();
    let error = socket.commit(&requests).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(1), "{error:?}");
    set_capabilities(None, all).unwrap();
    // And nothing is left of it that a later one could take for its own.
    socket.commit(&requests).unwrap();
    assert!(listed().contains("tcp . 8080"));
}

#[test]
fn what_is_taken_out_is_told_and_by_whom() {
    let (mut socket, table) = table();
    let mut losses = Losses::subscribe().unwrap();
    socket.commit(&destinations(&table)).unwrap();
    assert_eq!(losses.take().unwrap(), []);
    let own = socket.number().unwrap();
    socket.commit(&[table.flush_chain("to-ports")]).unwrap();
    let of = |chain: Option<&str>, by| Loss::Of {
        table: "gantry-test".into(),
        chain: chain.map(str::to_owned),
        by,
    };
    assert_eq!(losses.take().unwrap(), [of(Some("to-ports"), own)]);
    assert!(Command::new("nft").args(["flush", "ruleset"]).status().unwrap().success());
    let told = losses.take().unwrap();
    let of_others = told.iter().filter(|loss| matches!(loss, Loss::Of { by, .. } if *by != own));
    assert_eq!(of_others.count(), told.len());
    assert!(told.iter().any(|loss| matches!(loss, Loss::Of { chain: None, .. })), "{told:?}");
    assert_eq!(losses.take().unwrap(), []);
}
