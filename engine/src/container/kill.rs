//! `kill`: a signal for the container's first process.

use std::sync::Arc;
use std::time::Duration;

use gantry_types::{ErrorKind, Signal};

use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::record::Snapshot;
use crate::registry::Handle;

/// Sends a signal, `KILL` unless named. With `KILL`, returns when the process has ended.
pub async fn kill(engine: &Engine, container: &str, name: Option<&str>) -> Result<()> {
    let in_kill = |error| Error::Container {
        action: "kill",
        id: container.to_owned(),
        source: Box::new(error),
    };
    let handle = engine.container(container).map_err(in_kill)?;
    let number = match name {
        None | Some("") => Signal::KILL,
        Some(text) => text.parse().map_err(|error| Error::invalid(format!("{error}")))?,
    };
    let mut ended = End::of(&handle);
    send(&handle.snapshot(), number).await.map_err(in_kill)?;
    if number == Signal::KILL {
        ended.wait().await;
    }
    Ok(())
}

/// Ends the process: the signal, then `KILL` after `grace` (at once when the signal is `KILL`; never without a grace).
/// A process that ends by itself meanwhile is as good.
pub(super) async fn end(handle: &Handle, signal: Signal, grace: Option<Duration>) -> Result<()> {
    let mut ended = End::of(handle);
    if !try_send(&handle.snapshot(), signal).await? {
        ended.wait().await;
        return Ok(());
    }
    let Some(grace) = grace else {
        ended.wait().await;
        return Ok(());
    };
    if tokio::time::timeout(grace, ended.wait()).await.is_err() {
        try_send(&handle.snapshot(), Signal::KILL).await?;
        ended.wait().await;
    }
    Ok(())
}

/// The end of the run that was there when this was made, even if another one follows at once.
struct End {
    handle: Handle,
    exits_before: u64,
}

impl End {
    fn of(handle: &Handle) -> Self {
        Self { handle: handle.clone(), exits_before: handle.snapshot().exits }
    }

    async fn wait(&mut self) {
        let exits_before = self.exits_before;
        let over = |snapshot: &Snapshot| {
            snapshot.exits > exits_before || !snapshot.record.state.is_running()
        };
        // An error means that the container is gone, as one that removes itself, which is an end as well.
        drop(self.handle.snapshots.wait_for(over).await);
    }
}

/// Sends a signal; tells whether there was a process to get it.
async fn try_send(snapshot: &Snapshot, signal: Signal) -> Result<bool> {
    match send(snapshot, signal).await {
        Ok(()) => Ok(true),
        Err(Error::NotRunning(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn send(snapshot: &Snapshot, signal: Signal) -> Result<()> {
    let not_running = || Error::NotRunning(snapshot.record.id.to_string());
    let shim = match &snapshot.shim {
        Some(shim) if snapshot.record.state.is_running() => Arc::clone(shim),
        _ => return Err(not_running()),
    };
    match block(move || shim.kill("", signal)).await {
        // A shim that hangs up is on its way out, because its process has ended.
        Err(gantry_shims::Error::Disconnected { .. }) => Err(not_running()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(not_running()),
        result => Ok(result?),
    }
}
