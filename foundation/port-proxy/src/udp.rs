//! One UDP port: its senders, each with a socket of its own to the container.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use gantry_sys::datagrams::{self, Incoming, Local, Outgoing};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

/// Datagrams that are taken at once; the largest that there are fit.
pub(crate) const PLACES: usize = 32;
pub(crate) const PLACE_BYTES: usize = 65_535;

#[derive(Debug)]
pub(crate) struct UdpPort {
    pub(crate) socket: Arc<OwnedFd>,
    pub(crate) backend: SocketAddr,
    /// By what senders are told apart: their address and the one that they sent to.
    pub(crate) senders: HashMap<(SocketAddr, IpAddr), u64>,
    /// The same by when they were heard last, the oldest first.
    pub(crate) order: BTreeSet<(Instant, u64)>,
}

/// One sender's way to the container.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) port: u64,
    pub(crate) peer: SocketAddr,
    /// Where answers come from.
    pub(crate) local: Local,
    pub(crate) socket: OwnedFd,
    answers_by: Arc<OwnedFd>,
    pub(crate) last: Instant,
}

impl UdpPort {
    pub(crate) fn open(&self, port: u64, peer: SocketAddr, local: Local) -> io::Result<Sender> {
        let family =
            if self.backend.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::DGRAM, flags, None)?;
        connect(&socket, &self.backend)?;
        let answers_by = Arc::clone(&self.socket);
        Ok(Sender { port, peer, local: routed(local), socket, answers_by, last: Instant::now() })
    }
}

impl Sender {
    /// Sends a run of its datagrams to the container. What the container has no room for is lost, as on any wire.
    pub(crate) fn forward(&mut self, run: &[Incoming]) {
        self.last = Instant::now();
        let datagrams: Vec<Outgoing<'_>> =
            run.iter().map(|it| Outgoing { bytes: it.bytes(), to: None, from: None }).collect();
        send_all(&self.socket, &datagrams);
    }

    /// Takes a batch of the container's answers to the sender. `false` when the container refuses.
    pub(crate) fn answer(&mut self, places: &mut [Incoming]) -> bool {
        let count = match datagrams::receive(self.socket.as_fd(), places) {
            Ok(count) => count,
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        };
        self.last = Instant::now();
        let (to, from) = (Some(self.peer), Some(self.local));
        let datagrams: Vec<Outgoing<'_>> =
            places.iter().take(count).map(|it| Outgoing { bytes: it.bytes(), to, from }).collect();
        send_all(self.answers_by.as_ref(), &datagrams);
        true
    }
}

/// The device matters to link-local addresses only; others go as the routes say.
fn routed(local: Local) -> Local {
    match local.address {
        IpAddr::V6(address) if address.is_unicast_link_local() => local,
        address => Local { address, device: 0 },
    }
}

fn send_all(socket: &OwnedFd, mut datagrams: &[Outgoing<'_>]) {
    while !datagrams.is_empty() {
        let gone = match datagrams::send(socket.as_fd(), datagrams) {
            Ok(count) => count,
            // What an earlier datagram met is told by the next call; that one itself is not sent then, but those behind it are.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => 1,
        };
        datagrams = datagrams.get(gone.max(1)..).unwrap_or_default();
    }
}
