//! The thread: it waits for sockets with news and lets the state deal with each. The lock is free between any two of them, so that
//! ports come and go while others are busy.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use gantry_sys::datagrams;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;
use rustix::net::getsockname;

use crate::state::State;
use crate::{Error, Limits, Transport};

/// The token of the descriptor that wakes the thread.
const WAKE: u64 = 0;
const EVENTS_AT_ONCE: usize = 256;
/// How often quiet senders are looked for.
const TICK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Reactor {
    epoll: Arc<OwnedFd>,
    wake: OwnedFd,
    /// The proxy itself, and each port.
    users: AtomicUsize,
    state: Mutex<State>,
}

impl Reactor {
    pub(crate) fn start(limits: Limits) -> Result<Arc<Self>, Error> {
        let failed = |action| move |errno: Errno| Error::Start { action, source: errno.into() };
        let epoll =
            epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed("make a descriptor for"))?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(failed("make a descriptor for"))?;
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN)
            .map_err(failed("wake"))?;
        let epoll = Arc::new(epoll);
        let state = Mutex::new(State::new(Arc::clone(&epoll), limits));
        let reactor = Arc::new(Self { epoll, wake, users: AtomicUsize::new(1), state });
        let running = Arc::clone(&reactor);
        thread::Builder::new()
            .name("port-proxy".to_owned())
            .spawn(move || running.run())
            .map_err(|source| Error::Start { action: "start", source })?;
        Ok(reactor)
    }

    pub(crate) fn add_port(
        &self,
        socket: Arc<OwnedFd>,
        transport: Transport,
        backend: SocketAddr,
    ) -> Result<u64, Error> {
        let failed = |action| move |errno: Errno| Error::Port { action, source: errno.into() };
        let token = match transport {
            Transport::Tcp => self.state().add_tcp(socket, backend),
            Transport::Udp => {
                let own = getsockname(&socket).map_err(failed("examine"))?;
                let is_ipv6 = SocketAddr::try_from(own).is_ok_and(|own| own.is_ipv6());
                datagrams::report_destinations(socket.as_fd(), is_ipv6)
                    .map_err(|source| Error::Port { action: "prepare", source })?;
                self.state().add_udp(socket, backend)
            }
        };
        let token = token.map_err(failed("watch"))?;
        self.users.fetch_add(1, Ordering::AcqRel);
        Ok(token)
    }

    pub(crate) fn remove_port(&self, token: u64) {
        self.state().remove_port(token);
        self.let_go();
    }

    /// The last user ends the thread.
    pub(crate) fn let_go(&self) {
        if self.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            // It fails only when the counter is full, and then it wakes already.
            rustix::io::write(&self.wake, &1_u64.to_ne_bytes()).unwrap_or_default();
        }
    }

    fn run(&self) {
        let mut events = Vec::with_capacity(EVENTS_AT_ONCE);
        let mut ticked = Instant::now();
        while self.users.load(Ordering::Acquire) > 0 {
            events.clear();
            let timeout = self.timeout();
            let room = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&*self.epoll, room, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => {
                    tracing::error!(%errno, "cannot wait for published ports: they are not relayed any more");
                    return;
                }
            }
            for event in &events {
                self.state().handle(event.data.u64(), event.flags);
            }
            let unfinished = std::mem::take(&mut self.state().unfinished);
            for token in unfinished {
                self.state().advance(token);
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.state().tick();
            }
        }
    }

    fn timeout(&self) -> Option<Timespec> {
        let state = self.state();
        if !state.unfinished.is_empty() {
            return Some(Timespec::default());
        }
        let tick = i64::try_from(TICK.as_secs()).unwrap_or(1);
        state.needs_a_clock().then_some(Timespec { tv_sec: tick, tv_nsec: 0 })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is changed under the lock is changed by whole steps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
