//! Devices and addresses, as the kernel has them afterwards.

use std::fs::File;
use std::os::fd::AsFd;

use gantry_netlink::route::{Link, LinkName};
use gantry_netlink::{Error, Request, Socket};
use gantry_sys::clone::{Namespaces, unshare};
use gantry_types::ErrorKind;

/// A new namespace for the calling thread, with a device in it (and the other end of its pair).
fn namespace_with(name: &str) -> (Socket, Link) {
    unshare(Namespaces::NETWORK).unwrap();
    let mut socket = Socket::route().unwrap();
    // RTM_NEWLINK with IFLA_IFNAME and IFLA_LINKINFO's kind.
    let request = Request::new(16, 0x400 | 0x200, "make a device")
        .body(&[0; 16])
        .text(3, name)
        .nested(18, |info| info.text(1, "veth"));
    socket.send(&[request]).unwrap();
    let link = socket.link(&parse(name)).unwrap().unwrap();
    (socket, link)
}

fn parse(name: &str) -> LinkName {
    name.parse().unwrap()
}

/// `RTM_NEWADDR` with `IFA_LOCAL` and `IFA_ADDRESS`, and perhaps a label.
fn address(link: &Link, prefix: u8, bytes: &[u8], label: Option<&str>) -> Request {
    let family = if bytes.len() == 4 { 2 } else { 10 };
    let mut body = [family, prefix, 0, 0, 0, 0, 0, 0];
    body[4..].copy_from_slice(&link.index.to_ne_bytes());
    let request = Request::new(20, 0x400 | 0x200, "add an address")
        .body(&body)
        .attribute(2, bytes)
        .attribute(1, bytes);
    match label {
        Some(label) => request.text(3, label),
        None => request,
    }
}

#[test]
fn devices_are_found_renamed_and_set_up() {
    let (mut socket, link) = namespace_with("first0");
    assert!(!link.is_up());
    assert_eq!(socket.link(&parse("nobody0")).unwrap(), None);
    socket.send(&[link.rename(&parse("second0")), link.up()]).unwrap();
    let found = socket.link(&parse("second0")).unwrap().unwrap();
    assert!(found.is_up() && found.index == link.index);
    let names: Vec<_> = socket.links().unwrap().into_iter().map(|link| link.name).collect();
    assert!(names.contains(&"lo".to_owned()) && names.contains(&"second0".to_owned()), "{names:?}");
}

#[test]
fn the_first_refusal_of_a_batch_is_named_and_the_rest_is_done() {
    let (mut socket, link) = namespace_with("batch0");
    let nobody = Link {
        index: 4711,
        name: "nobody0".into(),
        flags: 0,
        kind: None,
        alias: None,
        master: None,
    };
    let error = socket.send(&[nobody.up(), link.rename(&parse("lo")), link.up()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("nobody0"), "{error}");
    assert!(socket.link(&parse("batch0")).unwrap().unwrap().is_up());
    let taken = socket.send(&[link.rename(&parse("lo"))]).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Conflict);
    assert!(matches!(taken, Error::Refused { .. }));
}

#[test]
fn a_device_moves_and_gets_its_addresses_again() {
    let (mut target, _) = namespace_with("other0");
    let there = File::open("/proc/thread-self/ns/net").unwrap();
    let (mut source, link) = namespace_with("moved0");
    source
        .send(&[
            address(&link, 24, &[192, 0, 2, 7], Some("moved0:x")),
            address(&link, 64, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9], None),
            link.up(),
        ])
        .unwrap();
    let addresses = source.addresses(&link).unwrap();
    // Besides these two there is a link-local one of the kernel's.
    let kept: Vec<_> =
        addresses.into_iter().filter(|it| it.is_global() && it.is_permanent()).collect();
    assert_eq!(kept.len(), 2, "{kept:?}");

    source.send(&[link.move_to(there.as_fd(), &parse("lan0"))]).unwrap();
    assert_eq!(source.link(&parse("moved0")).unwrap(), None);
    let moved = target.link(&parse("lan0")).unwrap().unwrap();
    assert!(!moved.is_up() && target.addresses(&moved).unwrap().is_empty());
    let old = parse("moved0");
    let mut requests: Vec<_> = kept.iter().map(|address| address.add_to(&moved, &old)).collect();
    requests.push(moved.up());
    target.send(&requests).unwrap();
    let again = target.addresses(&moved).unwrap();
    let global: Vec<_> = again.iter().filter(|it| it.is_global()).collect();
    assert_eq!(
        global.iter().map(|it| (it.family, it.prefix)).collect::<Vec<_>>(),
        [(2, 24), (10, 64)]
    );
}
