//! One container of the shim: where it is, how it is run, and its processes. What the task API does to
//! it is told in `task`, how its processes end in `ends`.

use crate::error::Error;
use crate::hub::Hub;
use crate::oom::OomWatch;
use crate::operation::Operation;
use crate::poller::{EventFlags, Poller, Token, Watched};
use crate::process::{Process, Waiter};
use crate::runtime::Runtime;
use crate::streams::PipesOwner;
use gantry_shim_protocol::rpc::Request;
use gantry_shim_protocol::{IO_SOCKET, MAX_ID_BYTES};
use std::collections::VecDeque;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) bundle: PathBuf,
    pub(crate) runtime: Runtime,
    pub(crate) pipes_owner: Option<PipesOwner>,
    /// Where attachers connect; gone when the container is deleted.
    io_listener: Option<Watched<UnixListener>>,
    /// The first is the container's first process; deleted ones stay until their streams are closed.
    pub(crate) processes: Vec<Process>,
    pub(crate) paused: bool,
    /// What is under way, and the calls that wait for it.
    pub(crate) operations: Vec<Operation>,
    pub(crate) queue: VecDeque<(Waiter, Request)>,
    /// There while somebody hears of it.
    pub(crate) oom: Option<OomWatch>,
    /// Create is expected until then.
    pub(crate) awaited_until: Option<Duration>,
    /// Nobody kept a place for it before its Create.
    pub(crate) unannounced: bool,
    /// The callers have forgotten it.
    pub(crate) deleted: bool,
}

impl Container {
    /// A container that is not created yet.
    pub(crate) fn new(id: String, bundle: PathBuf) -> Result<Self, Error> {
        if id.is_empty() || id.len() > MAX_ID_BYTES {
            let reason = format!("a container's id has 1 to {MAX_ID_BYTES} bytes");
            return Err(Error::Invalid { reason });
        }
        if !bundle.is_absolute() {
            let reason = format!(
                "the bundle of container {id} is not an absolute path: {}",
                bundle.display()
            );
            return Err(Error::Invalid { reason });
        }
        let runtime = Runtime::own(&bundle);
        Ok(Self {
            id,
            bundle,
            runtime,
            pipes_owner: None,
            io_listener: None,
            processes: Vec::new(),
            paused: false,
            operations: Vec::new(),
            queue: VecDeque::new(),
            oom: None,
            awaited_until: None,
            unannounced: false,
            deleted: false,
        })
    }

    /// Serves attachers from now on.
    pub(crate) fn listen(&mut self, listener: UnixListener, poller: &mut Poller) {
        let mut listener = Watched::new(poller, listener);
        listener.watch(poller, Some(EventFlags::IN));
        self.io_listener = Some(listener);
    }

    pub(crate) fn io_listener(&self) -> Option<&Watched<UnixListener>> {
        self.io_listener.as_ref()
    }

    /// Hears of attachers, or lets them wait.
    pub(crate) fn hear(&mut self, flags: Option<EventFlags>, poller: &Poller) {
        if let Some(listener) = &mut self.io_listener {
            listener.watch(poller, flags);
        }
    }

    /// Nobody can attach any more.
    pub(crate) fn stop_listening(&mut self, poller: &Poller) {
        if let Some(listener) = self.io_listener.take() {
            drop(listener.release(poller));
            // The bundle may be gone already.
            drop(std::fs::remove_file(self.bundle.join(IO_SOCKET)));
        }
    }

    /// Whether it was created and not deleted.
    pub(crate) fn holds_task(&self) -> bool {
        !self.deleted && !self.processes.is_empty()
    }

    /// Whether its Create may still come.
    pub(crate) fn is_awaited(&self, now: Duration) -> bool {
        self.awaited_until.is_some_and(|until| until > now)
    }

    /// Whether nothing is left of it.
    pub(crate) fn is_gone(&self, now: Duration) -> bool {
        let is_idle = self.processes.is_empty() && !self.is_busy() && self.queue.is_empty();
        is_idle && (self.deleted || !self.is_awaited(now))
    }

    /// Where a process stands in the list.
    pub(crate) fn find(&self, exec_id: &str) -> Result<usize, Error> {
        let known = |process: &Process| {
            process.exec_id == exec_id && !process.deleted && !process.is_in_making(exec_id)
        };
        self.processes.iter().position(known).ok_or_else(|| {
            if exec_id.is_empty() {
                Error::NoContainer(self.id.clone())
            } else {
                Error::NoExec(exec_id.to_owned())
            }
        })
    }

    /// A process that is being made.
    pub(crate) fn making(&mut self, exec_id: &str) -> Option<&mut Process> {
        self.processes.iter_mut().find(|process| process.is_in_making(exec_id))
    }

    /// A process that was being made will not be.
    pub(crate) fn unmake(&mut self, exec_id: &str, hub: &mut Hub) {
        if let Some(process) = self.making(exec_id) {
            process.streams.abandon(&hub.poller);
        }
        self.processes.retain(|process| !process.is_in_making(exec_id));
    }

    /// Whether the logger of a process that is being made, if it has one, is ready or was refused.
    pub(crate) fn logger_is_decided(&self, exec_id: &str) -> bool {
        let mut processes = self.processes.iter();
        let process = processes.find(|process| process.is_in_making(exec_id));
        process.is_none_or(|process| process.streams.logger_is_decided())
    }

    /// What was decided about it.
    pub(crate) fn logger_outcome(&mut self, exec_id: &str) -> Result<(), Error> {
        self.making(exec_id).map_or(Ok(()), |process| process.streams.logger_outcome())
    }

    /// Waits no longer for it.
    pub(crate) fn refuse_logger(&mut self, exec_id: &str) {
        if let Some(process) = self.making(exec_id) {
            process.streams.refuse_logger();
        }
    }

    /// Whether one of its descriptors has this token.
    pub(crate) fn owns(&self, token: Token) -> bool {
        self.oom.as_ref().is_some_and(|oom| oom.token() == token)
            || self.processes.iter().any(|process| process.streams.owns(token))
    }

    /// Something happened at one of its descriptors.
    pub(crate) fn handle(&mut self, event: crate::poller::Event, hub: &mut Hub) {
        if self.oom.as_ref().is_some_and(|oom| oom.token() == event.token) {
            self.tell_oom(hub);
            return;
        }
        let mut processes = self.processes.iter_mut();
        if let Some(process) = processes.find(|process| process.streams.owns(event.token)) {
            process.streams.handle(event, &mut hub.buffer, &hub.poller);
        }
    }

    /// Whether `bundle` is this container's; both exist.
    pub(crate) fn is_at(&self, bundle: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let file = |path: &Path| std::fs::metadata(path).map(|stat| (stat.dev(), stat.ino())).ok();
        self.bundle == bundle || (file(bundle).is_some() && file(bundle) == file(&self.bundle))
    }
}
