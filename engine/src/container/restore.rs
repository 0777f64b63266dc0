//! After a start of the daemon: which containers went on running while it was away, and which ended.

use std::sync::Arc;

use gantry_shim_protocol::task::TaskStatus;
use gantry_shims::{ExitNotice, Shim, Shims};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use super::task::{self, Command, Task};
use super::{connections, health, leftovers, log_delivery, names, restart_policy, stillness};
use crate::blocking::block;
use crate::engine::Engine;
use crate::record::{ContainerRecord, State};
use crate::registry::Handle;
use crate::{cgroups, exec, volume};

/// How many are restored at once: each waits for its shim most of the time.
const AT_ONCE: usize = 8;

/// Gives the containers from the database their tasks again, and finds the shims of those that were running.
pub(crate) async fn restore(engine: &Engine, records: Vec<ContainerRecord>) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut restoring = JoinSet::new();
    for record in records {
        if let Err(error) = engine.containers.reserve(&record.name, &record.id) {
            let error = gantry_types::error_chain(&error);
            tracing::error!(error, id = %record.id, "cannot restore a container");
            continue;
        }
        let (engine, turns) = (engine.clone(), Arc::clone(&turns));
        restoring.spawn(async move {
            let _turn = turns.acquire().await;
            restore_one(&engine, record).await
        });
    }
    let restored = restoring.join_all().await;
    let running = restored.iter().filter(|(task, _)| task.shim.is_some());
    let records: Vec<_> = running.map(|(task, _)| Arc::clone(&task.record)).collect();
    let named = engine.clone();
    block(move || records.iter().for_each(|record| give_names(&named, record))).await;
    // When all of them are known: what one gives up, another may use.
    for (task, commands) in restored {
        task.spawn(commands);
    }
}

/// The task is for the caller to spawn.
async fn restore_one(
    engine: &Engine,
    mut record: ContainerRecord,
) -> (Task, mpsc::Receiver<Command>) {
    let was_broken_off = std::mem::take(&mut record.changes_networks);
    let before_start = record.before_start.take();
    let mut record = Arc::new(record);
    if let Some(before) = before_start {
        record = as_it_became(engine, record, before).await;
    }
    let shim = find_shim(engine, &record).await;
    if let Some(shim) = &shim {
        record = unpaused(engine, record, Arc::clone(shim)).await;
    }
    let pid = match (&shim, &record.state) {
        (Some(_), State::Running { pid, .. }) => Some(*pid),
        _ => None,
    };
    record = connections::give_back(engine, record, pid).await;
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
        None => {
            if !restart_policy::resume(&mut task) && record.plan.host_config.auto_remove {
                remove(&handle).await;
            }
        }
    }
    let (found, snapshots) = (engine.clone(), handle.snapshots.clone());
    block(move || log_delivery::resume(&found, &record, snapshots)).await;
    (task, commands)
}

/// The name server of a container that went on running. When all are known: it may be linked to any of them.
fn give_names(engine: &Engine, record: &ContainerRecord) {
    let State::Running { pid, .. } = record.state else { return };
    if let Err(error) = names::serve(engine, record, Some(pid)) {
        let error = gantry_types::error_chain(&error);
        tracing::warn!(error, id = %record.id, "a container goes on without its name server");
    }
}

/// The record of a container of whose last start nobody wrote down what became of it. A process that still waits at its gate never runs: the
/// container is what it was before, and what it has been given for the start goes back. In all other cases the start came to pass.
async fn as_it_became(
    engine: &Engine,
    record: Arc<ContainerRecord>,
    before: State,
) -> Arc<ContainerRecord> {
    let (working, noted) = (engine.clone(), Arc::clone(&record));
    let waits = block(move || {
        let bundle = working.settings.bundle(noted.id.as_str());
        let shim = leftovers::find_shim(&working.shims, &bundle, noted.id.as_str());
        let status = shim.and_then(|shim| shim.state("").ok()).map(|state| state.status);
        let waits = status == Some(TaskStatus::Created);
        if waits {
            volume::give_back(&working, &noted);
        }
        waits
    });
    if !waits.await {
        return record;
    }
    tracing::info!(id = %record.id, "a start that was broken off is undone");
    let record = Arc::new(ContainerRecord {
        state: before,
        endpoints: Vec::new(),
        joining: record.endpoints.clone(),
        health: None,
        ..ContainerRecord::clone(&record)
    });
    if let Err(error) = task::save(engine, &record).await {
        let error = gantry_types::error_chain(&error);
        tracing::warn!(error, id = %record.id, "cannot record that a start was undone");
    }
    record
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
        let found = if shim.is_some() { "goes on running" } else { "has ended, or its shim has" };
        tracing::info!(id, "a container that ran before {found}");
        shim.map(Arc::new)
    })
    .await
}

/// The record without its pause, where the processes go on all the same.
async fn unpaused(
    engine: &Engine,
    record: Arc<ContainerRecord>,
    shim: Arc<Shim>,
) -> Arc<ContainerRecord> {
    let State::Running { pid, started_at, paused: true } = record.state else { return record };
    if !block(move || stillness::went_on_in_another_life(&shim)).await {
        return record;
    }
    let state = State::Running { pid, started_at, paused: false };
    let record = Arc::new(ContainerRecord { state, ..ContainerRecord::clone(&record) });
    if let Err(error) = task::save(engine, &record).await {
        let error = gantry_types::error_chain(&error);
        tracing::warn!(error, id = %record.id, "cannot record that a container goes on");
    }
    record
}

/// A container that removes itself and has no end before it at which it would: nobody started it, or its removal failed.
async fn remove(handle: &Handle) {
    let (reply, removed) = oneshot::channel();
    // The queue is empty and open: the task does not run yet.
    drop(handle.commands.send(Command::Remove { reply }).await);
    let id = handle.snapshot().record.id.clone();
    tokio::spawn(async move {
        if let Ok(Err(error)) = removed.await {
            let error = gantry_types::error_chain(&error);
            tracing::warn!(error, %id, "cannot remove a container that removes itself");
        }
    });
}

/// The exit code of a process of whose end nothing is known, as of one that went with its machine. It is dockerd's.
const LOST: u32 = 255;

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
    .await;
    let exited_at = gantry_sys::clock::now();
    let notice = notice.unwrap_or(ExitNotice::Exited { pid: 0, status: LOST, exited_at });
    // The queue is empty and open: the task does not run yet.
    drop(commands.send(Command::Exited { run, notice }).await);
}
