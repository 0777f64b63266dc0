//! Publishes events to containerd, when it gave an address: one at a time, in order, without ever
//! blocking the loop.

use crate::poller::{Event as Arrival, EventFlags, Poller, Token, Watched};
use crate::server::Identity;
use gantry_shim_protocol::event::{
    EVENTS_SERVICE, Envelope, Event, FORWARD_METHOD, ForwardRequest,
};
use gantry_shim_protocol::frame::FrameBuffer;
use gantry_shim_protocol::rpc::{KeyValue, NAMESPACE_KEY, Request};
use gantry_shim_protocol::wire::Message;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send, socket_with,
};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Events that wait while containerd is away; the oldest fall away beyond.
const MAX_QUEUE: usize = 1024;
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(crate) struct Publisher {
    address: String,
    namespace: String,
    queue: VecDeque<Vec<u8>>,
    link: Option<Link>,
    /// No attempt before this.
    retry_at: Duration,
}

/// The connection, with one call under way.
struct Link {
    socket: Watched<OwnedFd>,
    incoming: FrameBuffer,
    outgoing: Vec<u8>,
    last_stream_id: u32,
    waiting: bool,
}

impl Publisher {
    pub(crate) fn new(identity: &Identity) -> Self {
        Self {
            address: identity.events_address.clone(),
            namespace: identity.namespace.clone(),
            queue: VecDeque::new(),
            link: None,
            retry_at: Duration::ZERO,
        }
    }

    /// Whether there is anybody to publish to.
    pub(crate) fn is_heard(&self) -> bool {
        !self.address.is_empty()
    }

    /// Nothing waits to be published.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn owns(&self, token: Token) -> bool {
        self.link.as_ref().is_some_and(|link| link.socket.token() == token)
    }

    /// Publishes `event` after those before it.
    pub(crate) fn publish<E: Event>(&mut self, event: &E, poller: &mut Poller) {
        if self.address.is_empty() {
            return;
        }
        let envelope = Envelope {
            timestamp: Some(gantry_sys::clock::now()),
            namespace: self.namespace.clone(),
            topic: E::TOPIC.to_owned(),
            event: Some(event.to_any()),
        };
        if self.queue.len() >= MAX_QUEUE {
            self.queue.pop_front();
        }
        self.queue.push_back(ForwardRequest { envelope: Some(envelope) }.encode());
        self.tend(gantry_sys::clock::monotonic(), poller);
    }

    /// Connects and sends when there is something to send; gives the time until the next attempt.
    pub(crate) fn tend(&mut self, now: Duration, poller: &mut Poller) -> Option<Duration> {
        if self.queue.is_empty() {
            return None;
        }
        if self.link.is_none() {
            if now < self.retry_at {
                return Some(self.retry_at.saturating_sub(now));
            }
            self.retry_at = now + RETRY_AFTER;
            self.link = Link::open(&self.address, poller);
        }
        let Some(link) = &mut self.link else {
            return Some(RETRY_AFTER);
        };
        if !link.waiting
            && let Some(payload) = self.queue.front()
        {
            let namespace = self.namespace.clone();
            link.call(&Request {
                service: EVENTS_SERVICE.to_owned(),
                method: FORWARD_METHOD.to_owned(),
                payload: payload.clone(),
                timeout_nano: 0,
                metadata: vec![KeyValue { key: NAMESPACE_KEY.to_owned(), value: namespace }],
            });
        }
        if !link.flush(poller) {
            self.drop_link(poller);
        }
        None
    }

    pub(crate) fn handle(&mut self, event: Arrival, buffer: &mut [u8], poller: &mut Poller) {
        let Some(link) = &mut self.link else {
            return;
        };
        let readable = EventFlags::IN | EventFlags::HUP | EventFlags::ERR;
        let was_waiting = link.waiting;
        let alive = !event.flags.intersects(readable) || link.read(buffer);
        if was_waiting && !link.waiting {
            // Taken, or refused: containerd will not want it the second time either.
            self.queue.pop_front();
        }
        if !alive {
            self.drop_link(poller);
        }
        self.tend(gantry_sys::clock::monotonic(), poller);
    }

    fn drop_link(&mut self, poller: &Poller) {
        if let Some(link) = self.link.take() {
            drop(link.socket.release(poller));
        }
    }
}

impl Link {
    fn open(address: &str, poller: &mut Poller) -> Option<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
        // A full queue of connections is an error here, not a wait.
        connect(&socket, &SocketAddrUnix::new(address).ok()?).ok()?;
        Some(Self {
            socket: Watched::new(poller, socket),
            incoming: FrameBuffer::default(),
            outgoing: Vec::new(),
            last_stream_id: 0,
            waiting: false,
        })
    }

    fn call(&mut self, request: &Request) {
        let stream_id = self.last_stream_id.wrapping_add(2) | 1;
        self.last_stream_id = stream_id;
        // An event is far below a frame's limit.
        self.waiting = request.put(stream_id, &mut self.outgoing).is_ok();
    }

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
        let out = if self.outgoing.is_empty() { EventFlags::empty() } else { EventFlags::OUT };
        self.socket.watch(poller, Some(EventFlags::IN | out));
        true
    }

    /// Reads answers. False: the connection is over.
    fn read(&mut self, buffer: &mut [u8]) -> bool {
        match recv(self.socket.get(), &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => return false,
            Ok((_, length)) => self.incoming.extend(&buffer[..length]),
            Err(Errno::AGAIN | Errno::INTR) => return true,
            Err(_) => return false,
        }
        loop {
            match self.incoming.next_frame() {
                Ok(Some(frame)) if frame.stream_id == self.last_stream_id => self.waiting = false,
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }
}
