//! After a start of the daemon: which containers went on running while it was away, and which ended.

use std::sync::Arc;

use gantry_shims::{ExitNotice, Shim, Shims};
use tokio::sync::mpsc;

use super::task::{self, Command};
use super::{connections, health, leftovers, log_delivery, names, restart_policy, stillness};
use crate::blocking::block;
use crate::engine::Engine;
use crate::record::{ContainerRecord, State};
use crate::{Result, cgroups, exec};

/// Gives a container from the database its task again, and finds its shim if it was running.
pub(crate) async fn restore(engine: &Engine, mut record: ContainerRecord) -> Result<()> {
    let was_broken_off = std::mem::take(&mut record.changes_networks);
    let mut record = Arc::new(record);
    engine.containers.reserve(&record.name, &record.id)?;
    let shim = find_shim(engine, &record).await;
    if was_broken_off && shim.is_some() {
        record = connections::settle(engine, record).await;
    }
    let (mut task, handle, commands) = task::new(engine, Arc::clone(&record), shim.clone());
    engine.containers.insert(record.id.clone(), handle.clone());
    task.run += 1;
    // A stop that the daemon before could not finish.
    task.expects_end = record.state.is_running() && record.manually_stopped;
    match shim {
        Some(shim) => {
            shim.on_exit("", task.exit_listener());
            health::begin(&mut task);
            let (found, snapshot) = (engine.clone(), handle.snapshot());
            block(move || exec::restore(&found, &snapshot)).await;
        }
        None if record.state.is_running() => end(engine, &record, &handle.commands, task.run).await,
        None => restart_policy::resume(&mut task),
    }
    let (found, snapshots) = (engine.clone(), handle.snapshots.clone());
    block(move || log_delivery::resume(&found, &record, snapshots)).await;
    task.spawn(commands);
    Ok(())
}

/// The shim of a container that was running; what another has left behind is taken down, because its record never said
/// that it ran.
async fn find_shim(engine: &Engine, record: &Arc<ContainerRecord>) -> Option<Arc<Shim>> {
    let (engine, record) = (engine.clone(), Arc::clone(record));
    block(move || {
        let id = record.id.as_str();
        if !record.state.is_running() {
            leftovers::clear(&engine, id, &cgroups::path_of(&engine, &record));
            return None;
        }
        let shim = leftovers::find_shim(&engine.shims, &engine.settings.bundle(id), id);
        if let Some(shim) = shim.as_ref().filter(|_| !record.state.is_paused()) {
            stillness::end_of_another_life(shim);
        }
        if let (Some(_), State::Running { pid, .. }) = (&shim, &record.state)
            && let Err(error) = names::serve(&engine, &record, Some(*pid))
        {
            let error = gantry_types::error_chain(&error);
            tracing::warn!(error, id, "a container goes on without its name server");
        }
        let found = if shim.is_some() { "goes on running" } else { "has ended, or its shim has" };
        tracing::info!(id, "a container that ran before {found}");
        shim.map(Arc::new)
    })
    .await
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
        cgroups::reap(&engine, &cgroups::path_of(&engine, &record));
        Shims::recorded_exit(&engine.settings.bundle(record.id.as_str()), "")
    })
    .await
    .unwrap_or(ExitNotice::ShimDied);
    // The queue is empty and open: the task does not run yet.
    drop(commands.send(Command::Exited { run, notice }).await);
}
