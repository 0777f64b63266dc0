//! Exec: further processes in a running container. Those that run are found again after a start of the daemon; those that have ended
//! are known for a while, even when their container is not.

mod create;
mod inspect;
mod probe;
mod resize;
mod restore;
mod start;

use std::borrow::Cow;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use gantry_api::exec::ExecCreateRequest;
use gantry_types::{ContainerId, ExecId, Timestamp};
use tokio::sync::watch;

use crate::Result;
use crate::container::event_of;
use crate::engine::Engine;
use crate::error::Error;
use crate::events::Event;
use crate::record::Snapshot;

pub use create::create;
pub use inspect::inspect;
pub(crate) use probe::{ProbeRequest, probe};
pub use resize::resize;
pub(crate) use restore::restore;
pub use start::start;

/// How long a session that has ended can still be inspected.
const KEEP_ENDED: Duration = Duration::from_mins(5);

/// How many sessions one container may have, those that have not been started or have just ended included.
const MAX_SESSIONS: usize = 4096;

/// One further process, asked for and perhaps run. Clones share its state.
#[derive(Clone)]
pub(crate) struct ExecSession {
    pub id: ExecId,
    /// The container as it was when the session was made; its shim serves the session.
    pub container: Snapshot,
    pub request: ExecCreateRequest,
    /// It is a health check's, whose daemon limits its time.
    pub is_probe: bool,
    pub state: watch::Sender<ExecState>,
}

impl ExecSession {
    /// Something that happened to it, which is told as its container's.
    fn event(&self, action: impl Into<Cow<'static, str>>) -> Event {
        event_of(&self.container.record, action).with("execID", self.id.as_str())
    }

    /// What it runs, as events show it.
    fn words(&self) -> String {
        self.request.cmd.join(" ")
    }

    /// Lets everybody know its end, unless they do already.
    fn end(&self, engine: &Engine, code: i32, at: Timestamp) {
        let ended = self.state.send_if_modified(|state| {
            let was = std::mem::replace(state, ExecState::Ended { code, at });
            if let ExecState::Ended { .. } = was {
                *state = was;
            }
            !matches!(was, ExecState::Ended { .. })
        });
        if ended {
            engine.events.tell(self.event("exec_die").with("exitCode", code.to_string()));
        }
    }
}

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExecState {
    Created,
    /// On its way; the pid is zero until it is known.
    Running {
        pid: u32,
    },
    Ended {
        code: i32,
        at: Timestamp,
    },
}

impl Engine {
    fn exec_sessions(&self) -> MutexGuard<'_, std::collections::HashMap<ExecId, Arc<ExecSession>>> {
        // Every change of the map is complete in itself, so a panic elsewhere leaves nothing half done.
        self.execs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exec_session(&self, id: &str) -> Result<Arc<ExecSession>> {
        let sessions = self.exec_sessions();
        let found = id.parse().ok().and_then(|id: ExecId| sessions.get(&id));
        found.cloned().ok_or_else(|| Error::NoSuchExec(id.to_owned()))
    }

    /// Adds a session, unless its container has too many.
    fn add_exec(&self, session: ExecSession) -> Result<()> {
        let mut sessions = self.exec_sessions();
        let container = &session.container.record.id;
        let own = sessions.values().filter(|other| other.container.record.id == *container);
        if own.count() >= MAX_SESSIONS {
            return Err(Error::TooManyExecs(container.to_string()));
        }
        sessions.insert(session.id.clone(), Arc::new(session));
        Ok(())
    }

    /// The sessions of a container that have not ended.
    pub(crate) fn exec_ids(&self, container: &ContainerId) -> Vec<String> {
        let sessions = self.exec_sessions();
        let own = sessions.values().filter(|session| session.container.record.id == *container);
        let active =
            own.filter(|session| !matches!(*session.state.borrow(), ExecState::Ended { .. }));
        active.map(|session| session.id.to_string()).collect()
    }

    /// The container's first process has ended, and with it every other. Whoever was at the streams of one asks for its code now; nobody
    /// does of a probe.
    pub(crate) fn end_execs(&self, container: &ContainerId) {
        const KILLED: i32 = 137;
        let now = gantry_sys::clock::now();
        let own: Vec<_> = {
            let mut sessions = self.exec_sessions();
            let own = sessions.extract_if(|_, it| it.container.record.id == *container);
            let own: Vec<_> = own.map(|(_, session)| session).collect();
            for session in own.iter().filter(|session| !session.is_probe) {
                let mut ended = ExecSession::clone(session);
                // The connection goes with the shim.
                ended.container.shim = None;
                sessions.insert(ended.id.clone(), Arc::new(ended));
            }
            own
        };
        for session in own {
            session.end(self, KILLED, now);
        }
        self.forget_old_execs();
    }

    /// Forgets a session that nobody asks for any more, if it has ended.
    fn forget_exec(&self, id: &str) {
        let Ok(id) = id.parse::<ExecId>() else { return };
        let is_over =
            |session: &Arc<ExecSession>| matches!(*session.state.borrow(), ExecState::Ended { .. });
        let mut sessions = self.exec_sessions();
        if sessions.get(&id).is_some_and(is_over) {
            sessions.remove(&id);
        }
    }

    /// Forgets sessions that ended long ago.
    fn forget_old_execs(&self) {
        let now = gantry_sys::clock::now();
        self.exec_sessions().retain(|_, session| match *session.state.borrow() {
            ExecState::Ended { at, .. } => now.since(at) < KEEP_ENDED,
            _ => true,
        });
    }
}
