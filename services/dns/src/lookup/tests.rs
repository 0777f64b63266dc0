//! Questions and answers without a socket.

use super::*;
use crate::message::{HEADER, MAX_NAME};

/// A question as a client writes it.
fn question(name: &str, kind: u16, edns: Option<u16>) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns.is_some())];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    if let Some(size) = edns {
        bytes.extend([0, 0, 41]);
        bytes.extend(size.to_be_bytes());
        bytes.extend([0; 6]);
    }
    bytes
}

fn place(network: &str, names: &[&str], addresses: &[&str]) -> Place {
    Place {
        network: network.to_owned(),
        network_name: format!("{network}net"),
        names: names.iter().map(ToString::to_string).collect(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        ports: vec![ServicePort { number: 80, protocol: "tcp" }],
    }
}

fn names() -> Names {
    let mut names = Names::default();
    names.set("c1", vec![place("a", &["web", "pool"], &["10.0.0.1", "fd00::1"])]);
    names.set("c2", vec![place("a", &["my.db", "pool"], &["10.0.0.2"])]);
    names.set("c3", vec![place("b", &["far"], &["10.1.0.3"])]);
    names.set("c4", vec![place("c", &["web"], &["10.2.0.4"])]);
    names
}

fn view() -> View {
    View {
        networks: vec!["a".into(), "c".into()],
        links: vec![("database".into(), "my.db".into()), ("gone".into(), "nobody".into())],
        upstreams: Upstreams::None,
    }
}

/// The data of an answer's records, as long as they are of one kind; nothing when it is forwarded.
fn ask(name: &str, kind: u16, turn: usize) -> Option<Vec<Vec<u8>>> {
    let bytes = question(name, kind, None);
    let query = Query::parse(&bytes).unwrap();
    let mut room = [0; 512];
    let Reply::Written(length) = reply(&names(), &view(), &query, turn, (&mut room, 512)) else {
        return None;
    };
    let (mut at, mut records) = (bytes.len(), Vec::new());
    for _ in 0..room[7] {
        assert_eq!(room[at..at + 2], [0xc0, 12]);
        let size = usize::from(room[at + 11]);
        records.push(room[at + 12..at + 12 + size].to_vec());
        at += 12 + size;
    }
    assert!(at <= length);
    Some(records)
}

#[test]
fn names_are_known_within_the_networks_of_the_asker() {
    for (name, wanted) in [
        ("web", Some(vec![vec![10, 0, 0, 1]])),
        ("WEB", Some(vec![vec![10, 0, 0, 1]])),
        ("web.anet", Some(vec![vec![10, 0, 0, 1]])),
        ("web.cnet", Some(vec![vec![10, 2, 0, 4]])),
        ("my.db", Some(vec![vec![10, 0, 0, 2]])),
        ("my.db.anet", Some(vec![vec![10, 0, 0, 2]])),
        ("database", Some(vec![vec![10, 0, 0, 2]])),
        ("pool", Some(vec![vec![10, 0, 0, 1], vec![10, 0, 0, 2]])),
        ("far", None),
        ("far.bnet", None),
        ("gone", None),
        ("web.bnet", None),
        ("example.com", None),
        ("", None),
    ] {
        assert_eq!(ask(name, kind::A, 0), wanted, "{name}");
    }
}

#[test]
fn those_with_one_name_take_turns() {
    let first = |turn| ask("pool", kind::A, turn).unwrap()[0][3];
    assert_eq!([first(0), first(1), first(2)], [1, 2, 1]);
}

#[test]
fn a_family_that_a_known_name_lacks_is_answered_empty() {
    assert_eq!(ask("web", kind::AAAA, 0).unwrap()[0][..3], [0xfd, 0, 0]);
    assert_eq!(ask("my.db", kind::AAAA, 0), Some(vec![]));
    assert_eq!(ask("web", 15, 0), Some(vec![]), "mail exchangers");
    assert_eq!(ask("web", kind::PTR, 0), Some(vec![]));
    assert_eq!(ask("web", kind::ANY, 0).unwrap().len(), 2);
}

#[test]
fn addresses_have_names() {
    assert_eq!(ask("1.0.0.10.in-addr.arpa", kind::PTR, 0).unwrap()[0], b"\x03web\x04anet\x00");
    let six = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
    assert_eq!(ask(six, kind::PTR, 0).unwrap()[0], b"\x03web\x04anet\x00");
    for unknown in ["9.0.0.10.in-addr.arpa", "0.0.10.in-addr.arpa", "1.1.0.0.10.in-addr.arpa"] {
        assert_eq!(ask(unknown, kind::PTR, 0), None, "{unknown}");
    }
    assert_eq!(ask("3.0.1.10.in-addr.arpa", kind::PTR, 0), None, "not the asker's network");
}

#[test]
fn services_lead_to_those_who_serve_them() {
    let records = ask("_http._tcp.pool", kind::SRV, 0).unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0], b"\0\0\0\0\0\x50\x03web\x04anet\x00");
    assert_eq!(ask("_80._tcp.web", kind::SRV, 0).unwrap().len(), 1);
    assert_eq!(ask("_81._tcp.web", kind::SRV, 0), Some(vec![]));
    assert_eq!(ask("_80._udp.web", kind::SRV, 0), Some(vec![]));
    for unknown in ["_80._tcp.nobody", "_80._tcp", "_what._tcp.web", "80.tcp.web"] {
        assert_eq!(ask(unknown, kind::SRV, 0), None, "{unknown}");
    }
}

#[test]
fn an_answer_stays_within_what_the_client_takes() {
    let mut names = Names::default();
    for number in 0..200_u8 {
        let address = format!("10.0.0.{number}");
        names.set(&address, vec![place("a", &["all"], &[&address])]);
    }
    let mut view = view();
    view.links.clear();
    for (edns, limit, count, truncated) in [
        (None, 512, 30, true),
        (Some(100), 512, 30, true),
        (Some(1232), 1232, 75, true),
        (Some(8192), 8192, 200, false),
    ] {
        let bytes = question("all", kind::A, edns);
        let query = Query::parse(&bytes).unwrap();
        let mut room = [0; 8192];
        let written = reply(&names, &view, &query, 0, (&mut room, query.limit()));
        let Reply::Written(length) = written else { panic!("{written:?}") };
        assert!(length <= limit, "{length}");
        assert_eq!((room[7], room[2] & 2 != 0), (count, truncated), "{edns:?}");
        assert_eq!(room[11], u8::from(edns.is_some()));
        assert_eq!(room[HEADER..query.question_end], bytes[HEADER..query.question_end]);
    }
}

#[test]
fn long_names_of_containers_are_left_out_of_answers() {
    let mut names = Names::default();
    let long = "x".repeat(64);
    names.set("c", vec![place("a", &[&long], &["10.0.0.1"])]);
    let bytes = question("1.0.0.10.in-addr.arpa", kind::PTR, None);
    let query = Query::parse(&bytes).unwrap();
    let mut room = [0; 512];
    let written = reply(&names, &view(), &query, 0, (&mut room, 512));
    assert_eq!(written, Reply::Written(bytes.len()));
    assert_eq!(room[7], 0);
    assert!(long.len() < MAX_NAME);
}
