//! The one thread that reads from all shims. What it reads is completed by the connections.

use crate::Error;
use crate::connection::{Connection, Progress};
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::io::Errno;
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The token of the descriptor that wakes the thread; connections count from 1.
const WAKE: u64 = 0;
const EVENTS_AT_ONCE: usize = 64;
const BLOCK_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Reactor {
    epoll: OwnedFd,
    wake: OwnedFd,
    stopping: AtomicBool,
    next_token: AtomicU64,
    connections: Mutex<HashMap<u64, Arc<Connection>>>,
}

impl Reactor {
    pub(crate) fn start() -> Result<Arc<Self>, Error> {
        let reactor = Arc::new(Self::new().map_err(|source| Error::Reactor { source })?);
        let running = Arc::clone(&reactor);
        std::thread::Builder::new()
            .name("shims".to_owned())
            .spawn(move || running.run())
            .map_err(|source| Error::Reactor { source })?;
        Ok(reactor)
    }

    fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &wake, epoll::EventData::new_u64(WAKE), epoll::EventFlags::IN)?;
        Ok(Self {
            epoll,
            wake,
            stopping: AtomicBool::new(false),
            next_token: AtomicU64::new(WAKE + 1),
            connections: Mutex::default(),
        })
    }

    /// Ends the thread; it does not wait for that, since a completion may be what calls this.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        // It fails only when the counter is full, and then it wakes already.
        rustix::io::write(&self.wake, &1_u64.to_ne_bytes()).unwrap_or_default();
    }

    /// Reads from this connection from now on. The token is for the other functions.
    pub(crate) fn add(&self, connection: &Arc<Connection>) -> Result<u64, Error> {
        let token = self.next_token.fetch_add(1, Ordering::Relaxed);
        self.connections().insert(token, Arc::clone(connection));
        let data = epoll::EventData::new_u64(token);
        epoll::add(&self.epoll, connection.socket(), data, epoll::EventFlags::IN).map_err(
            |errno| {
                self.connections().remove(&token);
                Error::Reactor { source: errno.into() }
            },
        )?;
        Ok(token)
    }

    /// Writes on as soon as the connection's socket takes more.
    pub(crate) fn watch_writable(&self, token: u64, connection: &Connection) {
        self.watch(token, connection, epoll::EventFlags::IN | epoll::EventFlags::OUT);
    }

    fn watch(&self, token: u64, connection: &Connection, flags: epoll::EventFlags) {
        let data = epoll::EventData::new_u64(token);
        // A connection that just ended is not there any more.
        epoll::modify(&self.epoll, connection.socket(), data, flags).unwrap_or_default();
    }

    /// Forgets a connection that nobody uses any more.
    pub(crate) fn remove(&self, token: u64) {
        if let Some(connection) = self.connections().remove(&token) {
            epoll::delete(&self.epoll, connection.socket()).unwrap_or_default();
        }
    }

    fn run(&self) {
        let mut events = Vec::with_capacity(EVENTS_AT_ONCE);
        let mut block = vec![0; BLOCK_BYTES];
        while !self.stopping.load(Ordering::Acquire) {
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => {
                    tracing::error!(%errno, "cannot wait for shims");
                    break;
                }
            }
            for event in &events {
                self.serve(event.data.u64(), event.flags, &mut block);
            }
        }
    }

    fn serve(&self, token: u64, flags: epoll::EventFlags, block: &mut [u8]) {
        let Some(connection) = self.connections().get(&token).map(Arc::clone) else {
            return;
        };
        if flags.contains(epoll::EventFlags::OUT) && connection.write() == Progress::Idle {
            self.watch(token, &connection, epoll::EventFlags::IN);
            // A call that was sent between the two lines above had its wish for OUT overwritten.
            if connection.write() == Progress::WantsToWrite {
                self.watch_writable(token, &connection);
            }
        }
        let readable = epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR;
        if flags.intersects(readable) && connection.read(block) == Progress::Closed {
            self.remove(token);
            connection.close();
        }
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        // Nothing panics while it holds this lock.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
