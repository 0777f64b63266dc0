//! The agent of a seccomp profile with `SCMP_ACT_NOTIFY`: it gets the notification descriptor of each process under the filter.
//!
//! The socket is connected before the process is made, by the host's path; the message is ready before the filter is loaded. What is
//! left to do under the filter is one `sendmsg(2)`, which profiles with notifications may not catch.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use gantry_oci::runtime::{ContainerProcessState, SPEC_VERSION, Seccomp, State};
use gantry_sys::unix_socket;
use serde::{Deserialize, Serialize};

use crate::failure::{During, Failure};

/// Where the agent listens, and what it is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Address {
    path: PathBuf,
    metadata: String,
}

impl Address {
    /// `None` when the profile names no agent.
    pub(crate) fn of(profile: &Seccomp) -> Option<Self> {
        let path = profile.listener_path.as_str();
        let metadata = profile.listener_metadata.clone();
        (!path.is_empty()).then(|| Self { path: path.into(), metadata })
    }

    pub(crate) fn connect(&self) -> Result<Listener<'_>, Failure> {
        let socket = unix_socket::connect(&self.path)
            .during_with(|| format!("connect to the seccomp agent {}", self.path.display()))?;
        Ok(Listener { socket, metadata: &self.metadata })
    }
}

/// A connection to the agent, for one process.
#[derive(Debug)]
pub(crate) struct Listener<'a> {
    socket: UnixStream,
    metadata: &'a str,
}

impl Listener<'_> {
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Makes the message of a container's first process ready: in that process, while the host's `/proc` is still there.
    pub(crate) fn prepare_first(&self, state: &State) -> Result<Handover<'_>, Failure> {
        let link = fs::read_link("/proc/self").during("find the own pid")?;
        let pid = link.to_str().and_then(|pid| pid.parse().ok());
        let pid = pid.ok_or_else(|| Failure::invalid("/proc/self is no pid"))?;
        self.prepare(State { pid: Some(pid), ..state.clone() }, pid)
    }

    /// Makes the message of a further process ready, which has this pid where the runtime is.
    pub(crate) fn prepare(&self, state: State, pid: i32) -> Result<Handover<'_>, Failure> {
        let message = ContainerProcessState {
            oci_version: SPEC_VERSION.to_owned(),
            fds: vec![ContainerProcessState::SECCOMP_FD.to_owned()],
            pid,
            metadata: self.metadata.to_owned(),
            state,
        };
        let message =
            serde_json::to_vec(&message).map_err(|error| Failure::invalid(error.to_string()))?;
        Ok(Handover { socket: self.socket.as_fd(), message })
    }
}

/// The descriptor is all that is missing.
#[derive(Debug)]
pub(crate) struct Handover<'a> {
    socket: BorrowedFd<'a>,
    message: Vec<u8>,
}

impl Handover<'_> {
    pub(crate) fn send(&self, notifications: &OwnedFd) -> Result<(), Failure> {
        unix_socket::send_with_fd(self.socket, &self.message, Some(notifications.as_fd()))
            .during("send the notification descriptor to the seccomp agent")
    }
}
