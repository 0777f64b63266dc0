//! `start`: the waiting process executes its program.

use std::path::Path;

use gantry_oci::runtime::Status;

use crate::error::Error;
use crate::gate::{self, Pushed};
use crate::hooks;
use crate::record::Record;

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
        Pushed::Nobody => return Err(Error::StartStopped),
        Pushed::Again => return Err(Error::StartRunning),
    }
    // By the specification a failing hook here is no reason to undo a container that runs.
    let state = record.state(Status::Running);
    hooks::run("poststart", &record.hooks.poststart, &state).map_err(Error::from)
}
