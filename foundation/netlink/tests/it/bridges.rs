//! Bridges, pairs that are born in two namespaces, and the way out of one.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::thread;

use gantry_netlink::Socket;
use gantry_netlink::route::{
    LinkName, Peer, add_address, default_route, make_bridge, make_veth, set_alias, set_up,
};
use gantry_sys::clone::{Namespaces, unshare};

fn name(text: &str) -> LinkName {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_pair_joins_a_bridge_and_another_namespace() {
    let (inside, there) = thread::spawn(|| {
        unshare(Namespaces::NETWORK).unwrap();
        (Socket::route().unwrap(), File::open("/proc/thread-self/ns/net").unwrap())
    })
    .join()
    .unwrap();
    let mut inside = inside;
    unshare(Namespaces::NETWORK).unwrap();
    let mut host = Socket::route().unwrap();
    let mac = [2, 0x42, 1, 2, 3, 4];
    host.send(&[make_bridge(&name("bridge7"), mac, 1400), set_alias(&name("bridge7"), "mine")])
        .unwrap();
    let bridge = host.link(&name("bridge7")).unwrap().unwrap();
    assert_eq!((bridge.kind.as_deref(), bridge.alias.as_deref()), (Some("bridge"), Some("mine")));
    host.send(&[add_address(&bridge, address("10.9.0.1"), 24), bridge.up()]).unwrap();

    let peer = Peer { name: &name("eth0"), namespace: there.as_fd(), mac: [2, 0x42, 10, 9, 0, 2] };
    let veth = name("veth7");
    host.send(&[make_veth(&veth, bridge.index, 1400, peer), set_up(&veth)]).unwrap();
    assert!(host.link(&name("veth7")).unwrap().unwrap().is_up());
    assert!(host.link(&name("eth0")).unwrap().is_none());

    let eth0 = inside.link(&name("eth0")).unwrap().unwrap();
    inside
        .send(&[
            add_address(&eth0, address("10.9.0.2"), 24),
            add_address(&eth0, address("fd00:9::2"), 64),
            eth0.up(),
            default_route(&eth0, address("10.9.0.1")),
        ])
        .unwrap();
    assert!(inside.all_addresses().unwrap().contains(&(eth0.index, address("10.9.0.2"), 24)));
    assert!(inside.all_addresses().unwrap().contains(&(eth0.index, address("fd00:9::2"), 64)));
    assert!(inside.destinations().unwrap().contains(&(address("10.9.0.0"), 24)));
    assert!(host.destinations().unwrap().contains(&(address("10.9.0.0"), 24)));

    let veth = host.link(&name("veth7")).unwrap().unwrap();
    host.send(&[veth.enslave_to(0), veth.delete(), bridge.delete()]).unwrap();
    assert!(inside.link(&name("eth0")).unwrap().is_none());
    assert!(host.link(&name("bridge7")).unwrap().is_none());
}
