//! Questions that go outside: to one name server after another, from the asker's namespace, and back as they come.
//!
//! Each question has a number that nobody can guess, on a socket with a port that the kernel chose for few questions; an answer counts
//! only from the server that was asked, with that number and the same question.

mod sockets;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;

use self::sockets::{Sockets, Via};
use super::{Sandbox, Timer, Waiting};
use crate::Config;
use crate::message::answer::{Answer, refusal};
use crate::message::{self, Code, HEADER, PLAIN_LIMIT, Query, TRUNCATED};
use crate::upstreams::{HostServers, Upstream};

/// How long a server has for its answer.
const PATIENCE: Duration = Duration::from_secs(4);
/// Questions of one container that wait for answers. When there are more, the oldest is refused: it has the least hope.
const MOST_PENDING: usize = 1024;

type Sandboxes = HashMap<u32, Sandbox>;

/// Who wants to know.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asker {
    Datagram(SocketAddrV4),
    Client(u32),
}

/// What is to be asked.
pub(super) struct Question<'q> {
    pub(super) sandbox: u32,
    pub(super) asker: Asker,
    pub(super) query: Query<'q>,
}

/// An answer on its way to who asked.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) sandbox: u32,
    pub(super) asker: Asker,
    pub(super) answer: Vec<u8>,
}

/// A question without an answer yet.
#[derive(Debug)]
struct Pending {
    sandbox: u32,
    asker: Asker,
    message: Vec<u8>,
    question_end: usize,
    /// The longest answer that the asker takes.
    limit: usize,
    servers: Vec<Upstream>,
    /// How many of them have been asked.
    attempt: u8,
    via: Option<Via>,
    /// What a server said who could not tell, for when no other can.
    fallback: Option<Vec<u8>>,
}

impl Pending {
    fn question(&self) -> &[u8] {
        &self.message[HEADER..self.question_end]
    }

    /// A failure, in the form of an answer to the question.
    fn failure(&self, code: Code) -> Vec<u8> {
        let mut room = [0; PLAIN_LIMIT];
        let length = match Query::parse(&self.message) {
            Ok(query) => Answer::new(&query, &mut room, PLAIN_LIMIT).finish(code),
            Err(_) => refusal(&self.message, code, &mut room),
        };
        room[..length].to_vec()
    }

    /// An answer as the asker knows its question, and no longer than he takes it.
    fn in_the_words_of_the_asker(&self, mut answer: Vec<u8>) -> Vec<u8> {
        answer[..2].copy_from_slice(&self.message[..2]);
        if answer.len() > self.limit {
            answer.truncate(self.question_end);
            answer[2] |= TRUNCATED;
            answer[6..HEADER].fill(0);
        }
        answer
    }
}

/// Everything that is asked outside.
#[derive(Debug)]
pub(super) struct Forwarder {
    host: HostServers,
    sockets: Sockets,
    pending: HashMap<u64, Pending>,
    /// By container, oldest first; those that have been answered are passed over.
    order: HashMap<u32, Order>,
    deliveries: VecDeque<Delivery>,
    last: u64,
}

#[derive(Debug, Default)]
struct Order {
    serials: VecDeque<u64>,
    waiting: usize,
}

impl Forwarder {
    pub(super) fn new(config: Config) -> io::Result<Self> {
        Ok(Self {
            host: HostServers::new(config.resolv_conf),
            sockets: Sockets::new()?,
            pending: HashMap::new(),
            order: HashMap::new(),
            deliveries: VecDeque::new(),
            last: 0,
        })
    }

    pub(super) fn take_delivery(&mut self) -> Option<Delivery> {
        self.deliveries.pop_front()
    }

    /// Asks. Where there is nobody to ask, the answer is a failure at once.
    pub(super) fn ask(&mut self, question: &Question<'_>, waiting: &mut Waiting, all: &Sandboxes) {
        let Question { sandbox, asker, query } = question;
        let Some(found) = all.get(sandbox) else { return };
        let limit = match asker {
            Asker::Datagram(_) => query.limit(),
            Asker::Client(_) => usize::from(u16::MAX),
        };
        let pending = Pending {
            sandbox: *sandbox,
            asker: *asker,
            message: query.bytes.to_vec(),
            question_end: query.question_end,
            limit,
            servers: self.host.of(&found.view.get().upstreams),
            attempt: 0,
            via: None,
            fallback: None,
        };
        self.last += 1;
        let serial = self.last;
        self.pending.insert(serial, pending);
        self.queue(*sandbox, serial);
        self.attempt(serial, waiting, all);
    }

    /// Notes a question; one too many costs the oldest.
    fn queue(&mut self, sandbox: u32, serial: u64) {
        let order = self.order.entry(sandbox).or_default();
        order.serials.push_back(serial);
        order.waiting += 1;
        if order.serials.len() > 2 * MOST_PENDING {
            let pending = &self.pending;
            order.serials.retain(|serial| pending.contains_key(serial));
        }
        while self.order.get(&sandbox).is_some_and(|order| order.waiting > MOST_PENDING) {
            let oldest = self.order.get_mut(&sandbox).and_then(|order| order.serials.pop_front());
            let Some(oldest) = oldest else { return };
            if let Some(pending) = self.pending.get(&oldest) {
                let answer = pending.failure(Code::Refused);
                self.finish(oldest, answer);
            }
        }
    }

    /// Asks the next server; when there is none, tells the asker what the others said, or that nobody could.
    fn attempt(&mut self, serial: u64, waiting: &mut Waiting, all: &Sandboxes) {
        loop {
            let Some(pending) = self.pending.get_mut(&serial) else { return };
            let next = pending.servers.get(usize::from(pending.attempt)).copied();
            let Some(server) = next else {
                let said = pending.fallback.take();
                let answer = said.unwrap_or_else(|| pending.failure(Code::ServerFailure));
                return self.finish(serial, answer);
            };
            pending.attempt += 1;
            let Some(sandbox) = all.get(&pending.sandbox) else { return };
            let by_stream = matches!(pending.asker, Asker::Client(_));
            let from = (pending.sandbox, sandbox.namespace());
            let message = (serial, pending.message.as_slice());
            match self.sockets.send((server, by_stream), from, message, waiting) {
                Ok(via) => {
                    pending.via = Some(via);
                    let attempt = pending.attempt;
                    return waiting
                        .at(Instant::now() + PATIENCE, Timer::Attempt { serial, attempt });
                }
                Err(error) => {
                    tracing::debug!(%error, server = %server.address, "cannot ask a name server");
                }
            }
        }
    }

    /// A server has had its time.
    pub(super) fn late(
        &mut self,
        serial: u64,
        attempt: u8,
        waiting: &mut Waiting,
        all: &Sandboxes,
    ) {
        let current = |pending: &&mut Pending| pending.attempt == attempt;
        if let Some(pending) = self.pending.get_mut(&serial).filter(current) {
            let via = pending.via.take();
            self.sockets.give_up(via);
            self.attempt(serial, waiting, all);
        }
    }

    /// Something came by UDP.
    pub(super) fn heard(&mut self, socket: u32, waiting: &mut Waiting, all: &Sandboxes) {
        let pending = &self.pending;
        let is_answer = |serial: u64, answer: &[u8]| {
            pending.get(&serial).is_some_and(|it| message::answers(answer, it.question()))
        };
        for heard in self.sockets.heard(socket, is_answer) {
            self.judge(heard.serial, heard.answer, waiting, all);
        }
    }

    /// A connection to a server outside can be written or read.
    pub(super) fn stream(
        &mut self,
        stream: u32,
        flags: EventFlags,
        waiting: &mut Waiting,
        all: &Sandboxes,
    ) {
        let Some(heard) = self.sockets.stream(stream, flags, waiting) else { return };
        let answer = heard.answer.filter(|answer| {
            let pending = self.pending.get(&heard.serial);
            let number = |it: &Pending| answer.get(..2) == Some(&it.message[..2]);
            pending.is_some_and(|it| number(it) && message::answers(answer, it.question()))
        });
        self.judge(heard.serial, answer, waiting, all);
    }

    /// An answer, or the news that there will be none. A server that could not tell is not the last to be asked.
    fn judge(
        &mut self,
        serial: u64,
        answer: Option<Vec<u8>>,
        waiting: &mut Waiting,
        all: &Sandboxes,
    ) {
        let Some(pending) = self.pending.get_mut(&serial) else { return };
        pending.via = None;
        let is_failure = |answer: &Vec<u8>| {
            let code = answer[3] & 0x0f;
            code == Code::ServerFailure as u8 || code == Code::Refused as u8
        };
        match answer.map(|answer| pending.in_the_words_of_the_asker(answer)) {
            Some(answer) if !is_failure(&answer) => self.finish(serial, answer),
            failure => {
                if failure.is_some() {
                    pending.fallback = failure;
                }
                self.attempt(serial, waiting, all);
            }
        }
    }

    fn finish(&mut self, serial: u64, answer: Vec<u8>) {
        let Some(mut pending) = self.pending.remove(&serial) else { return };
        self.sockets.give_up(pending.via.take());
        if let Some(order) = self.order.get_mut(&pending.sandbox) {
            order.waiting -= 1;
        }
        let Pending { sandbox, asker, .. } = pending;
        self.deliveries.push_back(Delivery { sandbox, asker, answer });
    }

    /// A container has gone, and so have its questions.
    pub(super) fn forget(&mut self, sandbox: u32) {
        self.pending.retain(|_, pending| pending.sandbox != sandbox);
        self.order.remove(&sandbox);
        self.sockets.forget(sandbox);
    }
}
