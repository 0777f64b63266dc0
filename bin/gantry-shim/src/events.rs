//! Publishes events to containerd, when it gave an address: one at a time, in order, without ever
//! blocking the loop. What containerd did not acknowledge is sent again when it is back.

use crate::poller::{Event as Arrival, EventFlags, Poller, Token, Watched};
use crate::server::Identity;
use gantry_shim_protocol::event::{
    EVENTS_SERVICE, Envelope, Event, FORWARD_METHOD, ForwardRequest, TaskDelete, TaskExit,
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

/// Events that wait while containerd is away. Beyond it the oldest falls away that tells of no end, and
/// when all do, the oldest.
const MAX_QUEUE: usize = 1024;
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long containerd may take to acknowledge an event, as in its own shims; then it is sent again by a
/// new connection.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

pub(crate) struct Publisher {
    address: String,
    namespace: String,
    queue: VecDeque<Pending>,
    link: Option<Link>,
    /// No attempt before this.
    retry_at: Duration,
}

/// An event that was not acknowledged.
struct Pending {
    request: Vec<u8>,
    /// Without it somebody would wait for an end for ever.
    tells_end: bool,
}

/// The connection, with one call under way.
struct Link {
    socket: Watched<OwnedFd>,
    incoming: FrameBuffer,
    outgoing: Vec<u8>,
    last_stream_id: u32,
    waiting: bool,
    /// When the call was made.
    called_at: Duration,
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
            self.make_room();
        }
        let tells_end = [TaskExit::TOPIC, TaskDelete::TOPIC].contains(&E::TOPIC);
        let request = ForwardRequest { envelope: Some(envelope) }.encode();
        self.queue.push_back(Pending { request, tells_end });
        self.tend(gantry_sys::clock::monotonic(), poller);
    }

    fn make_room(&mut self) {
        // The first may be under way: its answer will take it from the queue.
        let first = usize::from(self.link.as_ref().is_some_and(|link| link.waiting));
        let dispensable = self.queue.iter().skip(first).position(|event| !event.tells_end);
        self.queue.remove(first + dispensable.unwrap_or(0));
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
            && let Some(event) = self.queue.front()
        {
            link.called_at = now;
            let namespace = self.namespace.clone();
            link.call(&Request {
                service: EVENTS_SERVICE.to_owned(),
                method: FORWARD_METHOD.to_owned(),
                payload: event.request.clone(),
                timeout_nano: 0,
                metadata: vec![KeyValue { key: NAMESPACE_KEY.to_owned(), value: namespace }],
            });
        }
        let left = (link.called_at + ANSWER_LIMIT).saturating_sub(now);
        if !link.flush(poller) || (link.waiting && left.is_zero()) {
            self.drop_link(poller);
            return Some(self.retry_at.saturating_sub(now));
        }
        link.waiting.then_some(left)
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
            called_at: Duration::ZERO,
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
