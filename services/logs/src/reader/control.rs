//! How a follower sleeps and who wakes it: changes of the directory, and the handle.

use crate::Error;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify;
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// With inotify this only guards against a lost event.
const WATCHED_WAIT: Duration = Duration::from_secs(1);
/// Without it (the user's limit of instances is reached) this is the latency.
const UNWATCHED_WAIT: Duration = Duration::from_millis(100);

/// Ends a follower from another thread; clones act on the same one.
#[derive(Debug, Clone)]
pub struct FollowHandle(Arc<Control>);

#[derive(Debug)]
struct Control {
    wake: OwnedFd,
    cancelled: AtomicBool,
    finished: AtomicBool,
}

impl FollowHandle {
    pub(super) fn new(path: &Path) -> Result<Self, Error> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| Error::Watch { path: path.to_owned(), source: errno.into() })?;
        let (cancelled, finished) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self(Arc::new(Control { wake, cancelled, finished })))
    }

    /// The container has stopped and its log is complete: read to the end, then end.
    pub fn finish(&self) {
        self.0.finished.store(true, Ordering::Release);
        self.wake();
    }

    /// Nobody wants the rest: end now.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        // It fails only when the counter is full, and then it wakes already.
        rustix::io::write(&self.0.wake, &1_u64.to_ne_bytes()).unwrap_or_default();
    }

    pub(super) fn is_finished(&self) -> bool {
        self.0.finished.load(Ordering::Acquire)
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }
}

/// Watches the directory of a log: its files grow, come and go.
#[derive(Debug)]
pub(super) struct Watch {
    directory: PathBuf,
    inotify: Option<OwnedFd>,
}

impl Watch {
    /// Begins to watch; where that is not possible the follower looks again and again.
    pub(super) fn new(directory: &Path) -> Self {
        let inotify = watch_directory(directory).ok();
        Self { directory: directory.to_owned(), inotify }
    }

    /// Sleeps until something changed, the handle was used, or `longest` is over.
    pub(super) fn wait(
        &mut self,
        handle: &FollowHandle,
        longest: Option<Duration>,
    ) -> io::Result<()> {
        if self.inotify.is_none() {
            self.inotify = watch_directory(&self.directory).ok();
        }
        let usual = if self.inotify.is_some() { WATCHED_WAIT } else { UNWATCHED_WAIT };
        let wait = longest.map_or(usual, |longest| longest.min(usual));
        let timeout = Timespec::try_from(wait).map_err(io::Error::other)?;
        let mut fds = vec![PollFd::new(&handle.0.wake, PollFlags::IN)];
        if let Some(inotify) = &self.inotify {
            fds.push(PollFd::from_borrowed_fd(inotify.as_fd(), PollFlags::IN));
        }
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        self.drain()
    }

    fn drain(&self) -> io::Result<()> {
        let Some(inotify) = &self.inotify else {
            return Ok(());
        };
        let mut events = [0_u8; 4096];
        loop {
            match rustix::io::read(inotify, &mut events) {
                Ok(0) | Err(Errno::AGAIN) => return Ok(()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

fn watch_directory(directory: &Path) -> Result<OwnedFd, Errno> {
    let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let changes = inotify::WatchFlags::MODIFY
        | inotify::WatchFlags::CREATE
        | inotify::WatchFlags::MOVED_TO
        | inotify::WatchFlags::ONLYDIR;
    inotify::add_watch(&fd, directory, changes)?;
    Ok(fd)
}
