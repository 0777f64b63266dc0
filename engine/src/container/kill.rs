//! `kill`: a signal for the container's first process.

use std::sync::Arc;

use gantry_types::Signal;

use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::record::Snapshot;

/// Sends a signal, `KILL` unless named. With `KILL`, returns when the process has ended.
pub async fn kill(engine: &Engine, container: &str, name: Option<&str>) -> Result<()> {
    let handle = engine.container(container)?;
    let number = match name {
        None | Some("") => Signal::KILL,
        Some(text) => text.parse().map_err(|error| Error::invalid(format!("{error}")))?,
    };
    signal(&handle.snapshot(), number).await.map_err(|error| match error {
        not_running @ Error::NotRunning(_) => Error::Container {
            action: "kill",
            id: container.to_owned(),
            source: Box::new(not_running),
        },
        other => other,
    })?;
    if number == Signal::KILL {
        let mut snapshots = handle.snapshots.clone();
        // The task of a container that removes itself goes away, which ends the wait as well.
        drop(snapshots.wait_for(|snapshot| !snapshot.record.state.is_running()).await);
    }
    Ok(())
}

/// Sends a signal to the first process.
pub(super) async fn signal(snapshot: &Snapshot, signal: Signal) -> Result<()> {
    let id = &snapshot.record.id;
    let shim = match &snapshot.shim {
        Some(shim) if snapshot.record.state.is_running() => Arc::clone(shim),
        _ => return Err(Error::NotRunning(id.to_string())),
    };
    match block(move || shim.kill("", signal)).await {
        Err(error) if error.kind() == gantry_types::ErrorKind::NotFound => {
            Err(Error::NotRunning(id.to_string()))
        }
        result => Ok(result?),
    }
}
