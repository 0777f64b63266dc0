//! Connections to the task API: frames in, frames out.

use super::Server;
use crate::poller::{Event, EventFlags, Token, Watched};
use crate::process::Waiter;
use crate::task::Answer;
use gantry_shim_protocol::frame::{FrameBuffer, FrameKind};
use gantry_shim_protocol::rpc::{Request, Response};
use gantry_shim_protocol::wire::Message;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::os::fd::OwnedFd;

/// More connections than this are refused.
const MAX_CLIENTS: usize = 64;
/// A client that leaves so much unread is disconnected.
const MAX_BACKLOG_BYTES: usize = 16 << 20;

pub(super) struct Client {
    socket: Watched<OwnedFd>,
    incoming: FrameBuffer,
    outgoing: Vec<u8>,
}

/// What came from a client.
enum Arrived {
    Call(u32, Result<Request, gantry_shim_protocol::Error>),
    Nothing,
    /// It does not speak our language.
    Nonsense,
}

impl Client {
    pub(super) fn has_backlog(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// False: the connection is over.
    fn flush(&mut self) -> bool {
        while !self.outgoing.is_empty() {
            match send(self.socket.get(), &self.outgoing, SendFlags::NOSIGNAL) {
                Ok(sent) => drop(self.outgoing.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => return false,
            }
        }
        self.outgoing.shrink_to(4096);
        self.outgoing.len() <= MAX_BACKLOG_BYTES
    }

    fn next_call(&mut self) -> Arrived {
        match self.incoming.next_frame() {
            Ok(None) => Arrived::Nothing,
            Ok(Some(frame)) if frame.kind == FrameKind::Request => {
                Arrived::Call(frame.stream_id, Request::decode(frame.payload))
            }
            Ok(Some(_)) | Err(_) => Arrived::Nonsense,
        }
    }
}

impl Server {
    pub(super) fn accept_clients(&mut self) {
        while let Some(socket) = Self::accept(&self.listener) {
            if self.clients.len() < MAX_CLIENTS {
                let mut socket = Watched::new(&mut self.poller, socket);
                socket.watch(&self.poller, Some(EventFlags::IN));
                let (incoming, outgoing) = (FrameBuffer::default(), Vec::new());
                self.clients.push(Client { socket, incoming, outgoing });
            }
        }
    }

    pub(super) fn owns_client(&self, token: Token) -> bool {
        self.clients.iter().any(|client| client.socket.token() == token)
    }

    fn client(&mut self, token: Token) -> Option<&mut Client> {
        self.clients.iter_mut().find(|client| client.socket.token() == token)
    }

    fn drop_client(&mut self, token: Token) {
        let position = self.clients.iter().position(|client| client.socket.token() == token);
        if let Some(index) = position {
            drop(self.clients.swap_remove(index).socket.release(&self.poller));
        }
        for process in &mut self.processes {
            process.waiters.retain(|waiter| waiter.client != token);
        }
    }

    pub(super) fn serve_client(&mut self, event: Event) {
        if event.flags.contains(EventFlags::OUT) {
            self.flush_client(event.token);
        }
        if event.flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR)
            && !self.read_client(event.token)
        {
            self.drop_client(event.token);
        }
    }

    /// Reads once and serves the calls that are whole. False: the connection is over.
    fn read_client(&mut self, token: Token) -> bool {
        let Some(client) = self.clients.iter_mut().find(|client| client.socket.token() == token)
        else {
            return true;
        };
        match recv(client.socket.get(), &mut *self.buffer, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => return false,
            Ok((_, length)) => client.incoming.extend(&self.buffer[..length]),
            Err(Errno::AGAIN | Errno::INTR) => return true,
            Err(_) => return false,
        }
        // A call may end its own connection.
        while let Some(client) = self.client(token) {
            match client.next_call() {
                Arrived::Call(stream_id, request) => self.serve_call(token, stream_id, request),
                Arrived::Nothing => return true,
                Arrived::Nonsense => return false,
            }
        }
        true
    }

    fn serve_call(
        &mut self,
        token: Token,
        stream_id: u32,
        request: Result<Request, gantry_shim_protocol::Error>,
    ) {
        let waiter = Waiter { client: token, stream_id };
        let answer = request.map_err(Into::into).and_then(|request| self.call(waiter, &request));
        let response = match answer {
            Ok(Answer::Later) => return,
            Ok(Answer::Now(payload)) => Response { status: None, payload },
            Err(error) => Response::failure(error.to_status()),
        };
        self.respond(waiter, &response);
    }

    /// Sends an answer, if the client is still there.
    pub(crate) fn respond(&mut self, waiter: Waiter, response: &Response) {
        if let Some(client) = self.client(waiter.client) {
            response.put(waiter.stream_id, &mut client.outgoing);
            self.flush_client(waiter.client);
        }
    }

    fn flush_client(&mut self, token: Token) {
        let mut clients = self.clients.iter_mut();
        let Some(client) = clients.find(|client| client.socket.token() == token) else {
            return;
        };
        if !client.flush() {
            self.drop_client(token);
            return;
        }
        let waits = if client.has_backlog() { EventFlags::OUT } else { EventFlags::empty() };
        client.socket.watch(&self.poller, Some(EventFlags::IN | waits));
    }
}
