//! Ports that are bound, where a network says, and when they are free again.

use std::net::{TcpListener, TcpStream};

use super::*;

fn wish(host_address: Option<&str>, ports: Option<RangeInclusive<u16>>) -> PortWish {
    let host_address = host_address.map(|text| text.parse().unwrap());
    PortWish { protocol: PortProtocol::Tcp, port: 80, host_address, host_ports: ports }
}

fn take(wishes: &[PortWish]) -> Result<(Vec<Published>, Held)> {
    bind(wishes, &BridgeOptions::default(), &SctpPorts::default())
}

#[test]
fn a_taken_port_is_told_and_a_range_goes_on() {
    let loopback = |ports| wish(Some("127.0.0.1"), ports);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().port();
    let error = take(&[loopback(None), loopback(Some(taken..=taken))]).unwrap_err().to_string();
    assert!(error.starts_with(&format!("failed to bind host port 127.0.0.1:{taken}/tcp: ")));
    let error = take(&[wish(None, Some(taken..=taken))]).unwrap_err().to_string();
    assert!(error.starts_with(&format!("failed to bind host port 0.0.0.0:{taken}/tcp: ")));
    if let Some(next) = taken.checked_add(1) {
        let (published, held) = take(&[loopback(Some(taken..=next))]).unwrap();
        assert_eq!(published[0].host_port, next);
        TcpListener::bind(("127.0.0.1", next)).unwrap_err();
        drop(held);
        TcpListener::bind(("127.0.0.1", next)).unwrap();
    }
}

#[test]
fn one_that_nobody_chose_is_the_same_for_both_families() {
    let (published, held) = take(&[wish(None, None), wish(None, None)]).unwrap();
    let places: Vec<_> = published.iter().map(|it| (it.host_address, it.host_port)).collect();
    let (one, two) = (published[0].host_port, published[2].host_port);
    assert_ne!(one, two);
    assert_eq!(
        places,
        [(EVERY_IPV4, one), (EVERY_IPV6, one), (EVERY_IPV4, two), (EVERY_IPV6, two)]
    );
    let (_, errors) = bind_again(&published, &SctpPorts::default());
    assert_eq!(errors.len(), 2);
    drop(held);
    let (_held, errors) = bind_again(&published, &SctpPorts::default());
    assert!(errors.is_empty(), "{errors:?}");
    TcpStream::connect(("127.0.0.1", one)).unwrap();
    TcpStream::connect(("::1", two)).unwrap();
}

#[test]
fn a_network_says_where_ports_are_that_say_nothing() {
    let options = |host_binding: Option<&str>, gateway_mode4| BridgeOptions {
        host_binding: host_binding.map(|text| text.parse().unwrap()),
        gateway_mode4,
        ..BridgeOptions::default()
    };
    let places = |wish: PortWish, options: &BridgeOptions| -> Vec<(String, bool)> {
        let (published, _held) = bind(&[wish], options, &SctpPorts::default()).unwrap();
        published.iter().map(|it| (it.host_address.to_string(), it.host_port > 0)).collect()
    };
    let nat = options(Some("127.0.0.1"), GatewayMode::Nat);
    assert_eq!(places(wish(None, None), &nat), [("127.0.0.1".to_owned(), true)]);
    assert_eq!(places(wish(Some("::1"), None), &nat), [("::1".to_owned(), true)]);
    let routed = options(None, GatewayMode::Routed);
    let both = [("0.0.0.0".to_owned(), false), ("::".to_owned(), true)];
    assert_eq!(places(wish(None, None), &routed), both);
}

#[test]
fn a_port_that_leads_nowhere_any_more_is_free_at_once() {
    let (published, held) = take(&[wish(Some("127.0.0.1"), None)]).unwrap();
    let port = published[0].host_port;
    let proxy = PortProxy::start().unwrap();
    let server = TcpListener::bind("127.0.0.2:80");
    let relays = held.relay(&proxy, "127.0.0.2".parse().unwrap()).unwrap();
    let caller = TcpStream::connect(("127.0.0.1", port)).unwrap();
    drop((relays, held, server));
    take(&[wish(Some("127.0.0.1"), Some(port..=port))]).unwrap();
    drop(caller);
}
