//! Sockets to name servers outside, each made in the namespace that it speaks from.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use gantry_sys::clone::{Namespaces, setns};
use rustix::event::epoll::EventFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use rustix::rand::{GetRandomFlags, getrandom};

use super::super::{Token, Waiting};
use crate::message::HEADER;
use crate::upstreams::{Upstream, Way};

const DOMAIN: u16 = 53;
/// Sockets of one container by UDP; questions share them when there are more.
const MOST_SOCKETS: usize = 48;
/// Questions that a socket should have at a time; more only if there can be no more sockets.
const SHARE: usize = 8;
/// Sockets of all containers together: descriptors are limited.
const MOST_OF_ALL: usize = 4096;
/// Connections of one container by TCP.
const MOST_STREAMS: usize = 64;
/// Answers that are taken from one socket before others are looked at.
const BATCH: usize = 64;
const LONGEST: usize = u16::MAX as usize;

/// The way that a question took.
#[derive(Debug, Clone, Copy)]
pub(super) enum Via {
    Datagram { socket: u32, number: u16 },
    Stream(u32),
}

/// What a server said to a question; nothing when it cannot be asked.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) serial: u64,
    pub(super) answer: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Datagrams {
    sandbox: u32,
    server: Upstream,
    socket: UdpSocket,
    /// By the number that the question has on this socket.
    asked: HashMap<u16, u64>,
}

#[derive(Debug)]
struct Stream {
    sandbox: u32,
    serial: u64,
    socket: TcpStream,
    output: Vec<u8>,
    written: usize,
    input: Vec<u8>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Sockets {
    /// The daemon's own namespace.
    host: File,
    datagrams: HashMap<u32, Datagrams>,
    streams: HashMap<u32, Stream>,
    room: Vec<u8>,
}

impl Sockets {
    /// The calling thread's namespace is the host's.
    pub(super) fn new() -> io::Result<Self> {
        let host = File::open("/proc/thread-self/ns/net")?;
        let room = vec![0; LONGEST];
        Ok(Self { host, datagrams: HashMap::new(), streams: HashMap::new(), room })
    }

    /// Sends a question from a container's namespace, or from the host's where the server is there, or where there is no other way.
    pub(super) fn send(
        &mut self,
        (server, by_stream): (Upstream, bool),
        from: (u32, BorrowedFd<'_>),
        message: (u64, &[u8]),
        waiting: &mut Waiting,
    ) -> io::Result<Via> {
        let sent = self.send_to((server, by_stream), from, message, waiting);
        match sent {
            Err(_) if server.way == Way::ContainerElseHost => {
                let server = Upstream { way: Way::Host, ..server };
                self.send_to((server, by_stream), from, message, waiting)
            }
            sent => sent,
        }
    }

    fn send_to(
        &mut self,
        (server, by_stream): (Upstream, bool),
        (sandbox, namespace): (u32, BorrowedFd<'_>),
        (serial, message): (u64, &[u8]),
        waiting: &mut Waiting,
    ) -> io::Result<Via> {
        let namespace = (server.way != Way::Host).then_some(namespace);
        if by_stream {
            return self.open_stream((server, sandbox, namespace), (serial, message), waiting);
        }
        let id = match self.shared(server, sandbox) {
            Some(id) => id,
            None => self.open_datagrams((server, sandbox, namespace), waiting)?,
        };
        let socket = self.datagrams.get_mut(&id).ok_or(io::ErrorKind::NotFound)?;
        let mut number = random()?;
        while socket.asked.contains_key(&number) {
            number = number.wrapping_add(1);
        }
        let mut message = message.to_vec();
        message[..2].copy_from_slice(&number.to_be_bytes());
        let sent = socket.socket.send(&message);
        if sent.is_ok() {
            socket.asked.insert(number, serial);
        } else if socket.asked.is_empty() {
            self.datagrams.remove(&id);
        }
        sent.map(|_| Via::Datagram { socket: id, number })
    }

    /// A socket that leads to this server and has room, or must have it.
    fn shared(&self, server: Upstream, sandbox: u32) -> Option<u32> {
        let own = || self.datagrams.iter().filter(|(_, it)| it.sandbox == sandbox);
        let leads = own().filter(|(_, it)| it.server == server);
        let (id, least) = leads.min_by_key(|(_, it)| it.asked.len())?;
        let must = own().count() >= MOST_SOCKETS || self.datagrams.len() >= MOST_OF_ALL;
        (must || least.asked.len() < SHARE && own().count() > SHARE).then_some(*id)
    }

    fn open_datagrams(
        &mut self,
        (server, sandbox, namespace): (Upstream, u32, Option<BorrowedFd<'_>>),
        waiting: &mut Waiting,
    ) -> io::Result<u32> {
        if self.datagrams.len() >= MOST_OF_ALL {
            return Err(io::Error::other("too many questions are on their way"));
        }
        let any: IpAddr = match server.address {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = self.inside(namespace, || {
            let socket = UdpSocket::bind((any, 0))?;
            // From now on only this server is heard.
            socket.connect(server.at(DOMAIN))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })?;
        let id = waiting.number();
        waiting.add(&socket, Token::Upstream(id), EventFlags::IN)?;
        self.datagrams.insert(id, Datagrams { sandbox, server, socket, asked: HashMap::new() });
        Ok(id)
    }

    fn open_stream(
        &mut self,
        (server, sandbox, namespace): (Upstream, u32, Option<BorrowedFd<'_>>),
        (serial, message): (u64, &[u8]),
        waiting: &mut Waiting,
    ) -> io::Result<Via> {
        let own = self.streams.values().filter(|it| it.sandbox == sandbox);
        if own.count() >= MOST_STREAMS {
            return Err(io::Error::other("too many connections are open"));
        }
        let socket: OwnedFd = self.inside(namespace, || {
            let family = match server.address {
                IpAddr::V4(_) => AddressFamily::INET,
                IpAddr::V6(_) => AddressFamily::INET6,
            };
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(family, SocketType::STREAM, flags, None)?;
            match connect(&socket, &server.at(DOMAIN)) {
                Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket),
                Err(error) => Err(error.into()),
            }
        })?;
        let socket = TcpStream::from(socket);
        let id = waiting.number();
        waiting.add(&socket, Token::Stream(id), EventFlags::OUT)?;
        let length = u16::try_from(message.len()).map_err(io::Error::other)?;
        let output = [&length.to_be_bytes()[..], message].concat();
        let new = Stream { sandbox, serial, socket, output, written: 0, input: Vec::new() };
        self.streams.insert(id, new);
        Ok(Via::Stream(id))
    }

    /// Runs `work` in a namespace and comes back.
    fn inside<T>(
        &self,
        namespace: Option<BorrowedFd<'_>>,
        work: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(namespace) = namespace else { return work() };
        setns(namespace, Namespaces::NETWORK)?;
        let result = work();
        // Without it, the thread would keep the container's namespace alive.
        setns(self.host.as_fd(), Namespaces::NETWORK)?;
        result
    }

    /// What came to a socket that `is_answer` to what was asked there; what is not, is passed over.
    pub(super) fn heard(&mut self, id: u32, is_answer: impl Fn(u64, &[u8]) -> bool) -> Vec<Heard> {
        let mut all = Vec::new();
        let Some(socket) = self.datagrams.get_mut(&id) else { return all };
        for _ in 0..BATCH {
            match socket.socket.recv(&mut self.room) {
                Ok(length) => {
                    let answer = &self.room[..length];
                    let Some(number) = answer.get(..HEADER).map(|it| [it[0], it[1]]) else {
                        continue;
                    };
                    let number = u16::from_be_bytes(number);
                    let Some(serial) = socket.asked.get(&number).copied() else { continue };
                    if is_answer(serial, answer) {
                        socket.asked.remove(&number);
                        all.push(Heard { serial, answer: Some(answer.to_vec()) });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Nobody is there: nothing that was asked will be answered.
                Err(_) => {
                    let lost = socket.asked.drain().map(|(_, serial)| serial);
                    all.extend(lost.map(|serial| Heard { serial, answer: None }));
                    break;
                }
            }
        }
        if socket.asked.is_empty() {
            self.datagrams.remove(&id);
        }
        all
    }

    /// Goes on with a connection; says what became of its question once that is known.
    pub(super) fn stream(
        &mut self,
        id: u32,
        flags: EventFlags,
        waiting: &mut Waiting,
    ) -> Option<Heard> {
        let stream = self.streams.get_mut(&id)?;
        let serial = stream.serial;
        match stream.go_on(flags) {
            Ok(None) => {
                let sent = stream.written == stream.output.len();
                let wanted = if sent { EventFlags::IN } else { EventFlags::OUT };
                waiting.change(&stream.socket, Token::Stream(id), wanted);
                None
            }
            Ok(answer) => {
                self.streams.remove(&id);
                Some(Heard { serial, answer })
            }
            Err(_) => {
                self.streams.remove(&id);
                Some(Heard { serial, answer: None })
            }
        }
    }

    /// Nobody waits for this any more.
    pub(super) fn give_up(&mut self, via: Option<Via>) {
        match via {
            Some(Via::Datagram { socket, number }) => {
                let Some(found) = self.datagrams.get_mut(&socket) else { return };
                found.asked.remove(&number);
                if found.asked.is_empty() {
                    self.datagrams.remove(&socket);
                }
            }
            Some(Via::Stream(id)) => drop(self.streams.remove(&id)),
            None => {}
        }
    }

    pub(super) fn forget(&mut self, sandbox: u32) {
        self.datagrams.retain(|_, socket| socket.sandbox != sandbox);
        self.streams.retain(|_, stream| stream.sandbox != sandbox);
    }
}

impl Stream {
    /// Writes the question and reads the answer, as far as it goes.
    fn go_on(&mut self, flags: EventFlags) -> io::Result<Option<Vec<u8>>> {
        if self.written < self.output.len() && flags.intersects(EventFlags::OUT | EventFlags::ERR) {
            match self.socket.write(&self.output[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return Ok(None);
        }
        let mut room = [0; 4096];
        match self.socket.read(&mut room) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.input.extend_from_slice(&room[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let Some(length) = self.input.get(..2) else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        Ok(self.input.get(2..2 + length).map(<[u8]>::to_vec))
    }
}

/// A number that nobody outside can know.
fn random() -> io::Result<u16> {
    let mut bytes = [0; 2];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(u16::from_be_bytes(bytes))
}
