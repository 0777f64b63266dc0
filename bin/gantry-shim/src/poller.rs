//! epoll with tokens that are never used twice, and descriptors that know what they wait for.

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

pub(crate) use epoll::EventFlags;

/// Names a watched descriptor. Never reused, so an event that comes late meets nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token(u64);

/// Something happened at a descriptor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) token: Token,
    pub(crate) flags: EventFlags,
}

#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    last_token: u64,
}

const EVENTS_AT_ONCE: usize = 32;

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?, last_token: 0 })
    }

    /// Waits until something happens or `timeout` is over.
    pub(crate) fn wait(
        &self,
        events: &mut Vec<Event>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        events.clear();
        let timeout = timeout.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        let mut raw = [const { std::mem::MaybeUninit::uninit() }; EVENTS_AT_ONCE];
        match epoll::wait(&self.epoll, &mut raw, timeout.as_ref()) {
            Ok((ready, _)) => {
                events.extend(
                    ready
                        .iter()
                        .map(|event| Event { token: Token(event.data.u64()), flags: event.flags }),
                );
                Ok(())
            }
            Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// A descriptor that is, or can be, watched.
#[derive(Debug)]
pub(crate) struct Watched<T: AsFd> {
    inner: T,
    token: Token,
    /// `None`: not watched at all. (An empty set still hears of the other end's leaving.)
    interest: Option<EventFlags>,
}

impl<T: AsFd> Watched<T> {
    /// Not watched yet.
    pub(crate) fn new(poller: &mut Poller, inner: T) -> Self {
        poller.last_token += 1;
        Self { inner, token: Token(poller.last_token), interest: None }
    }

    pub(crate) fn token(&self) -> Token {
        self.token
    }

    pub(crate) fn get(&self) -> &T {
        &self.inner
    }

    /// Waits for `interest` from now on.
    pub(crate) fn watch(&mut self, poller: &Poller, interest: Option<EventFlags>) {
        if self.interest == interest {
            return;
        }
        let data = epoll::EventData::new_u64(self.token.0);
        let result = match (self.interest, interest) {
            (None, Some(flags)) => epoll::add(&poller.epoll, &self.inner, data, flags),
            (Some(_), Some(flags)) => epoll::modify(&poller.epoll, &self.inner, data, flags),
            (_, None) => epoll::delete(&poller.epoll, &self.inner),
        };
        // Only a lack of kernel memory can fail here; then the old interest stays in force.
        if result.is_ok() {
            self.interest = interest;
        }
    }

    /// Ends the watch and gives the descriptor back. Closing it would not do: a process that is just
    /// being made may hold a copy.
    pub(crate) fn release(mut self, poller: &Poller) -> T {
        self.watch(poller, None);
        self.inner
    }
}
