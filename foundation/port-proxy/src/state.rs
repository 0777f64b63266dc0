//! What the thread keeps: ports, connections and senders by their tokens. It is changed under one lock, step by step.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use gantry_sys::datagrams::{self, Incoming, Local};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use crate::connection::{Connection, Progress};
use crate::pipes::Pipes;
use crate::udp::{PLACE_BYTES, PLACES, Sender, UdpPort};
use crate::{Limits, UDP_IDLE};

/// Calls that are taken before others have their turn.
const CALLS_AT_ONCE: usize = 64;
/// The part of what is free that one port may have.
const SHARE: usize = 4;

#[derive(Debug)]
pub(crate) struct State {
    epoll: Arc<OwnedFd>,
    limits: Limits,
    next: u64,
    entries: HashMap<u64, Entry>,
    connections: usize,
    senders: usize,
    /// Connections that go on without news from their sockets.
    pub(crate) unfinished: VecDeque<u64>,
    /// TCP ports that wait until there is room for another connection.
    waiting: Vec<u64>,
    pipes: Pipes,
    places: Vec<Incoming>,
}

#[derive(Debug)]
enum Entry {
    Tcp(TcpPort),
    Udp(UdpPort),
    Connection(Box<Connection>),
    Sender(Sender),
}

#[derive(Debug)]
struct TcpPort {
    socket: Arc<OwnedFd>,
    backend: SocketAddr,
    connections: usize,
}

impl State {
    pub(crate) fn new(epoll: Arc<OwnedFd>, limits: Limits) -> Self {
        Self {
            epoll,
            limits,
            // Zero is the reactor's own.
            next: 1,
            entries: HashMap::new(),
            connections: 0,
            senders: 0,
            unfinished: VecDeque::new(),
            waiting: Vec::new(),
            pipes: Pipes::default(),
            places: Vec::new(),
        }
    }

    pub(crate) fn add_tcp(
        &mut self,
        socket: Arc<OwnedFd>,
        backend: SocketAddr,
    ) -> Result<u64, Errno> {
        let token = self.watch(&socket, EventFlags::IN)?;
        self.entries.insert(token, Entry::Tcp(TcpPort { socket, backend, connections: 0 }));
        Ok(token)
    }

    pub(crate) fn add_udp(
        &mut self,
        socket: Arc<OwnedFd>,
        backend: SocketAddr,
    ) -> Result<u64, Errno> {
        let token = self.watch(&socket, EventFlags::IN)?;
        let port = UdpPort { socket, backend, senders: HashMap::new(), order: BTreeSet::new() };
        self.entries.insert(token, Entry::Udp(port));
        Ok(token)
    }

    /// Ends a port and all that came by it.
    pub(crate) fn remove_port(&mut self, token: u64) {
        let is_idle = match self.entries.remove(&token) {
            Some(Entry::Tcp(port)) => {
                self.forget(port.socket.as_ref());
                port.connections == 0
            }
            Some(Entry::Udp(port)) => {
                self.forget(port.socket.as_ref());
                port.senders.is_empty()
            }
            _ => return,
        };
        self.waiting.retain(|waiting| *waiting != token);
        // A container may have hundreds of ports, and all ports thousands of connections.
        if is_idle {
            return;
        }
        let of_port = |(number, entry): (&u64, &Entry)| match entry {
            Entry::Connection(it) if it.port == token => Some(*number),
            Entry::Sender(it) if it.port == token => Some(*number),
            _ => None,
        };
        let numbers: Vec<u64> = self.entries.iter().filter_map(of_port).collect();
        for number in numbers {
            self.end(number, true);
        }
    }

    /// Whether senders or waiting ports have to be looked at from time to time.
    pub(crate) fn needs_a_clock(&self) -> bool {
        self.senders > 0 || !self.waiting.is_empty() || self.is_crowded()
    }

    /// Whether half of all connections are in use.
    fn is_crowded(&self) -> bool {
        self.connections >= self.limits.connections / 2
    }

    /// Forgets senders that were quiet for long, and lets ports try again.
    pub(crate) fn tick(&mut self) {
        self.end_stale();
        let quiet = |(number, entry): (&u64, &Entry)| match entry {
            Entry::Sender(sender) if sender.last.elapsed() >= UDP_IDLE => Some(*number),
            _ => None,
        };
        let numbers: Vec<u64> = self.entries.iter().filter_map(quiet).collect();
        for number in numbers {
            self.end(number, false);
        }
        self.resume();
    }

    /// Ends quiet connections, where there is little room.
    fn end_stale(&mut self) {
        let is_crowded = self.is_crowded();
        if !is_crowded && self.waiting.is_empty() {
            return;
        }
        let stale = |(number, entry): (&u64, &Entry)| match entry {
            Entry::Connection(it)
                if (is_crowded || self.waiting.contains(&it.port)) && it.is_stale(&self.limits) =>
            {
                Some(*number)
            }
            _ => None,
        };
        let numbers: Vec<u64> = self.entries.iter().filter_map(stale).collect();
        for number in numbers {
            self.end(number, true);
        }
    }

    pub(crate) fn handle(&mut self, token: u64, flags: EventFlags) {
        match self.entries.get(&token) {
            Some(Entry::Tcp(_)) => self.take_calls(token),
            Some(Entry::Udp(_)) => self.take_datagrams(token),
            Some(Entry::Connection(_)) if flags.contains(EventFlags::ERR) => self.end(token, true),
            Some(Entry::Connection(_)) => self.advance(token),
            Some(Entry::Sender(_)) => self.take_answers(token),
            None => {}
        }
    }

    /// Moves a connection's bytes on.
    pub(crate) fn advance(&mut self, token: u64) {
        let Some(Entry::Connection(connection)) = self.entries.get_mut(&token) else { return };
        match connection.advance(&mut self.pipes) {
            Ok(Progress::Waits) => {}
            Ok(Progress::GoesOn) => self.unfinished.push_back(token),
            Ok(Progress::Ended) => self.end(token, false),
            Err(_) => self.end(token, true),
        }
    }

    fn take_calls(&mut self, token: u64) {
        for _ in 0..CALLS_AT_ONCE {
            let Some(Entry::Tcp(port)) = self.entries.get(&token) else { return };
            if port.connections >= self.share() {
                return self.pause(token);
            }
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let caller = match accept_with(&port.socket, flags) {
                Ok(caller) => caller,
                Err(Errno::AGAIN) => return,
                // No descriptors, no memory: others may give some back.
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    return self.pause(token);
                }
                // This caller is gone; the next one may be there.
                Err(_) => continue,
            };
            match Connection::begin(token, caller, port.backend) {
                Ok(connection) => self.add_connection(connection),
                Err(error) => {
                    tracing::debug!(%error, "a published port's container is not reached");
                }
            }
        }
    }

    fn add_connection(&mut self, connection: Connection) {
        let edges = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let token = self.next_token();
        let data = EventData::new_u64(token);
        let watched = epoll::add(&*self.epoll, &connection.caller, data, edges)
            .and_then(|()| epoll::add(&*self.epoll, &connection.container, data, edges));
        if let Err(errno) = watched {
            tracing::warn!(%errno, "a call to a published port cannot be watched");
            return connection.reset();
        }
        self.connections += 1;
        if let Some(Entry::Tcp(port)) = self.entries.get_mut(&connection.port) {
            port.connections += 1;
        }
        self.entries.insert(token, Entry::Connection(Box::new(connection)));
    }

    /// What one TCP port may have at this moment.
    fn share(&self) -> usize {
        self.limits.connections.saturating_sub(self.connections) / SHARE
    }

    fn take_datagrams(&mut self, token: u64) {
        let mut places = self.take_places();
        if let Some(Entry::Udp(port)) = self.entries.get(&token) {
            let count = datagrams::receive(port.socket.as_fd(), &mut places).unwrap_or(0);
            let mut rest = places.get(..count).unwrap_or_default();
            while let Some(first) = rest.first() {
                let same = |it: &&Incoming| {
                    it.peer() == first.peer()
                        && it.local().map(|it| it.address) == first.local().map(|it| it.address)
                };
                let (run, onward) = rest.split_at(rest.iter().take_while(same).count().max(1));
                self.forward(token, run);
                rest = onward;
            }
        }
        self.places = places;
    }

    /// Datagrams of one sender.
    fn forward(&mut self, token: u64, run: &[Incoming]) {
        let Some(first) = run.first() else { return };
        let Some(peer) = first.peer() else { return };
        let unknown = Local { address: Ipv6Addr::UNSPECIFIED.into(), device: 0 };
        let local = first.local().unwrap_or(unknown);
        let Some(number) = self.sender(token, peer, local) else { return };
        if let Some(Entry::Sender(sender)) = self.entries.get_mut(&number) {
            let before = sender.last;
            sender.forward(run);
            self.heard(number, before);
        }
    }

    /// The one that there is, or a new one.
    fn sender(&mut self, token: u64, peer: SocketAddr, local: Local) -> Option<u64> {
        let key = (peer, local.address);
        let Some(Entry::Udp(port)) = self.entries.get(&token) else { return None };
        if let Some(number) = port.senders.get(&key) {
            return Some(*number);
        }
        let share = self.limits.senders.saturating_sub(self.senders) / SHARE;
        if port.senders.len() >= share {
            let (_, oldest) = *port.order.first()?;
            self.end(oldest, false);
        }
        let Some(Entry::Udp(port)) = self.entries.get(&token) else { return None };
        let sender = match port.open(token, peer, local) {
            Ok(sender) => sender,
            Err(error) => {
                tracing::debug!(%error, "a published port's container is not reached");
                return None;
            }
        };
        let number = self.watch(&sender.socket, EventFlags::IN).ok()?;
        if let Some(Entry::Udp(port)) = self.entries.get_mut(&token) {
            port.senders.insert(key, number);
            port.order.insert((sender.last, number));
        }
        self.senders += 1;
        self.entries.insert(number, Entry::Sender(sender));
        Some(number)
    }

    /// Puts a sender into its new place of the order.
    fn heard(&mut self, number: u64, before: Instant) {
        let Some(Entry::Sender(sender)) = self.entries.get(&number) else { return };
        let (token, last) = (sender.port, sender.last);
        if let Some(Entry::Udp(port)) = self.entries.get_mut(&token) {
            port.order.remove(&(before, number));
            port.order.insert((last, number));
        }
    }

    fn take_answers(&mut self, token: u64) {
        let mut places = self.take_places();
        let goes_on = match self.entries.get_mut(&token) {
            Some(Entry::Sender(sender)) => {
                let before = sender.last;
                let goes_on = sender.answer(&mut places);
                self.heard(token, before);
                goes_on
            }
            _ => true,
        };
        self.places = places;
        if !goes_on {
            self.end(token, false);
        }
    }

    /// Memory that is taken when the first datagram comes.
    fn take_places(&mut self) -> Vec<Incoming> {
        let mut places = std::mem::take(&mut self.places);
        places.resize_with(PLACES, || Incoming::new(PLACE_BYTES));
        places
    }

    /// Ends a connection, or forgets a sender.
    fn end(&mut self, token: u64, with_reset: bool) {
        match self.entries.remove(&token) {
            Some(Entry::Connection(connection)) => {
                if with_reset {
                    connection.reset();
                }
                self.connections -= 1;
                if let Some(Entry::Tcp(port)) = self.entries.get_mut(&connection.port) {
                    port.connections -= 1;
                }
                // Its descriptors are another's now.
                drop(connection);
                self.resume();
            }
            Some(Entry::Sender(sender)) => {
                self.senders -= 1;
                let key: (SocketAddr, IpAddr) = (sender.peer, sender.local.address);
                if let Some(Entry::Udp(port)) = self.entries.get_mut(&sender.port) {
                    port.senders.remove(&key);
                    port.order.remove(&(sender.last, token));
                }
            }
            Some(port) => drop(self.entries.insert(token, port)),
            None => {}
        }
    }

    fn pause(&mut self, token: u64) {
        if let Some(Entry::Tcp(port)) = self.entries.get(&token)
            && epoll::delete(&*self.epoll, &port.socket).is_ok()
        {
            self.waiting.push(token);
        }
    }

    fn resume(&mut self) {
        let share = self.share();
        for token in std::mem::take(&mut self.waiting) {
            let Some(Entry::Tcp(port)) = self.entries.get(&token) else { continue };
            if port.connections >= share {
                self.waiting.push(token);
                continue;
            }
            let data = EventData::new_u64(token);
            if epoll::add(&*self.epoll, &port.socket, data, EventFlags::IN).is_err() {
                self.waiting.push(token);
            }
        }
    }

    fn watch(&mut self, socket: impl AsFd, flags: EventFlags) -> Result<u64, Errno> {
        let token = self.next_token();
        epoll::add(&*self.epoll, socket, EventData::new_u64(token), flags)?;
        Ok(token)
    }

    fn forget(&self, socket: impl AsFd) {
        // One that waits is not there.
        epoll::delete(&*self.epoll, socket).unwrap_or_default();
    }

    fn next_token(&mut self) -> u64 {
        let token = self.next;
        self.next += 1;
        token
    }
}
