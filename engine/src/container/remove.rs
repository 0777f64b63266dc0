//! `remove`: the container's process if it may be killed, its writable layer, its files, its record.

use std::sync::Arc;

use gantry_types::{ErrorKind, Signal, error_chain};

use super::task::{self, Command, Task};
use super::{kill, leftovers};
use crate::Result;
use crate::blocking::block;
use crate::engine::{CONTAINERS, Engine};
use crate::error::Error;
use crate::record::ContainerRecord;

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
    let killed = options.force && handle.snapshot().record.state.is_running();
    if killed {
        kill::end(&handle, Signal::KILL, None).await?;
    }
    match task::ask(&handle, |reply| Command::Remove { reply }).await {
        // It removed itself when its process ended.
        Err(Error::NoSuchContainer(_)) if killed => Ok(()),
        result => result,
    }
}

/// The task's side of [`remove`].
pub(super) async fn remove_on_request(task: &mut Task) -> Result<()> {
    if task.record.state.is_running() {
        return Err(Error::RemoveRunning { name: task.record.name.clone() });
    }
    remove_now(task).await
}

/// Removes everything of a container that has no process. The record goes first: what cannot be removed now belongs to
/// no record then, and the next start of the daemon removes it.
pub(super) async fn remove_now(task: &mut Task) -> Result<()> {
    let (engine, record) = (task.engine.clone(), Arc::clone(&task.record));
    block(move || {
        forget(&engine, &record)?;
        remove_files(&engine, &record);
        engine.containers.remove(&record.id, &record.name);
        Ok(())
    })
    .await
}

/// Removes the record. On a full disk the container's files go before, to make room for that.
fn forget(engine: &Engine, record: &ContainerRecord) -> Result<()> {
    let forget = || engine.db.write(|tx| CONTAINERS.remove(tx, record.id.as_str())).map(drop);
    match forget() {
        Err(error) if error.kind() == ErrorKind::StorageFull => {
            remove_files(engine, record);
            if let Err(error) = engine.layers.empty_trash() {
                tracing::warn!(error = error_chain(&error), "cannot make room on a full disk");
            }
            Ok(forget()?)
        }
        result => Ok(result?),
    }
}

fn remove_files(engine: &Engine, record: &ContainerRecord) {
    let id = record.id.as_str();
    if let Err(error) = engine.layers.remove(id) {
        tracing::warn!(error = error_chain(&error), id, "cannot remove a writable layer");
    }
    let dir = engine.settings.container_dir(id);
    if let Err(error) = std::fs::remove_dir_all(&dir)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(error = error_chain(&error), path = %dir.display(), "cannot remove a container's directory");
    }
    leftovers::remove_bundle(engine, id);
}
