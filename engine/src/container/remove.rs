//! `remove`: the container's process if it may be killed, its writable layer, its files, its record.

use std::sync::Arc;

use gantry_types::Signal;

use super::task::{self, Command, Task};
use super::{exited, kill};
use crate::Result;
use crate::blocking::block;
use crate::engine::{CONTAINERS, Engine};
use crate::error::Error;

/// What a removal may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemoveOptions {
    /// Kill the process first if there is one.
    pub force: bool,
    /// Remove anonymous volumes too; there are none yet.
    pub volumes: bool,
}

/// Removes a container. Returns when nothing of it is left.
pub async fn remove(engine: &Engine, container: &str, options: RemoveOptions) -> Result<()> {
    let handle = engine.container(container)?;
    if options.force && handle.snapshot().record.state.is_running() {
        // A process that ended in the meantime is as good as one that was killed.
        kill::signal(&handle.snapshot(), Signal::KILL).await.or_else(ignore_not_running)?;
        let mut snapshots = handle.snapshots.clone();
        // An error means that the task has gone, because the container removes itself.
        if snapshots.wait_for(|snapshot| !snapshot.record.state.is_running()).await.is_err() {
            return Ok(());
        }
        if handle.snapshot().record.plan.host_config.auto_remove {
            while snapshots.changed().await.is_ok() {}
            return Ok(());
        }
    }
    task::ask(&handle, |reply| Command::Remove { reply }).await
}

fn ignore_not_running(error: Error) -> Result<()> {
    match error {
        Error::NotRunning(_) => Ok(()),
        other => Err(other),
    }
}

/// The task's side of [`remove`].
pub(super) async fn remove_on_request(task: &mut Task) -> Result<()> {
    if task.record.state.is_running() {
        return Err(Error::RemoveRunning { name: task.record.name.clone() });
    }
    remove_now(task).await
}

/// Removes everything of a container that has no process. The record goes first: what a crash leaves behind then
/// belongs to no record, and the next start of the daemon removes it.
pub(super) async fn remove_now(task: &mut Task) -> Result<()> {
    let (engine, record) = (task.engine.clone(), Arc::clone(&task.record));
    block(move || {
        let id = record.id.as_str();
        engine.db.write(|tx| CONTAINERS.remove(tx, id)).map_err(Error::Database)?;
        engine.layers.remove(id)?;
        let dir = engine.settings.container_dir(id);
        std::fs::remove_dir_all(&dir).map_err(Error::file("remove directory", dir))?;
        exited::remove_bundle(&engine, id);
        engine.containers.remove(&record.id, &record.name);
        Ok(())
    })
    .await
}
