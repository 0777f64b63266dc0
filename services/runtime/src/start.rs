//! `start`: the waiting process executes its program.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use gantry_oci::runtime::{Hook, State, Status};
use gantry_sys::pidfd;
use gantry_types::Signal;

use crate::channel::{Channel, Word};
use crate::create::Leftovers;
use crate::delete::{KILL_PATIENCE, Remains};
use crate::error::Error;
use crate::failure::During;
use crate::gate::{self, Hold, Pushed};
use crate::hooks;
use crate::record::Record;
use crate::signal::{KillScope, kill};

/// Starts a created container. Returns when its program runs, or has failed to: then the process ends by itself.
pub fn start(state_dir: &Path) -> Result<(), Error> {
    let record = Record::read(state_dir)?;
    if record.process()?.is_none() {
        return Err(Error::StartStopped);
    }
    let pushed = gate::push(state_dir)
        .map_err(|source| Error::System { what: "open the container's gate", source })?;
    match pushed {
        Pushed::Through => {}
        Pushed::Failed(failure) => return Err(failure.into()),
        Pushed::Nobody if record.process()?.is_none() => return Err(Error::StartStopped),
        Pushed::Nobody | Pushed::Again => return Err(Error::StartRunning),
    }
    run_hooks(&record.hooks.poststart, &record.state(Status::Running), state_dir)
}

/// The way to start a container of [`create_to_run`](crate::create_to_run()). Dropped, it ends the waiting process.
#[derive(Debug)]
pub struct Door {
    /// None when the container has been started already, or waits at its gate.
    opener: Option<Opener>,
    remains: Remains,
    leftovers: Leftovers,
}

/// The creator's side of a process that waits for its word.
#[derive(Debug)]
pub(crate) struct Opener {
    pub channel: Channel,
    pub hold: Option<Hold>,
}

impl Opener {
    fn tell(&self) -> Result<(), Error> {
        match self.channel.send(&Word::Go) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Error::StartStopped),
            sent => Ok(sent.during("tell the new process to go on")?),
        }
    }

    /// Until the process executes its program, or dies on the way: both close the channel.
    fn wait(self) -> Result<(), Error> {
        if let Word::Failed(failure) = self.channel.receive().during("listen to the new process")? {
            return Err(failure.into());
        }
        Ok(self.hold.map_or(Ok(()), Hold::release).during(LET_GO)?)
    }
}

pub(crate) const LET_GO: &str = "let go of the record";

impl Door {
    pub(crate) fn new(opener: Option<Opener>, remains: Remains, leftovers: Leftovers) -> Self {
        Self { opener, remains, leftovers }
    }

    /// Starts the container as [`start`] does, unless it runs already. What will be left of it is for whoever waits for its end.
    pub fn open(self, state_dir: &Path) -> Result<Remains, Error> {
        let Self { opener, remains, leftovers } = self;
        opener.as_ref().map_or(Ok(()), Opener::tell)?;
        drop(leftovers);
        opener.map_or(Ok(()), Opener::wait)?;
        let record = remains.record();
        run_hooks(&record.hooks.poststart, &record.state(Status::Running), state_dir)?;
        Ok(remains)
    }
}

fn run_hooks(hooks: &[Hook], state: &State, state_dir: &Path) -> Result<(), Error> {
    hooks::run("poststart", hooks, state).map_err(|failure| {
        // By the specification the container is stopped then. That it may have ended by itself is fine.
        drop(stop(state_dir));
        failure.into()
    })
}

/// Kills the container and waits for its end, so that its next state is "stopped".
fn stop(state_dir: &Path) -> Result<(), Error> {
    let process = Record::read(state_dir)?.process()?;
    kill(state_dir, Signal::KILL, KillScope::All)?;
    let Some(process) = process else { return Ok(()) };
    pidfd::wait_ended(process.as_fd(), Some(KILL_PATIENCE))
        .map(drop)
        .map_err(|source| Error::System { what: "wait for the container's process", source })
}
