//! Join and Shutdown: how a shim gets further containers, and when it ends.

use crate::container::Container;
use crate::error::{Error, complain, whole_text};
use crate::runtime::Progress;
use crate::server::{IDLE_LIMIT, Server};
use gantry_runtime::KillScope;
use gantry_shim_protocol::group::JoinRequest;
use gantry_shim_protocol::rpc::Empty;
use gantry_shim_protocol::task::ShutdownRequest;
use gantry_types::Signal;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

/// How long the processes of a container may take to end when they are killed.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// How often is looked for those that have ended.
const REAP_PAUSE: Duration = Duration::from_millis(5);

impl Server {
    /// Keeps a place for a container whose Create will come. (`start` of a further bundle calls this.)
    pub(super) fn join(&mut self, request: JoinRequest) -> Result<Empty, Error> {
        if self.is_ending() {
            return Err(Error::Ending);
        }
        let bundle = PathBuf::from(request.bundle);
        let until = gantry_sys::clock::monotonic() + IDLE_LIMIT;
        if let Some(known) = self.find_container(&request.id) {
            if !known.is_at(&bundle) {
                return Err(Error::ContainerExists(request.id));
            }
            known.awaited_until = Some(until);
            return Ok(Empty);
        }
        let mut container = Container::new(request.id, bundle)?;
        container.awaited_until = Some(until);
        self.containers.push(container);
        Ok(Empty)
    }

    /// Ends the shim unless it still has a container, or one is about to come. With `now` this
    /// container does not count, though it was not deleted.
    pub(super) fn shutdown(&mut self, request: &ShutdownRequest) {
        let time = gantry_sys::clock::monotonic();
        let counts = |container: &Container| {
            let is_meant = container.id == request.id;
            (container.holds_task() && !(is_meant && request.now))
                || (!is_meant && container.is_awaited(time) && !container.deleted)
        };
        if self.containers.iter().any(counts) {
            return;
        }
        for index in 0..self.containers.len() {
            if !self.containers[index].holds_task() {
                continue;
            }
            // Only the containers that nobody cares for any more are waited for.
            self.containers[index].abort(&mut self.hub);
            self.kill_all(index);
            let container = &mut self.containers[index];
            match container.remove(&mut self.hub).and_then(Progress::wait) {
                Ok(()) => container.is_removed(&mut self.hub),
                Err(error) => complain(&whole_text(&error)),
            }
        }
        self.end();
    }

    /// Ends a container's processes. The first of a pid namespace ends only when all others are reaped, and
    /// some of these are our children, which the runtime would wait for in vain.
    fn kill_all(&mut self, index: usize) {
        let container = &self.containers[index];
        // What fails here the runtime's delete tries again, with more force.
        drop(container.runtime.kill(Signal::KILL, KillScope::All).and_then(Progress::wait));
        if container.paused {
            drop(container.runtime.resume().and_then(Progress::wait));
        }
        let deadline = gantry_sys::clock::monotonic() + KILL_LIMIT;
        while gantry_sys::clock::monotonic() < deadline {
            self.reap();
            let container = &self.containers[index];
            let Ok(first) = container.find("").and_then(|at| container.processes[at].alive())
            else {
                return;
            };
            if gantry_sys::pidfd::wait_ended(first.pidfd.as_fd(), Some(REAP_PAUSE)).is_err() {
                return;
            }
        }
    }
}
