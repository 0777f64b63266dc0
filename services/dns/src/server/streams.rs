//! Clients that ask by TCP: a message is preceded by its length. One question of a connection is at work at a time.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;

use super::forward::{Asker, Question};
use super::{Server, Timer, Token};
use crate::lookup::{Reply, reply};
use crate::message::answer::refusal;
use crate::message::{Fault, Query};

/// Connections that a container may have open to its server; more are closed at once.
const MOST_CLIENTS: usize = 64;
/// How long one may be silent.
const IDLE: Duration = Duration::from_secs(10);
/// Before clients are taken again when there were no descriptors for them.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes of a question and its length.
const MOST_INPUT: usize = 2 + 4096;
/// A message's longest.
const MOST_OUTPUT: usize = u16::MAX as usize;

/// One connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) sandbox: u32,
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    written: usize,
    /// Its question is asked outside.
    waits: bool,
    /// It sends no more.
    has_ended: bool,
    active: Instant,
}

/// Whether a connection goes on.
type Goes = Option<()>;

impl Client {
    /// What the loop is to wait for.
    fn interest(&self) -> EventFlags {
        if !self.output.is_empty() {
            EventFlags::OUT
        } else if self.waits || self.has_ended {
            EventFlags::empty()
        } else {
            EventFlags::IN
        }
    }

    fn is_done(&self) -> bool {
        self.has_ended && !self.waits && self.output.is_empty()
    }

    fn read(&mut self) -> Goes {
        let mut room = [0; MOST_INPUT];
        match self.stream.read(&mut room[..MOST_INPUT - self.input.len()]) {
            Ok(0) => self.has_ended = true,
            Ok(count) => self.input.extend_from_slice(&room[..count]),
            Err(error) if is_later(&error) => {}
            Err(_) => return None,
        }
        Some(())
    }

    /// Writes what there is, as far as the client takes it.
    fn write(&mut self) -> Goes {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(0) => return None,
                Ok(count) => self.written += count,
                Err(error) if is_later(&error) => return Some(()),
                Err(_) => return None,
            }
        }
        self.output.clear();
        self.written = 0;
        Some(())
    }

    /// The next whole question; nothing when it has not come yet, or is one that is too long to ever come.
    fn next(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(u16::from_be_bytes([*self.input.first()?, *self.input.get(1)?]));
        let message = self.input.get(2..2 + length)?.to_vec();
        self.input.drain(..2 + length);
        Some(message)
    }

    fn put(&mut self, answer: &[u8]) {
        let length = u16::try_from(answer.len()).unwrap_or(0);
        self.output.extend_from_slice(&length.to_be_bytes());
        self.output.extend_from_slice(&answer[..usize::from(length)]);
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Whether there are no descriptors, or no memory; others may give some back.
fn is_short(error: &io::Error) -> bool {
    let short = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| short.contains(&errno))
}

impl Server {
    /// Takes one connection.
    pub(super) fn accept(&mut self, id: u32) {
        let Some(sandbox) = self.sandboxes.get_mut(&id) else { return };
        let stream = match sandbox.sockets.tcp.accept() {
            Ok((stream, _)) => stream,
            Err(error) if is_short(&error) => {
                // The client still waits, and would be told of again at once.
                self.listen(id, EventFlags::empty());
                return self.waiting.at(Instant::now() + PAUSE, Timer::Listen(id));
            }
            // That client is gone.
            Err(_) => return,
        };
        if sandbox.clients >= MOST_CLIENTS || stream.set_nonblocking(true).is_err() {
            return;
        }
        let number = self.waiting.number();
        if self.waiting.add(&stream, Token::Client(number), EventFlags::IN).is_err() {
            return;
        }
        sandbox.clients += 1;
        let active = Instant::now();
        let client = Client {
            sandbox: id,
            stream,
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            waits: false,
            has_ended: false,
            active,
        };
        self.clients.insert(number, client);
        self.waiting.at(active + IDLE, Timer::Idle(number));
    }

    /// What news of a container's listening socket are wanted.
    pub(super) fn listen(&self, id: u32, flags: EventFlags) {
        if let Some(sandbox) = self.sandboxes.get(&id) {
            self.waiting.change(&sandbox.sockets.tcp, Token::Listener(id), flags);
        }
    }

    pub(super) fn client(&mut self, id: u32, flags: EventFlags) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.active = Instant::now();
        let broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        let readable = flags.contains(EventFlags::IN);
        let goes = if broken { None } else { Some(()) }
            .and_then(|()| client.write())
            .and_then(|()| if readable { client.read() } else { Some(()) });
        self.go_on(id, goes);
    }

    /// An answer from outside has come.
    pub(super) fn answer_client(&mut self, id: u32, answer: &[u8]) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.waits = false;
        client.put(answer);
        let goes = client.write();
        self.go_on(id, goes);
    }

    pub(super) fn idle(&mut self, id: u32, now: Instant) {
        let Some(client) = self.clients.get(&id) else { return };
        let end = if client.waits { now + IDLE } else { client.active + IDLE };
        if end > now {
            self.waiting.at(end, Timer::Idle(id));
        } else {
            self.close_client(id);
        }
    }

    /// Answers what has come, as long as the client takes it.
    fn go_on(&mut self, id: u32, mut goes: Goes) {
        while goes.is_some() {
            let Some(client) = self.clients.get_mut(&id) else { return };
            if client.waits || !client.output.is_empty() {
                break;
            }
            let Some(message) = client.next() else {
                if client.input.len() == MOST_INPUT {
                    goes = None;
                }
                break;
            };
            self.answer(id, &message);
            goes = self.clients.get_mut(&id).and_then(Client::write);
        }
        let Some(client) = self.clients.get(&id) else { return };
        if goes.is_none() || client.is_done() {
            self.close_client(id);
        } else {
            self.waiting.change(&client.stream, Token::Client(id), client.interest());
        }
    }

    /// Answers one question, now or later.
    fn answer(&mut self, id: u32, message: &[u8]) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Some(sandbox) = self.sandboxes.get_mut(&client.sandbox) else { return };
        let mut room = vec![0; MOST_OUTPUT];
        let length = match Query::parse(message) {
            // Who sends an answer has lost his way.
            Err(Fault::Silence) => {
                client.has_ended = true;
                client.input.clear();
                return;
            }
            Err(Fault::Say(code)) => refusal(message, code, &mut room),
            Ok(query) => {
                sandbox.turn = sandbox.turn.wrapping_add(1);
                let to = (&mut room[..], MOST_OUTPUT);
                let replied =
                    reply(&self.shared.names(), &sandbox.view.get(), &query, sandbox.turn, to);
                match replied {
                    Reply::Written(length) => length,
                    Reply::Forward => {
                        client.waits = true;
                        let sandbox = client.sandbox;
                        let question = Question { sandbox, asker: Asker::Client(id), query };
                        self.forwarder.ask(&question, &mut self.waiting, &self.sandboxes);
                        return;
                    }
                }
            }
        };
        client.put(&room[..length]);
    }

    fn close_client(&mut self, id: u32) {
        if let Some(client) = self.clients.remove(&id)
            && let Some(sandbox) = self.sandboxes.get_mut(&client.sandbox)
        {
            sandbox.clients -= 1;
        }
    }
}
