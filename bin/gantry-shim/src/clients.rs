//! Connections to the task API: frames in, frames out. What the calls mean is told in `task`.
//!
//! A client is not trusted: what it may send and leave unread is limited, and one that breaks the
//! protocol loses its connection and nothing else.

use crate::poller::{EventFlags, Poller, Token, Watched};
use crate::process::Waiter;
use gantry_shim_protocol::frame::{FrameBuffer, FrameKind};
use gantry_shim_protocol::rpc::{Request, Response};
use gantry_shim_protocol::wire::Message;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::os::fd::{AsFd, OwnedFd};

/// More connections than this are refused, unless one can go that never made a call.
const MAX_CLIENTS: usize = 64;
/// A client that leaves so much unread is disconnected.
const MAX_BACKLOG_BYTES: usize = 16 << 20;
/// What all clients together may have sent of calls that are not whole yet.
const MAX_UNFINISHED_BYTES: usize = 16 << 20;

#[derive(Default)]
pub(crate) struct Clients {
    /// The oldest first.
    list: Vec<Client>,
}

struct Client {
    socket: Watched<OwnedFd>,
    incoming: FrameBuffer,
    outgoing: Vec<u8>,
    has_called: bool,
    /// It is gone; [`Clients::take_broken`] forgets it.
    broken: bool,
}

/// What came from a client.
pub(crate) enum Arrived {
    Call(u32, Result<Request, gantry_shim_protocol::Error>),
    Nothing,
    /// It does not speak our language.
    Nonsense,
}

impl Client {
    /// False: the connection is over.
    fn flush(&mut self, poller: &Poller) -> bool {
        while !self.outgoing.is_empty() {
            match send(self.socket.get(), &self.outgoing, SendFlags::NOSIGNAL) {
                Ok(sent) => drop(self.outgoing.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => return false,
            }
        }
        self.outgoing.shrink_to(4096);
        let waits = if self.outgoing.is_empty() { EventFlags::empty() } else { EventFlags::OUT };
        self.socket.watch(poller, Some(EventFlags::IN | waits));
        self.outgoing.len() <= MAX_BACKLOG_BYTES
    }

    fn next_call(&mut self) -> Arrived {
        match self.incoming.next_frame() {
            Ok(None) => Arrived::Nothing,
            Ok(Some(frame)) if frame.kind == FrameKind::Request => {
                self.has_called = true;
                Arrived::Call(frame.stream_id, Request::decode(frame.payload).map_err(Into::into))
            }
            Ok(Some(_)) | Err(_) => Arrived::Nonsense,
        }
    }
}

impl Clients {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether somebody has not taken all answers yet.
    pub(crate) fn have_backlog(&self) -> bool {
        self.list.iter().any(|client| !client.outgoing.is_empty() && !client.broken)
    }

    pub(crate) fn owns(&self, token: Token) -> bool {
        self.list.iter().any(|client| client.socket.token() == token)
    }

    /// Takes a new connection. When there are too many, the oldest goes that never said anything; else
    /// the new one does.
    pub(crate) fn add(&mut self, socket: OwnedFd, poller: &mut Poller) {
        if self.list.len() >= MAX_CLIENTS {
            let Some(silent) = self.list.iter().position(|client| !client.has_called) else {
                return;
            };
            drop(self.list.remove(silent).socket.release(poller));
        }
        let mut socket = Watched::new(poller, socket);
        socket.watch(poller, Some(EventFlags::IN));
        self.list.push(Client {
            socket,
            incoming: FrameBuffer::default(),
            outgoing: Vec::new(),
            has_called: false,
            broken: false,
        });
    }

    fn get(&mut self, token: Token) -> Option<&mut Client> {
        self.list.iter_mut().find(|client| client.socket.token() == token && !client.broken)
    }

    /// Marks a client as gone.
    pub(crate) fn disconnect(&mut self, token: Token) {
        if let Some(client) = self.get(token) {
            client.broken = true;
        }
    }

    /// Forgets those who are gone; gives their names.
    pub(crate) fn take_broken(&mut self, poller: &Poller) -> Vec<Token> {
        // Allocates nothing while nobody is gone.
        let mut tokens = Vec::new();
        while let Some(index) = self.list.iter().position(|client| client.broken) {
            let client = self.list.remove(index);
            tokens.push(client.socket.token());
            drop(client.socket.release(poller));
        }
        tokens
    }

    /// The process that made a client's connection, if it is still there: nobody else has its number then.
    pub(crate) fn process_of(&self, waiter: Waiter) -> Option<i32> {
        let mut clients = self.list.iter();
        let client = clients.find(|client| client.socket.token() == waiter.client)?;
        let socket = client.socket.get();
        // Only the end of it is asked for.
        let mut state = [PollFd::new(socket, PollFlags::empty())];
        poll(&mut state, Some(&Timespec::default())).ok()?;
        let is_connected = state[0].revents().is_empty();
        let peer = gantry_sys::unix_socket::peer_credentials(socket.as_fd()).ok()?;
        (is_connected && peer.pid > 0).then_some(peer.pid)
    }

    /// Reads once from a client. False: the connection is over.
    pub(crate) fn read(&mut self, token: Token, buffer: &mut [u8]) -> bool {
        let Some(client) = self.get(token) else {
            return true;
        };
        match recv(client.socket.get(), &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => return false,
            Ok((_, length)) => client.incoming.extend(&buffer[..length]),
            Err(Errno::AGAIN | Errno::INTR) => return true,
            Err(_) => return false,
        }
        let unfinished: usize = self.list.iter().map(|client| client.incoming.len()).sum();
        unfinished <= MAX_UNFINISHED_BYTES
    }

    /// The next whole call of a client; `None` when the client is gone.
    pub(crate) fn next_call(&mut self, token: Token) -> Option<Arrived> {
        self.get(token).map(Client::next_call)
    }

    /// Sends an answer, if the client is still there.
    pub(crate) fn respond(&mut self, waiter: Waiter, response: &Response, poller: &Poller) {
        if let Some(client) = self.get(waiter.client) {
            response.put(waiter.stream_id, &mut client.outgoing);
            client.broken = !client.flush(poller);
        }
    }

    /// Sends what waits.
    pub(crate) fn flush(&mut self, token: Token, poller: &Poller) {
        if let Some(client) = self.get(token) {
            client.broken = !client.flush(poller);
        }
    }
}
