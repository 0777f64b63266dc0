//! A short-lived child that only exists: for what the kernel or systemd can tie to a process alone.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use gantry_sys::clone::{Fork, Namespaces, clone_into};
use gantry_sys::{pidfd, process};

use crate::channel::Channel;
use crate::failure::{During, Failure};

/// The child ends when this is dropped, or when this process dies.
#[derive(Debug)]
pub(crate) struct Placeholder {
    pub pid: i32,
    pidfd: OwnedFd,
    lifeline: Option<Channel>,
}

impl Placeholder {
    pub(crate) fn new(namespaces: Namespaces) -> Result<Self, Failure> {
        Self::born_in(namespaces, None).during("make a placeholder process")
    }

    /// One that is in a cgroup of v2 from its first moment.
    pub(crate) fn born_in(
        namespaces: Namespaces,
        cgroup: Option<BorrowedFd<'_>>,
    ) -> io::Result<Self> {
        let (ours, theirs) = Channel::pair()?;
        match clone_into(namespaces, cgroup)? {
            Fork::Child => {
                drop(ours);
                drop(theirs.receive());
                process::exit_now(0)
            }
            Fork::Parent(child) => {
                Ok(Self { pid: child.pid, pidfd: child.pidfd, lifeline: Some(ours) })
            }
        }
    }
}

impl Drop for Placeholder {
    fn drop(&mut self) {
        // Closing the lifeline is not enough: a process made since then has a copy of our end.
        drop(self.lifeline.take());
        drop(pidfd::send_signal(self.pidfd.as_fd(), gantry_types::Signal::KILL));
        drop(pidfd::wait(self.pidfd.as_fd()));
    }
}
