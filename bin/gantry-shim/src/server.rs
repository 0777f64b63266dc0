//! The loop: one thread, one epoll. What arrives is handed to whoever it concerns; nothing here blocks
//! for longer than a call to the runtime takes.

mod clients;
mod newcomers;
mod reaper;

use crate::error::Error;
use crate::events::Publisher;
use crate::oom::OomWatch;
use crate::poller::{Event, EventFlags, Poller, Watched};
use crate::process::Process;
use clients::Client;
use gantry_shim_protocol::{ADDRESS_FILE, IO_SOCKET};
use gantry_types::Signal;
use newcomers::Newcomer;
pub(crate) use reaper::wait_response;
use rustix::net::{SocketFlags, accept_with};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

/// The block that everything is copied through.
const BUFFER_BYTES: usize = 32 * 1024;
/// A shim that serves nothing and hears from nobody for so long ends: its daemon died while it was launched.
const IDLE_LIMIT: Duration = Duration::from_mins(1);
/// How long the end waits for clients of the task API and for containerd to take what is theirs.
const ENDING_LIMIT: Duration = Duration::from_secs(5);

/// Whose shim this is.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) namespace: String,
    pub(crate) bundle: PathBuf,
    /// Where the task API listens.
    pub(crate) socket: PathBuf,
    /// Where events go; empty: nowhere.
    pub(crate) events_address: String,
}

pub(crate) struct Server {
    pub(crate) identity: Identity,
    pub(crate) poller: Poller,
    listener: Watched<UnixListener>,
    io_listener: Watched<UnixListener>,
    signals: Watched<OwnedFd>,
    clients: Vec<Client>,
    newcomers: Vec<Newcomer>,
    /// The first is the container's first process; deleted ones stay until their streams are closed.
    pub(crate) processes: Vec<Process>,
    pub(crate) paused: bool,
    pub(crate) publisher: Publisher,
    /// There while somebody hears of it.
    pub(crate) oom: Option<OomWatch>,
    pub(crate) buffer: Box<[u8]>,
    /// Since when nobody was here.
    idle_since: Option<Duration>,
    /// Since when it is over.
    ending_since: Option<Duration>,
}

impl Server {
    pub(crate) fn new(
        identity: Identity,
        (listener, io_listener): (UnixListener, UnixListener),
    ) -> Result<Self, Error> {
        let mut poller = Poller::new().map_err(Error::system("create an epoll descriptor"))?;
        // The others are blocked so that they do not end us: containers outlive who sends them here.
        let watched = [Signal::CHLD, Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];
        let signals =
            gantry_sys::signalfd::watch(&watched).map_err(Error::system("watch signals"))?;
        let mut server = Self {
            listener: Watched::new(&mut poller, listener),
            io_listener: Watched::new(&mut poller, io_listener),
            signals: Watched::new(&mut poller, signals),
            publisher: Publisher::new(&identity),
            identity,
            poller,
            clients: Vec::new(),
            newcomers: Vec::new(),
            processes: Vec::new(),
            paused: false,
            oom: None,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            idle_since: None,
            ending_since: None,
        };
        server.listener.watch(&server.poller, Some(EventFlags::IN));
        server.io_listener.watch(&server.poller, Some(EventFlags::IN));
        server.signals.watch(&server.poller, Some(EventFlags::IN));
        Ok(server)
    }

    /// Serves until it is told to end, or nobody needs it.
    pub(crate) fn run(mut self) -> Result<(), Error> {
        let mut events = Vec::new();
        loop {
            let timeout = self.tend();
            if self.is_over() {
                // One that was told to end has removed them already, and the paths may be those of the next run by now.
                if self.ending_since.is_none() {
                    self.remove_sockets();
                }
                return Ok(());
            }
            self.poller.wait(&mut events, timeout).map_err(Error::system("wait for events"))?;
            for event in events.drain(..) {
                self.dispatch(event);
            }
        }
    }

    fn dispatch(&mut self, event: Event) {
        if event.token == self.signals.token() {
            self.reap();
        } else if event.token == self.listener.token() {
            self.accept_clients();
        } else if event.token == self.io_listener.token() {
            self.accept_newcomers();
        } else if self.oom.as_ref().is_some_and(|oom| oom.token() == event.token) {
            self.tell_oom();
        } else if self.publisher.owns(event.token) {
            self.publisher.handle(event, &mut self.buffer, &mut self.poller);
        } else if self.owns_client(event.token) {
            self.serve_client(event);
        } else if self.owns_newcomer(event.token) {
            self.serve_newcomer(event.token);
        } else if let Some(process) =
            self.processes.iter_mut().find(|process| process.streams.owns(event.token))
        {
            process.streams.handle(event, &mut self.buffer, &self.poller);
        }
    }

    /// Does what time or earlier events made due; gives the time until there is more to do.
    fn tend(&mut self) -> Option<Duration> {
        let now = gantry_sys::clock::monotonic();
        let mut next =
            earlier(self.tend_processes(now), self.publisher.tend(now, &mut self.poller));
        next = earlier(next, self.tend_newcomers(now));
        let busy = !self.clients.is_empty() || !self.processes.is_empty();
        self.idle_since = if busy { None } else { Some(self.idle_since.unwrap_or(now)) };
        if let Some(since) = self.ending_since {
            let left = (since + ENDING_LIMIT).saturating_sub(now);
            // Beyond it only streams are waited for, and they wake us.
            next = earlier(next, Some(left).filter(|left| !left.is_zero()));
        }
        if let Some(since) = self.idle_since {
            next = earlier(next, Some((since + IDLE_LIMIT).saturating_sub(now)));
        }
        next
    }

    fn is_over(&self) -> bool {
        let now = gantry_sys::clock::monotonic();
        let passed =
            |since: Option<Duration>, limit| since.is_some_and(|since| now >= since + limit);
        // Those who were deleted stay until their attachers have everything, however long that takes.
        let delivered = !self.processes.iter().any(|process| process.deleted);
        let told = self.publisher.is_idle() && !self.clients.iter().any(Client::has_backlog);
        let ended = self.ending_since.is_some()
            && delivered
            && (told || passed(self.ending_since, ENDING_LIMIT));
        ended || passed(self.idle_since, IDLE_LIMIT)
    }

    /// Ends the loop when everything is delivered. Nobody can connect any more.
    pub(crate) fn end(&mut self) {
        self.remove_sockets();
        self.ending_since = Some(gantry_sys::clock::monotonic());
    }

    fn remove_sockets(&self) {
        let bundle = &self.identity.bundle;
        for path in [&self.identity.socket, &bundle.join(IO_SOCKET), &bundle.join(ADDRESS_FILE)] {
            // The bundle may be gone already.
            drop(std::fs::remove_file(path));
        }
    }

    /// The next connection of our own user on `listener`; others are turned away.
    fn accept(listener: &Watched<UnixListener>) -> Option<OwnedFd> {
        loop {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = match accept_with(listener.get(), flags) {
                Ok(socket) => socket,
                Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNABORTED) => continue,
                // Nobody is there, or there are no descriptors left: they can try again.
                Err(_) => return None,
            };
            let own = rustix::process::geteuid().as_raw();
            match gantry_sys::unix_socket::peer_credentials(socket.as_fd()) {
                Ok(peer) if peer.uid == own => return Some(socket),
                _ => {}
            }
        }
    }
}

/// The earlier of two times that may not be there.
pub(crate) fn earlier(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
