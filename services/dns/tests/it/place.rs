//! A container for one test: a namespace with its name server, and questions from there.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use gantry_dns::{Config, Dns, Place, ServicePort, Upstreams, View};
use gantry_netlink::Socket;
use gantry_netlink::route::LinkName;
use gantry_sys::clone::{Namespaces, setns, unshare};

pub(crate) const A: u16 = 1;
pub(crate) const AAAA: u16 = 28;
pub(crate) const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(127, 0, 0, 11), 53);
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn namespace() -> File {
    thread::spawn(|| {
        unshare(Namespaces::NETWORK).unwrap();
        let mut socket = Socket::route().unwrap();
        let lo: LinkName = "lo".parse().unwrap();
        let lo = socket.link(&lo).unwrap().unwrap();
        socket.send(&[lo.up()]).unwrap();
        File::open("/proc/thread-self/ns/net").unwrap()
    })
    .join()
    .unwrap()
}

/// Runs on a thread of its own inside a namespace.
pub(crate) fn inside<T: Send>(namespace: &File, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(namespace.as_fd(), Namespaces::NETWORK).unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

pub(crate) fn dns() -> Dns {
    Dns::new(Config { resolv_conf: "/nonexistent".into() }).unwrap()
}

/// A place in the network `n`.
pub(crate) fn place(names: &[&str], address: &str) -> Place {
    Place {
        network: "n".into(),
        network_name: "lan".into(),
        names: names.iter().map(ToString::to_string).collect(),
        addresses: vec![address.parse().unwrap()],
        ports: vec![ServicePort { number: 80, protocol: "tcp" }],
    }
}

pub(crate) fn view(upstreams: &[&str]) -> View {
    let upstreams = upstreams.iter().map(|address| address.parse().unwrap()).collect();
    View { networks: vec!["n".into()], links: Vec::new(), upstreams: Upstreams::These(upstreams) }
}

pub(crate) fn question(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

/// A client's socket in the present namespace.
pub(crate) fn client() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(SERVER).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Asks in the present namespace.
pub(crate) fn ask_here(bytes: &[u8]) -> Vec<u8> {
    let socket = client();
    socket.send(bytes).unwrap();
    let mut answer = vec![0; 4096];
    let length = socket.recv(&mut answer).unwrap();
    answer.truncate(length);
    answer
}

/// The code of an answer.
pub(crate) fn code(answer: &[u8]) -> u8 {
    answer[3] & 15
}

/// The last octets of all IPv4 addresses of an answer, and its code.
pub(crate) fn ask(namespace: &File, name: &str, kind: u16) -> (Vec<u8>, u8) {
    let bytes = question(7, name, kind);
    let answer = inside(namespace, || ask_here(&bytes));
    assert_eq!(answer[..2], [0, 7]);
    assert_eq!(answer[12..bytes.len()], bytes[12..]);
    let last = (0..usize::from(answer[7])).map(|number| answer[bytes.len() + 15 + number * 16]);
    (last.collect(), code(&answer))
}

/// A name server outside, which answers each question by what `reply` makes of it, until it says nothing for a stop.
pub(crate) fn upstream(
    namespace: &File,
    address: &str,
    mut reply: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
) {
    let address: IpAddr = address.parse().unwrap();
    let socket = inside(namespace, || UdpSocket::bind(SocketAddr::new(address, 53)).unwrap());
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // It ends with the test's process, or when it has waited in vain.
    thread::spawn(move || {
        let mut room = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut room) {
            for answer in reply(&room[..length]) {
                drop(socket.send_to(&answer, from));
            }
        }
    });
}

/// The question as an answer with this code and, on success, the address 192.0.2.`last`.
pub(crate) fn answer(question: &[u8], code: u8, last: u8) -> Vec<u8> {
    let mut bytes = question.to_vec();
    bytes[2] |= 0x80;
    bytes[3] = 0x80 | code;
    if code == 0 {
        bytes[7] = 1;
        bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, last]);
    }
    bytes
}
