//! Connections on `io.sock` before they are attached: each has to say what it wants.

use super::Server;
use crate::poller::{EventFlags, Token, Watched};
use crate::streams::Attacher;
use gantry_shim_protocol::attach::{AttachHeader, Reply};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Of more than this at once the oldest is turned away: an honest one has said its few bytes long ago.
const MAX_NEWCOMERS: usize = 64;
/// How long one may take for its few bytes.
const HEADER_LIMIT: Duration = Duration::from_secs(10);

pub(super) struct Newcomer {
    socket: Watched<OwnedFd>,
    header: Vec<u8>,
    deadline: Duration,
    /// Whose socket it came to: the container's bundle is at hand while it is known.
    container: String,
}

/// How far a newcomer has come.
enum Progress {
    Waiting,
    Gone,
    Wants(AttachHeader),
    Nonsense,
}

impl Newcomer {
    /// Reads what the header still needs and not a byte more: input follows it.
    fn read(&mut self) -> Progress {
        loop {
            let mut block = [0; gantry_shim_protocol::attach::MAX_HEADER_BYTES];
            let missing = AttachHeader::missing_bytes(&self.header).min(block.len());
            match recv(self.socket.get(), &mut block[..missing], RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Progress::Gone,
                Ok((_, length)) => self.header.extend_from_slice(&block[..length]),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Progress::Waiting,
                Err(_) => return Progress::Gone,
            }
            match AttachHeader::decode(&self.header) {
                Ok(Some((header, _))) => return Progress::Wants(header),
                Ok(None) => {}
                Err(_) => return Progress::Nonsense,
            }
        }
    }
}

impl Server {
    pub(super) fn accept_newcomers(&mut self, index: usize) {
        let container = &self.containers[index];
        let Some(listener) = container.io_listener() else { return };
        let mut sockets = Vec::new();
        let accepted = loop {
            match super::accept(listener) {
                Ok(Some(socket)) => sockets.push(socket),
                other => break other,
            }
        };
        let id = container.id.clone();
        if accepted.is_err() {
            self.go_deaf();
        }
        for socket in sockets {
            let mut socket = Watched::new(&mut self.hub.poller, socket);
            socket.watch(&self.hub.poller, Some(EventFlags::IN));
            let token = socket.token();
            let deadline = gantry_sys::clock::monotonic() + HEADER_LIMIT;
            if self.newcomers.len() >= MAX_NEWCOMERS {
                drop(self.newcomers.remove(0).socket.release(&self.hub.poller));
            }
            let container = id.clone();
            self.newcomers.push(Newcomer { socket, header: Vec::new(), deadline, container });
            // The header is usually there already.
            self.serve_newcomer(token);
        }
    }

    pub(super) fn owns_newcomer(&self, token: Token) -> bool {
        self.newcomers.iter().any(|newcomer| newcomer.socket.token() == token)
    }

    /// Turns those away that take too long; gives the time until the next.
    pub(super) fn tend_newcomers(&mut self, now: Duration) -> Option<Duration> {
        self.newcomers.retain(|newcomer| newcomer.deadline > now);
        self.newcomers.iter().map(|newcomer| newcomer.deadline.saturating_sub(now)).min()
    }

    pub(super) fn serve_newcomer(&mut self, token: Token) {
        let position = self.newcomers.iter().position(|newcomer| newcomer.socket.token() == token);
        let Some(index) = position else {
            return;
        };
        let progress = self.newcomers[index].read();
        if matches!(progress, Progress::Waiting) {
            return;
        }
        let Newcomer { socket, container, .. } = self.newcomers.remove(index);
        let socket = socket.release(&self.hub.poller);
        match progress {
            Progress::Wants(header) => self.attach(socket, &container, &header),
            Progress::Nonsense => answer(&socket, Reply::Malformed),
            Progress::Gone | Progress::Waiting => {}
        }
    }

    fn attach(&mut self, socket: OwnedFd, container: &str, header: &AttachHeader) {
        let container = self.containers.iter_mut().find(|it| it.id == container && !it.deleted);
        let process = container.and_then(|it| {
            let index = it.find(&header.exec_id).ok()?;
            it.processes.get_mut(index)
        });
        let reply =
            process.as_ref().map_or(Reply::NoSuchProcess, |process| process.streams.attachable());
        answer(&socket, reply);
        if let Some(process) = process
            && reply == Reply::Accepted
        {
            let socket = Watched::new(&mut self.hub.poller, socket);
            process.streams.attach(Attacher::new(socket, header.streams), &self.hub.poller);
        }
    }
}

/// The first byte always fits into a socket's buffer; a client that is gone needs none.
fn answer(socket: &OwnedFd, reply: Reply) {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    send(socket, &[reply as u8], flags).unwrap_or_default();
}
