//! The thread that answers: one loop over all sockets, which takes at most one batch from each before it looks at the next.

mod datagrams;
mod forward;
mod streams;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use gantry_sys::datagrams::{Incoming, MOST_AT_ONCE};
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};

use self::forward::{Delivery, Forwarder};
use self::streams::Client;
use crate::Config;
use crate::lookup::View;
use crate::names::Names;
use crate::sockets::Sockets;

/// Events that are looked at in one round.
const EVENTS: usize = 64;
/// No proper question is longer; of longer datagrams the rest is lost, and they are malformed then.
const MOST_QUESTION: usize = 2048;
/// The longest datagram that we send, whatever the client takes.
const MOST_ANSWER: usize = 4096;

/// What the thread and its users share.
#[derive(Debug)]
pub(crate) struct Shared {
    names: RwLock<Names>,
    commands: Mutex<Vec<Command>>,
    wake: OwnedFd,
}

/// What a container sees, which its server looks at for each question: what is set is seen by every question that is asked then.
#[derive(Debug, Clone)]
pub(crate) struct SharedView(Arc<RwLock<View>>);

impl SharedView {
    pub(crate) fn new(view: View) -> Self {
        Self(Arc::new(RwLock::new(view)))
    }

    pub(crate) fn set(&self, view: View) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = view;
    }

    fn get(&self) -> RwLockReadGuard<'_, View> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread is told.
#[derive(Debug)]
pub(crate) enum Command {
    Open { id: u32, namespace: OwnedFd, sockets: Box<Sockets>, view: SharedView },
    Close { id: u32 },
    End,
}

impl Shared {
    pub(crate) fn new() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { names: RwLock::default(), commands: Mutex::default(), wake })
    }

    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut Names) -> T) -> T {
        change(&mut self.names.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn names(&self) -> RwLockReadGuard<'_, Names> {
        self.names.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tell(&self, command: Command) {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).push(command);
        // A full counter wakes as well.
        let _same = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    fn told(&self) -> Vec<Command> {
        let mut count = [0; 8];
        let _same = rustix::io::read(&self.wake, &mut count);
        std::mem::take(&mut *self.commands.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whose socket an event is about. The number is one that is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Wake,
    Datagrams(u32),
    Listener(u32),
    Client(u32),
    /// A socket to a server outside, by UDP and by TCP.
    Upstream(u32),
    Stream(u32),
}

impl Token {
    fn pack(self) -> epoll::EventData {
        let (sort, id) = match self {
            Self::Wake => (0, 0),
            Self::Datagrams(id) => (1, id),
            Self::Listener(id) => (2, id),
            Self::Client(id) => (3, id),
            Self::Upstream(id) => (4, id),
            Self::Stream(id) => (5, id),
        };
        epoll::EventData::new_u64((sort << 32) | u64::from(id))
    }

    fn unpack(data: epoll::EventData) -> Self {
        let bits = data.u64();
        let id = u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0);
        match bits >> 32 {
            1 => Self::Datagrams(id),
            2 => Self::Listener(id),
            3 => Self::Client(id),
            4 => Self::Upstream(id),
            5 => Self::Stream(id),
            _ => Self::Wake,
        }
    }
}

/// What happens at a time, unless it has become pointless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The server that was asked in this attempt has not answered.
    Attempt { serial: u64, attempt: u8 },
    /// A client's connection has been idle.
    Idle(u32),
    /// There may be descriptors for a container's clients again.
    Listen(u32),
}

/// The sockets that the loop waits for.
#[derive(Debug)]
struct Waiting {
    epoll: OwnedFd,
    timers: BinaryHeap<Reverse<(Instant, Timer)>>,
    last: u32,
}

impl Waiting {
    /// A number for something new.
    fn number(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    fn add(&self, socket: impl AsFd, token: Token, flags: epoll::EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, token.pack(), flags)?)
    }

    /// Only a socket that is not there can fail, and that one tells of nothing any more.
    fn change(&self, socket: impl AsFd, token: Token, flags: epoll::EventFlags) {
        epoll::modify(&self.epoll, socket, token.pack(), flags).unwrap_or_default();
    }

    fn at(&mut self, time: Instant, timer: Timer) {
        self.timers.push(Reverse((time, timer)));
    }

    /// The next timer whose time has come.
    fn due(&mut self, now: Instant) -> Option<Timer> {
        let Reverse((time, timer)) = *self.timers.peek()?;
        if time > now {
            return None;
        }
        self.timers.pop();
        Some(timer)
    }

    fn timeout(&self) -> Option<Timespec> {
        let Reverse((time, _)) = self.timers.peek()?;
        // Behind the time, not before it.
        let left = time.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        Timespec::try_from(left).ok()
    }
}

/// One container's server.
#[derive(Debug)]
struct Sandbox {
    namespace: OwnedFd,
    sockets: Sockets,
    view: SharedView,
    /// Who comes first among those with one name.
    turn: usize,
    /// Open connections of clients.
    clients: usize,
}

/// The loop.
#[derive(Debug)]
pub(crate) struct Server {
    shared: Arc<Shared>,
    waiting: Waiting,
    sandboxes: HashMap<u32, Sandbox>,
    clients: HashMap<u32, Client>,
    forwarder: Forwarder,
    /// Questions of one batch, and room for their answers.
    inbox: Vec<Incoming>,
    answers: Vec<[u8; MOST_ANSWER]>,
}

impl Server {
    pub(crate) fn new(shared: Arc<Shared>, config: Config) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let waiting = Waiting { epoll, timers: BinaryHeap::new(), last: 0 };
        waiting.add(&shared.wake, Token::Wake, epoll::EventFlags::IN)?;
        Ok(Self {
            forwarder: Forwarder::new(config)?,
            shared,
            waiting,
            sandboxes: HashMap::new(),
            clients: HashMap::new(),
            inbox: vec![Incoming::new(MOST_QUESTION); MOST_AT_ONCE],
            answers: vec![[0; MOST_ANSWER]; MOST_AT_ONCE],
        })
    }

    /// Answers until it is told to end.
    pub(crate) fn run(&mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            events.clear();
            let timeout = self.waiting.timeout();
            let room = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.waiting.epoll, room, timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(%error, "containers' questions for names go unanswered");
                    return;
                }
            }
            for event in &events {
                match Token::unpack(event.data) {
                    Token::Wake => {
                        if !self.obey() {
                            return;
                        }
                    }
                    Token::Datagrams(id) => self.datagrams(id),
                    Token::Listener(id) => self.accept(id),
                    Token::Client(id) => self.client(id, event.flags),
                    Token::Upstream(id) => {
                        self.forwarder.heard(id, &mut self.waiting, &self.sandboxes);
                    }
                    Token::Stream(id) => {
                        self.forwarder.stream(id, event.flags, &mut self.waiting, &self.sandboxes);
                    }
                }
                self.deliver();
            }
            self.expire();
        }
    }

    /// Does what it was told; whether it is to go on.
    fn obey(&mut self) -> bool {
        for command in self.shared.told() {
            match command {
                Command::Open { id, namespace, sockets, view } => {
                    self.open(
                        id,
                        Sandbox { namespace, sockets: *sockets, view, turn: 0, clients: 0 },
                    );
                }
                Command::Close { id } => {
                    self.sandboxes.remove(&id);
                    self.clients.retain(|_, client| client.sandbox != id);
                    self.forwarder.forget(id);
                }
                Command::End => return false,
            }
        }
        true
    }

    fn open(&mut self, id: u32, sandbox: Sandbox) {
        let flags = epoll::EventFlags::IN;
        let both = self
            .waiting
            .add(&sandbox.sockets.udp, Token::Datagrams(id), flags)
            .and_then(|()| self.waiting.add(&sandbox.sockets.tcp, Token::Listener(id), flags));
        match both {
            Ok(()) => drop(self.sandboxes.insert(id, sandbox)),
            Err(error) => tracing::error!(%error, "a container has no name server"),
        }
    }

    /// Brings answers from outside to those who asked.
    fn deliver(&mut self) {
        while let Some(Delivery { sandbox, asker, answer }) = self.forwarder.take_delivery() {
            match asker {
                forward::Asker::Datagram(to) => {
                    if let Some(sandbox) = self.sandboxes.get(&sandbox) {
                        // A client that has gone, or takes nothing, asks again.
                        drop(sandbox.sockets.udp.send_to(&answer, to));
                    }
                }
                forward::Asker::Client(id) => self.answer_client(id, &answer),
            }
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        while let Some(timer) = self.waiting.due(now) {
            match timer {
                Timer::Attempt { serial, attempt } => {
                    self.forwarder.late(serial, attempt, &mut self.waiting, &self.sandboxes);
                }
                Timer::Idle(id) => self.idle(id, now),
                Timer::Listen(id) => self.listen(id, epoll::EventFlags::IN),
            }
            self.deliver();
        }
    }
}

impl Sandbox {
    fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }
}
