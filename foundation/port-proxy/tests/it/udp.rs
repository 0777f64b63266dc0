//! UDP: each sender has answers of its own, from the address that it asked.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use gantry_port_proxy::{Limits, PortProxy, Relay, Transport};

fn port(proxy: &PortProxy, backend: SocketAddr) -> (u16, Relay) {
    let socket = UdpSocket::bind("[::]:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let number = socket.local_addr().unwrap().port();
    let relay = proxy.serve(Arc::new(OwnedFd::from(socket)), Transport::Udp, backend).unwrap();
    (number, relay)
}

/// Answers each datagram with the same.
fn echo() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut bytes = vec![0; 65_536];
        while let Ok((length, from)) = socket.recv_from(&mut bytes) {
            drop(socket.send_to(&bytes[..length], from));
        }
    });
    address
}

fn ask(own: &str, host: &str, port: u16, text: &[u8]) -> UdpSocket {
    let socket = UdpSocket::bind((own, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.connect((host, port)).unwrap();
    socket.send(text).unwrap();
    socket
}

fn answer(socket: &UdpSocket) -> Vec<u8> {
    let mut bytes = vec![0; 65_536];
    let length = socket.recv(&mut bytes).unwrap();
    bytes.truncate(length);
    bytes
}

#[test]
fn each_sender_is_answered_from_the_address_that_it_asked() {
    let proxy = PortProxy::start().unwrap();
    let (port, _relay) = port(&proxy, echo());
    // A connected socket hears nobody but the address that it asked.
    let one = ask("::1", "::1", port, b"one");
    let two = ask("127.0.0.1", "127.0.0.9", port, b"two");
    let large = ask("::1", "::1", port, &vec![7; 60_000]);
    assert_eq!(answer(&two), b"two");
    assert_eq!(answer(&one), b"one");
    assert_eq!(answer(&large), vec![7; 60_000]);
    one.send(b"").unwrap();
    assert_eq!(answer(&one), b"");
}

/// Answers each datagram with the port that it came from: the relay's own, for this sender.
fn ports() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((_, from)) = socket.recv_from(&mut [0]) {
            drop(socket.send_to(&from.port().to_be_bytes(), from));
        }
    });
    address
}

#[test]
fn a_flood_of_senders_takes_the_places_of_its_own_port_s_quiet_ones() {
    let limits = Limits { senders: 40, ..Limits::default() };
    let proxy = PortProxy::start_with(limits).unwrap();
    let (flooded, _relay) = port(&proxy, ports());
    let (other, _other_relay) = port(&proxy, ports());
    let [elsewhere, busy, quiet] =
        [other, flooded, flooded].map(|port| ask("::1", "::1", port, b"x"));
    let before = [&elsewhere, &busy, &quiet].map(answer);
    for _ in 0..100 {
        answer(&ask("::1", "::1", flooded, b"x"));
        busy.send(b"x").unwrap();
        answer(&busy);
    }
    let after = [&elsewhere, &busy, &quiet].map(|socket| {
        socket.send(b"x").unwrap();
        answer(socket)
    });
    assert_eq!(before[..2], after[..2]);
    assert_ne!(before[2], after[2]);
}

#[test]
fn a_container_that_comes_later_is_found() {
    let proxy = PortProxy::start().unwrap();
    let backend = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (port, _relay) = port(&proxy, backend);
    let early = ask("::1", "::1", port, b"early");
    early.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    early.recv(&mut [0]).unwrap_err();
    let server = UdpSocket::bind(backend).unwrap();
    server.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut bytes = [0; 8];
    let came = (0..100).any(|_| {
        early.send(b"again").unwrap();
        server.recv(&mut bytes).is_ok_and(|length| &bytes[..length] == b"again")
    });
    assert!(came);
}
