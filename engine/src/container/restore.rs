//! After a start of the daemon: which containers went on running while it was away, and which ended.

use std::sync::Arc;

use gantry_shims::{ExitNotice, Shim, Shims};
use tokio::sync::mpsc;

use super::task::{self, Command};
use crate::blocking::block;
use crate::engine::Engine;
use crate::record::ContainerRecord;
use crate::{Result, cgroups};

/// Gives a container from the database its task again, and finds its shim if it was running.
pub(crate) async fn restore(engine: &Engine, record: ContainerRecord) -> Result<()> {
    let record = Arc::new(record);
    engine.containers.reserve(&record.name, &record.id)?;
    let shim = if record.state.is_running() { find_shim(engine, &record).await } else { None };
    let (mut task, handle, commands) = task::new(engine, Arc::clone(&record), shim.clone());
    engine.containers.insert(record.id.clone(), handle.clone());
    task.run += 1;
    match shim {
        Some(shim) => shim.on_exit("", task.exit_listener()),
        None if record.state.is_running() => end(engine, &record, &handle.commands, task.run).await,
        None => {}
    }
    tokio::spawn(task.run(commands));
    Ok(())
}

async fn find_shim(engine: &Engine, record: &ContainerRecord) -> Option<Arc<Shim>> {
    let (engine, id) = (engine.clone(), record.id.to_string());
    let found = block(move || engine.shims.connect(&engine.settings.bundle(&id), &id)).await;
    match found {
        Ok(shim) => {
            tracing::info!(id = %record.id, "found a running container again");
            Some(Arc::new(shim))
        }
        Err(error) => {
            tracing::warn!(error = gantry_types::error_chain(&error), id = %record.id, "the shim of a running container is gone");
            None
        }
    }
}

/// The shim is gone. The bundle may still say how the process ended; what is left of it is killed.
async fn end(
    engine: &Engine,
    record: &Arc<ContainerRecord>,
    commands: &mpsc::Sender<Command>,
    run: u64,
) {
    let (engine, record) = (engine.clone(), Arc::clone(record));
    let notice = block(move || {
        cgroups::reap(&engine, &record);
        Shims::recorded_exit(&engine.settings.bundle(record.id.as_str()), "")
    })
    .await
    .unwrap_or(ExitNotice::ShimDied);
    // The queue is empty and open: the task does not run yet.
    drop(commands.send(Command::Exited { run, notice }).await);
}
