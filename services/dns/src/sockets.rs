//! A container's end: sockets on 127.0.0.11 in its namespace, and the packet filter's rules there that lead port 53 to them.
//!
//! The sockets are not on port 53 itself. A server in the container that binds `0.0.0.0:53` would fail, for the kernel lets a wildcard
//! and an address of one port live beside each other only if both sides ask for it. The rules rewrite the port of questions on their way
//! out, and the port of answers, without a memory of connections: nothing is tracked in a namespace that does not track by itself. Whoever
//! filters in the container sees port 53: questions are rewritten behind his rules, answers before.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::BorrowedFd;
use std::thread;

use gantry_netlink::nftables::{Base, Comparison, Expression, Hook, Register, Table, Verdict};
use gantry_netlink::{Request, Socket};
use gantry_sys::clone::{Namespaces, setns};

use crate::error::{Error, Result};
use crate::upstreams::OWN;

/// What containers see in their packet filter.
const TABLE: &str = "gantry-dns";
const DOMAIN: u16 = 53;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Where the checksum is in the transport header.
const TCP_CHECKSUM: u32 = 16;
const UDP_CHECKSUM: u32 = 6;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const IPV4_SOURCE: u32 = 12;
const IPV4_DESTINATION: u32 = 16;
const SOURCE_PORT: u32 = 0;
const DESTINATION_PORT: u32 = 2;
/// `LOOPBACK_IFINDEX`, of every namespace.
const LOOPBACK: u32 = 1;
/// `NFPROTO_IPV4`.
const IPV4: u8 = 2;
/// Behind filters and connections; in front of both.
const LAST: i32 = 300;
const FIRST: i32 = -300;

const A: Register = Register::A;

/// What questions arrive at.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub udp: UdpSocket,
    pub tcp: TcpListener,
}

/// Makes them. A thread of its own goes into the namespace: it never comes back.
pub(crate) fn open(container: &str, namespace: BorrowedFd<'_>) -> Result<Sockets> {
    let failed =
        |action| move |source| Error::Socket { action, container: container.to_owned(), source };
    let inside = || -> Result<Sockets> {
        setns(namespace, Namespaces::NETWORK).map_err(failed("enter the network namespace"))?;
        let udp = UdpSocket::bind((OWN, 0)).map_err(failed("bind 127.0.0.11"))?;
        let tcp = TcpListener::bind((OWN, 0)).map_err(failed("listen on 127.0.0.11"))?;
        udp.set_nonblocking(true).map_err(failed("prepare a socket"))?;
        tcp.set_nonblocking(true).map_err(failed("prepare a socket"))?;
        let ports = [
            (UDP, UDP_CHECKSUM, udp.local_addr().map_err(failed("examine a socket"))?.port()),
            (TCP, TCP_CHECKSUM, tcp.local_addr().map_err(failed("examine a socket"))?.port()),
        ];
        let lead = || {
            let mut socket = Socket::netfilter()?;
            let done = socket.commit(&rules(&ports));
            socket.leave();
            done
        };
        lead().map_err(|source| Error::Redirect { container: container.to_owned(), source })?;
        Ok(Sockets { udp, tcp })
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("dns-sockets".into()).spawn_scoped(scope, inside);
        let thread = thread.map_err(|source| Error::Thread { source })?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// In place of those that an earlier daemon made.
fn rules(ports: &[(u8, u32, u16)]) -> Vec<Request> {
    let table = Table::new(TABLE);
    let mut requests = vec![table.add()];
    for (chain, priority) in [("questions", LAST), ("answers", FIRST)] {
        let base = Base { kind: "filter", hook: Hook::Output, priority };
        requests.push(table.add_chain(chain, Some(base)));
        requests.push(table.flush_chain(chain));
        // Every packet that leaves the container meets this, and most leave by other devices.
        let leaves = Expression::Compare {
            register: A,
            comparison: Comparison::NotEqual,
            value: LOOPBACK.to_ne_bytes().to_vec(),
        };
        let steps = [Expression::output_index(A), leaves, Expression::Verdict(Verdict::Accept)];
        requests.push(table.add_rule(chain, &steps));
    }
    for &(protocol, checksum, port) in ports {
        let rewrite = |address: u32, offset: u32, from: u16, to: u16| {
            let is = |base, offset, length, value: Vec<u8>| {
                [Expression::Payload { base, offset, length, to: A }, Expression::equals(A, value)]
            };
            let steps = [
                [Expression::family(A), Expression::equals(A, [IPV4])],
                is(NETWORK_HEADER, address, 4, OWN.octets().to_vec()),
                [Expression::protocol(A), Expression::equals(A, [protocol])],
                is(TRANSPORT_HEADER, offset, 2, from.to_be_bytes().to_vec()),
                [
                    Expression::Load { value: to.to_be_bytes().to_vec(), to: A },
                    Expression::Rewrite { from: A, offset, length: 2, checksum },
                ],
            ];
            steps.concat()
        };
        let question = rewrite(IPV4_DESTINATION, DESTINATION_PORT, DOMAIN, port);
        let answer = rewrite(IPV4_SOURCE, SOURCE_PORT, port, DOMAIN);
        requests.push(table.add_rule("questions", &question));
        requests.push(table.add_rule("answers", &answer));
    }
    requests
}
