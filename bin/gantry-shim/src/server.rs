//! The loop: one thread, one epoll. What arrives is handed to whoever it concerns; nothing here blocks
//! for longer than a call to the runtime inside the shim takes. What takes longer is an `operation`.

mod newcomers;

use crate::clients::Arrived;
use crate::container::Container;
use crate::error::Error;
use crate::events::Publisher;
use crate::hub::Hub;
use crate::poller::{Event, EventFlags, Poller, Token, Watched};
use crate::process::Waiter;
use crate::start::PID_FILE;
use gantry_shim_protocol::ADDRESS_FILE;
use gantry_types::Signal;
use newcomers::Newcomer;
use rustix::net::{SocketFlags, accept_with};
use rustix::process::{WaitOptions, WaitStatus, wait};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A shim that serves nothing and hears from nobody for so long ends: its daemon died while it was launched.
pub(crate) const IDLE_LIMIT: Duration = Duration::from_mins(1);
/// How long the end waits for clients of the task API and for containerd to take what is theirs.
const ENDING_LIMIT: Duration = Duration::from_secs(5);

/// How long no connection is accepted when there are no descriptors left.
const DEAF_FOR: Duration = Duration::from_millis(100);

/// Whose shim this is, and where.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The container it was started for.
    pub(crate) id: String,
    pub(crate) namespace: String,
    pub(crate) bundle: PathBuf,
    /// Where events go; empty: nowhere.
    pub(crate) events_address: String,
    pub(crate) place: Place,
}

/// What others find the shim by.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Where the task API listens.
    pub(crate) socket: PathBuf,
    /// The file with the address of the group that the shim serves.
    pub(crate) group_file: Option<PathBuf>,
}

pub(crate) struct Server {
    pub(crate) hub: Hub,
    pub(crate) place: Place,
    listener: Watched<UnixListener>,
    signals: Watched<OwnedFd>,
    newcomers: Vec<Newcomer>,
    pub(crate) containers: Vec<Container>,
    /// While there are no descriptors left, connections wait until then.
    deaf_until: Option<Duration>,
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
        let publisher = Publisher::new(&identity);
        let Identity { id, namespace, bundle, place, .. } = identity;
        let mut container = Container::new(id, bundle)?;
        container.awaited_until = Some(gantry_sys::clock::monotonic() + IDLE_LIMIT);
        container.listen(io_listener, &mut poller);
        let mut listener = Watched::new(&mut poller, listener);
        listener.watch(&poller, Some(EventFlags::IN));
        let mut signals = Watched::new(&mut poller, signals);
        signals.watch(&poller, Some(EventFlags::IN));
        Ok(Self {
            hub: Hub::new(namespace, publisher, poller),
            place,
            listener,
            signals,
            newcomers: Vec::new(),
            containers: vec![container],
            deaf_until: None,
            idle_since: None,
            ending_since: None,
        })
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
            self.hub.poller.wait(&mut events, timeout).map_err(Error::system("wait for events"))?;
            for event in events.drain(..) {
                self.dispatch(event);
            }
        }
    }

    fn dispatch(&mut self, event: Event) {
        let token = event.token;
        if token == self.signals.token() {
            self.reap();
        } else if token == self.listener.token() {
            self.accept_clients();
        } else if self.hub.publisher.owns(token) {
            let hub = &mut self.hub;
            hub.publisher.handle(event, &mut hub.buffer, &mut hub.poller);
        } else if self.hub.clients.owns(token) {
            self.serve_client(event);
        } else if self.owns_newcomer(token) {
            self.serve_newcomer(token);
        } else if let Some(index) = self.listens_for(token) {
            self.accept_newcomers(index);
        } else if let Some(container) = self.containers.iter_mut().find(|it| it.owns(token)) {
            container.handle(event, &mut self.hub);
        }
    }

    fn accept_clients(&mut self) {
        loop {
            match accept(&self.listener) {
                Ok(Some(socket)) => self.hub.clients.add(socket, &mut self.hub.poller),
                Ok(None) => return,
                Err(_) => return self.go_deaf(),
            }
        }
    }

    /// Accepts no connections for a moment: there are no descriptors left.
    fn go_deaf(&mut self) {
        self.listen_to(None);
        self.deaf_until = Some(gantry_sys::clock::monotonic() + DEAF_FOR);
    }

    /// Listens, or not until there may be descriptors again: a connection would be reported without an end.
    fn listen_to(&mut self, flags: Option<EventFlags>) {
        self.listener.watch(&self.hub.poller, flags);
        for container in &mut self.containers {
            container.hear(flags, &self.hub.poller);
        }
    }

    /// Accepts connections again when it is time; gives the time until then.
    fn tend_listener(&mut self, now: Duration) -> Option<Duration> {
        let until = self.deaf_until?;
        if until > now {
            return Some(until.saturating_sub(now));
        }
        self.deaf_until = None;
        self.listen_to(Some(EventFlags::IN));
        None
    }

    fn serve_client(&mut self, event: Event) {
        let hub = &mut self.hub;
        if event.flags.contains(EventFlags::OUT) {
            hub.clients.flush(event.token, &hub.poller);
        }
        if !event.flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return;
        }
        if !hub.clients.read(event.token, &mut hub.buffer) {
            hub.clients.disconnect(event.token);
        }
        // A call may end its own connection.
        while let Some(arrived) = self.hub.clients.next_call(event.token) {
            match arrived {
                Arrived::Call(stream_id, request) => {
                    self.serve(Waiter { client: event.token, stream_id }, request);
                }
                Arrived::Nothing => break,
                Arrived::Nonsense => self.hub.clients.disconnect(event.token),
            }
        }
    }

    /// Takes note of every child that has ended. Orphans of containers come here too, and are reaped
    /// without a word.
    pub(crate) fn reap(&mut self) {
        // Several ends may share one signal; the children themselves are asked below.
        drop(gantry_sys::signalfd::drain(self.signals.get(), |_| {}));
        // Why it ended is told before its end.
        for container in &mut self.containers {
            container.tell_oom(&mut self.hub);
        }
        if self.containers.iter().any(Container::is_making_process) {
            // A child that nobody knows may be the process that is being made: its end has to wait.
            return self.containers.iter_mut().for_each(Container::reap_own);
        }
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get().unsigned_abs();
            let mut containers = self.containers.iter_mut();
            containers.any(|container| container.note_child(pid, code(status)));
        }
    }

    /// Does what time or earlier events made due; gives the time until there is more to do.
    fn tend(&mut self) -> Option<Duration> {
        self.advance();
        let now = gantry_sys::clock::monotonic();
        let hub = &mut self.hub;
        let mut next = None;
        for container in &mut self.containers {
            next = earlier(next, container.tend(now, hub));
            next = earlier(next, container.tend_operations(now));
        }
        next = earlier(next, hub.publisher.tend(now, &mut hub.poller));
        for token in hub.clients.take_broken(&hub.poller) {
            let processes = self.containers.iter_mut().flat_map(|it| &mut it.processes);
            for process in processes {
                process.waiters.retain(|waiter| waiter.client != token);
            }
        }
        next = earlier(next, self.tend_newcomers(now));
        next = earlier(next, self.tend_listener(now));
        self.forget_containers(now);
        let tasks = self
            .containers
            .iter()
            .any(|container| !container.processes.is_empty() || container.is_busy());
        let busy = tasks || !self.hub.clients.is_empty();
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

    /// Goes on with calls for which something was waited for, and serves those that waited for them.
    fn advance(&mut self) {
        for index in 0..self.containers.len() {
            while self.containers[index].advance(&mut self.hub) {
                // Of processes that are known now.
                self.reap();
            }
            while let Some((caller, request)) = self.containers[index].next_queued() {
                self.serve(caller, Ok(request));
            }
        }
    }

    /// Forgets containers of which nothing is left. One that was never created stays as long as the shim
    /// has nothing else: it may be tried again.
    fn forget_containers(&mut self, now: Duration) {
        let poller = &self.hub.poller;
        let others = self.containers.len() > 1;
        self.containers.retain_mut(|container| {
            let gone = container.is_gone(now) && (container.deleted || others);
            if gone {
                container.stop_listening(poller);
            }
            !gone
        });
    }

    fn is_over(&self) -> bool {
        let now = gantry_sys::clock::monotonic();
        let passed =
            |since: Option<Duration>, limit| since.is_some_and(|since| now >= since + limit);
        // Those who were deleted stay until their attachers have everything, however long that takes.
        let processes = || self.containers.iter().flat_map(|container| &container.processes);
        let delivered = !processes().any(|process| process.deleted);
        let told = self.hub.publisher.is_idle() && !self.hub.clients.have_backlog();
        let ended =
            self.is_ending() && delivered && (told || passed(self.ending_since, ENDING_LIMIT));
        ended || passed(self.idle_since, IDLE_LIMIT)
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending_since.is_some()
    }

    /// Ends the loop when everything is delivered. Nobody can connect any more.
    pub(crate) fn end(&mut self) {
        self.remove_sockets();
        self.ending_since = Some(gantry_sys::clock::monotonic());
    }

    fn remove_sockets(&mut self) {
        for container in &mut self.containers {
            container.stop_listening(&self.hub.poller);
            for name in [ADDRESS_FILE, PID_FILE] {
                // The bundle may be gone already.
                drop(std::fs::remove_file(container.bundle.join(name)));
            }
        }
        if let Some(file) = &self.place.group_file {
            crate::group::forget(file, &self.place.socket);
        }
        drop(std::fs::remove_file(&self.place.socket));
    }

    /// The container of this id that callers know.
    pub(crate) fn find_container(&mut self, id: &str) -> Option<&mut Container> {
        self.containers.iter_mut().find(|container| container.id == id && !container.deleted)
    }

    /// The place of the container at whose attach socket this is.
    fn listens_for(&self, token: Token) -> Option<usize> {
        self.containers.iter().position(|container| {
            container.io_listener().is_some_and(|listener| listener.token() == token)
        })
    }
}

/// A listening socket at `path`. One that a dead shim left there is replaced; one that answers is not.
pub(crate) fn listen(path: &Path) -> Result<UnixListener, Error> {
    use gantry_sys::unix_socket::{bind_listener, connect};
    let listener = match bind_listener(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if connect(path).is_ok() {
                return Err(Error::AlreadyRunning { path: path.to_owned() });
            }
            std::fs::remove_file(path).map_err(Error::file("remove", path))?;
            bind_listener(path)
        }
        result => result,
    };
    let listener = listener.map_err(Error::file("listen on", path))?;
    listener.set_nonblocking(true).map_err(Error::file("listen on", path))?;
    Ok(listener)
}

/// The next connection of our own user on `listener`; others are turned away. An error: there are no
/// descriptors or no memory left.
fn accept(listener: &Watched<UnixListener>) -> io::Result<Option<OwnedFd>> {
    loop {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = match accept_with(listener.get(), flags) {
            Ok(socket) => socket,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNABORTED) => continue,
            Err(rustix::io::Errno::AGAIN) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let own = rustix::process::geteuid().as_raw();
        match gantry_sys::unix_socket::peer_credentials(socket.as_fd()) {
            Ok(peer) if peer.uid == own => return Ok(Some(socket)),
            _ => {}
        }
    }
}

/// The shell's number: the exit code, or 128 and the signal.
fn code(status: WaitStatus) -> u32 {
    let number = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 255,
    };
    number.unsigned_abs() & 0xff
}

/// The earlier of two times that may not be there.
pub(crate) fn earlier(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
