//! TCP: bytes, half-closed connections, refusals, and the end of a port.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use gantry_port_proxy::{Limits, PortProxy, Relay, Transport};

struct Port {
    address: SocketAddr,
    relay: Relay,
}

/// Every address of both families leads to `backend`.
fn port(proxy: &PortProxy, backend: SocketAddr) -> Port {
    let listener = TcpListener::bind("[::]:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let relay = proxy.serve(Arc::new(OwnedFd::from(listener)), Transport::Tcp, backend).unwrap();
    Port { address, relay }
}

fn call(port: &Port, host: &str) -> TcpStream {
    let stream = TcpStream::connect((host, port.address.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends back all that it gets, once it has all of it.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut all = Vec::new();
                if stream.read_to_end(&mut all).is_ok() {
                    drop(stream.write_all(&all));
                }
            });
        }
    });
    address
}

fn exchange(mut stream: TcpStream, length: usize) {
    let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
    stream.write_all(&bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).unwrap();
    assert!(back == bytes, "{} of {length} bytes came back", back.len());
}

#[test]
fn all_bytes_arrive_and_the_end_of_one_way_leaves_the_other() {
    let proxy = PortProxy::start().unwrap();
    let port = port(&proxy, echo());
    for (host, length) in [("::1", 0), ("::1", 1), ("127.0.0.1", 100_000), ("::1", 20 << 20)] {
        exchange(call(&port, host), length);
    }
}

#[test]
fn many_callers_have_a_connection_each() {
    let proxy = PortProxy::start().unwrap();
    let port = port(&proxy, echo());
    let callers: Vec<TcpStream> = (0..200).map(|_| call(&port, "::1")).collect();
    for (number, caller) in callers.into_iter().enumerate().rev() {
        exchange(caller, number * 10);
    }
}

#[test]
fn a_container_that_refuses_is_a_reset() {
    let proxy = PortProxy::start().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let port = port(&proxy, closed);
    let error = call(&port, "::1").read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn what_one_side_resets_is_reset_for_the_other() {
    let proxy = PortProxy::start().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = port(&proxy, listener.local_addr().unwrap());
    let mut caller = call(&port, "::1");
    caller.write_all(b"x").unwrap();
    let (container, _) = listener.accept().unwrap();
    container.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // What lies unread when it is closed makes the close a reset.
    while container.peek(&mut [0]).unwrap() == 0 {}
    drop(container);
    assert_eq!(caller.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_port_that_is_dropped_is_free_and_its_connections_are_over() {
    let proxy = PortProxy::start().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let first = port(&proxy, listener.local_addr().unwrap());
    let other = port(&proxy, echo());
    let mut caller = call(&first, "::1");
    let (mut container, _) = listener.accept().unwrap();
    container.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let Port { address, relay } = first;
    drop(relay);
    TcpListener::bind(address).unwrap();
    assert_eq!(caller.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(container.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    drop(proxy);
    // Ports go on without the proxy's own handle.
    exchange(call(&other, "::1"), 1000);
}

/// The next call that arrives, until the deadline.
fn arrived(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match listener.accept() {
            Ok((stream, _)) => return stream,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        assert!(Instant::now() < deadline, "no call arrived");
        thread::yield_now();
    }
}

#[test]
fn one_port_s_callers_leave_room_for_another_s() {
    let limits = Limits { connections: 40, ..Limits::default() };
    let proxy = PortProxy::start_with(limits).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (full, other) = (port(&proxy, listener.local_addr().unwrap()), port(&proxy, echo()));
    let mut callers: Vec<TcpStream> = (0..50).map(|_| call(&full, "::1")).collect();
    // A quarter of the 32 that are free then.
    let mut containers: Vec<TcpStream> = (0..8).map(|_| arrived(&listener)).collect();
    exchange(call(&other, "::1"), 1000);
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    // Who waited has the place of one that ends.
    drop((callers.remove(0), containers.remove(0)));
    containers.push(arrived(&listener));
    exchange(call(&other, "::1"), 1000);
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_caller_that_stays_after_the_container_s_end_gives_its_place_to_one_that_waits() {
    let half_closed = Duration::from_millis(10);
    let limits = Limits { connections: 5, half_closed, ..Limits::default() };
    let proxy = PortProxy::start_with(limits).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = port(&proxy, listener.local_addr().unwrap());
    let mut idle = call(&port, "::1");
    let _waits = call(&port, "::1");
    arrived(&listener).shutdown(Shutdown::Write).unwrap();
    let _container = arrived(&listener);
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
}
