//! Agents that keep keys, for commands of builds: a socket of the command's own, from which each connection is passed on to the
//! agent. So the command's user may be anybody, and the agent is out of reach when the command has ended.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::Shutdown;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use gantry_sys::unix_socket;
use gantry_types::{ContainerId, error_chain};
use serde_json::json;

use super::exchange;
use super::report::Listener;
use super::secrets::{self, Secrets};
use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, random};

/// The most connections at once of one command to one agent.
const MAX_CONNECTIONS: usize = 32;
/// How long an agent may be silent, for a person may be asked for a touch or a password.
const SILENCE: Duration = Duration::from_mins(5);

/// How long nobody is taken after a failure.
const PAUSE: Duration = Duration::from_millis(100);

/// Where an agent is.
#[derive(Clone)]
pub(super) enum Agent {
    /// At a socket of this machine.
    Here(PathBuf),
    /// With the client, who knows it by this id and opens the connections to it.
    There { engine: Engine, listener: Listener, id: String },
}

impl Agent {
    fn connect(&self, calls: &Calls) -> Result<UnixStream> {
        match self {
            Self::Here(socket) => {
                unix_socket::connect(socket).map_err(Error::file("connect to", socket))
            }
            Self::There { engine, listener, id } => {
                let about = json!({ "agent": id });
                exchange::dial(engine, listener, &about, &|| !calls.state().is_over)
            }
        }
    }

    /// The agent for a program of this machine.
    pub(super) fn reach(self, engine: &Engine) -> Result<Reached> {
        if let Self::Here(socket) = self {
            return Ok(Reached { socket, _between: None });
        }
        let id = ContainerId::from_bytes(random::bytes()?);
        let secrets = Secrets::of(engine, &id);
        let socket = secrets::folder(engine, &id).join("agent");
        let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
        let relay = Relay::start(self, &socket, (user.as_raw(), group.as_raw(), 0o600))?;
        Ok(Reached { socket, _between: Some((relay, secrets)) })
    }
}

/// An agent that is at a socket of this machine, as long as this is there.
pub(super) struct Reached {
    pub(super) socket: PathBuf,
    _between: Option<(Relay, Secrets)>,
}

/// The passing on; it ends when it is dropped.
pub(super) struct Relay {
    place: PathBuf,
    calls: Arc<Calls>,
}

impl Relay {
    /// Listens at `place`, with this owner, group and permissions, and passes on to the agent.
    pub(super) fn start(
        agent: Agent,
        place: &Path,
        (uid, gid, mode): (u32, u32, u32),
    ) -> Result<Self> {
        let failed = || Error::file("listen for an SSH agent at", place);
        if let Some(folder) = place.parent() {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(folder).map_err(failed())?;
        }
        let listener = unix_socket::bind_listener(place).map_err(failed())?;
        chown(place, Some(uid), Some(gid)).map_err(failed())?;
        fs::set_permissions(place, fs::Permissions::from_mode(mode)).map_err(failed())?;
        let calls = Arc::new(Calls::default());
        let seen = Arc::clone(&calls);
        let thread = thread::Builder::new().name("build-ssh".to_owned());
        thread.spawn(move || accept(&listener, &agent, &seen)).map_err(failed())?;
        Ok(Self { place: place.to_owned(), calls })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.calls.end();
        // Who waits for the next caller sees that there is none.
        drop(unix_socket::connect(&self.place));
    }
}

/// The connections of one command to one agent.
#[derive(Default)]
struct Calls(Mutex<State>);

#[derive(Default)]
struct State {
    is_over: bool,
    begun: u64,
    /// The agent's side of those that are open, once that is reached.
    open: HashMap<u64, Option<UnixStream>>,
}

impl Calls {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all that are open; there are no more.
    fn end(&self) {
        let mut state = self.state();
        state.is_over = true;
        for agent in state.open.values().flatten() {
            // Some have ended by themselves.
            drop(agent.shutdown(Shutdown::Both));
        }
    }
}

/// One of them; its place is free when it is dropped.
struct Call {
    calls: Arc<Calls>,
    number: u64,
}

impl Call {
    /// None where there are too many.
    fn begin(calls: &Arc<Calls>) -> Option<Self> {
        let mut state = calls.state();
        if state.open.len() >= MAX_CONNECTIONS {
            return None;
        }
        state.begun += 1;
        let number = state.begun;
        state.open.insert(number, None);
        Some(Self { calls: Arc::clone(calls), number })
    }

    /// Passes on in both directions until both have ended.
    fn pass_on(&self, caller: UnixStream, agent: &Agent) -> Result<()> {
        let agent = agent.connect(&self.calls)?;
        self.use_agent(&agent)
            .and_then(|()| both_ways(caller, agent))
            .map_err(Error::file("pass on to", "an SSH agent of a build"))
    }

    fn use_agent(&self, agent: &UnixStream) -> io::Result<()> {
        let agent = agent.try_clone()?;
        let mut state = self.calls.state();
        if state.is_over {
            return Err(io::ErrorKind::Interrupted.into());
        }
        state.open.insert(self.number, Some(agent));
        Ok(())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.calls.state().open.remove(&self.number);
    }
}

fn accept(listener: &UnixListener, agent: &Agent, calls: &Arc<Calls>) {
    for caller in listener.incoming() {
        if calls.state().is_over {
            return;
        }
        let Ok(caller) = caller else {
            // No descriptor is left, perhaps: the next moment may have one.
            thread::sleep(PAUSE);
            continue;
        };
        let Some(call) = Call::begin(calls) else { continue };
        let agent = agent.clone();
        let thread = thread::Builder::new().name("build-ssh".to_owned());
        let serving = thread.spawn(move || {
            if let Err(error) = call.pass_on(caller, &agent) {
                tracing::info!(error = error_chain(&error), "an SSH agent of a build");
            }
        });
        // Who cannot be served sees the end of his connection.
        drop(serving);
    }
}

/// Passes on in both directions until both have ended.
fn both_ways(caller: UnixStream, agent: UnixStream) -> io::Result<()> {
    for stream in [&caller, &agent] {
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
    }
    let (mut asks, mut asked) = (caller.try_clone()?, agent.try_clone()?);
    let there = thread::Builder::new().name("build-ssh".to_owned()).spawn(move || {
        let passed = io::copy(&mut asks, &mut asked);
        drop(asked.shutdown(Shutdown::Write));
        passed.map(drop)
    })?;
    let (mut answers, mut answered) = (agent, caller);
    let back = io::copy(&mut answers, &mut answered);
    drop(answered.shutdown(Shutdown::Both));
    drop(answers.shutdown(Shutdown::Both));
    there.join().unwrap_or(Ok(()))?;
    back.map(drop)
}
