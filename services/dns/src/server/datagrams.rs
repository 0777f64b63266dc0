//! Questions by UDP, a batch at a time.

use std::net::{SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd};

use gantry_sys::datagrams::{MOST_AT_ONCE, Outgoing, receive, send};

use super::forward::{Asker, Question};
use super::{MOST_ANSWER, Server};
use crate::lookup::{Reply, reply};
use crate::message::answer::refusal;
use crate::message::{Fault, Query};

/// What is to be done about one question.
#[derive(Debug, Clone, Copy)]
enum Step {
    Nothing,
    /// So many bytes of its room.
    Answer(usize, SocketAddrV4),
    Outside(SocketAddrV4),
}

impl Server {
    /// Takes one batch of questions and answers it. What has to be asked outside is answered later.
    pub(super) fn datagrams(&mut self, id: u32) {
        let Some(sandbox) = self.sandboxes.get_mut(&id) else { return };
        // There may be nothing after all, if the kernel found it broken when it was to be read.
        let Ok(count) = receive(sandbox.sockets.udp.as_fd(), &mut self.inbox) else { return };
        let mut steps = [Step::Nothing; MOST_AT_ONCE];
        {
            let (names, view) = (self.shared.names(), sandbox.view.get());
            let rooms = self.inbox[..count].iter().zip(&mut self.answers);
            for (step, (question, room)) in steps.iter_mut().zip(rooms) {
                let Some(SocketAddr::V4(from)) = question.peer() else { continue };
                let bytes = question.bytes();
                *step = match Query::parse(bytes) {
                    Err(Fault::Silence) => Step::Nothing,
                    Err(Fault::Say(code)) => Step::Answer(refusal(bytes, code, room), from),
                    Ok(query) => {
                        sandbox.turn = sandbox.turn.wrapping_add(1);
                        let to = (&mut room[..], query.limit().min(MOST_ANSWER));
                        match reply(&names, &view, &query, sandbox.turn, to) {
                            Reply::Written(length) => Step::Answer(length, from),
                            Reply::Forward => Step::Outside(from),
                        }
                    }
                };
            }
        }
        answer(sandbox.sockets.udp.as_fd(), &steps, &self.answers);
        for (step, question) in steps.iter().zip(&self.inbox) {
            let Step::Outside(from) = *step else { continue };
            let Ok(query) = Query::parse(question.bytes()) else { continue };
            let question = Question { sandbox: id, asker: Asker::Datagram(from), query };
            self.forwarder.ask(&question, &mut self.waiting, &self.sandboxes);
        }
    }
}

/// Sends the answers that are there. What a socket has no room for is lost, as datagrams may be.
fn answer(socket: BorrowedFd<'_>, steps: &[Step; MOST_AT_ONCE], answers: &[[u8; MOST_ANSWER]]) {
    let mut batch = [Outgoing { bytes: &[], to: None, from: None }; MOST_AT_ONCE];
    let mut count = 0;
    for (step, room) in steps.iter().zip(answers) {
        if let Step::Answer(length @ 1.., to) = *step {
            batch[count] = Outgoing { bytes: &room[..length], to: Some(to.into()), from: None };
            count += 1;
        }
    }
    let mut rest = &batch[..count];
    while !rest.is_empty() {
        // One that cannot be sent is passed over.
        let sent = send(socket, rest).unwrap_or(1).max(1);
        rest = rest.get(sent..).unwrap_or_default();
    }
}
