//! `remove`: the container's process if it may be killed, its writable layer, its files, its record.

use std::sync::Arc;

use gantry_types::{ErrorKind, Signal, error_chain};

use super::task::{self, Command, Task};
use super::{announce, kill, leftovers, log_delivery};
use crate::blocking::block;
use crate::engine::{CONTAINERS, Engine};
use crate::error::Error;
use crate::record::ContainerRecord;
use crate::{Result, volume};

/// How often a removal by force ends a container that somebody starts at the same time.
const KILLS: u32 = 5;

/// What a removal may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemoveOptions {
    /// Kill the process first if there is one.
    pub force: bool,
    /// Remove its nameless volumes too, but for those that other containers have.
    pub volumes: bool,
}

/// Removes a container. Returns when nothing of it is left.
pub async fn remove(engine: &Engine, container: &str, options: RemoveOptions) -> Result<()> {
    let handle = engine.container(container)?;
    let (mut killed, mut tries) = (false, 0);
    loop {
        tries += 1;
        if options.force && handle.snapshot().record.state.is_active() {
            kill::end(engine, &handle, Signal::KILL, None).await?;
            killed = true;
        }
        match task::ask(&handle, |reply| Command::Remove { reply }).await {
            Ok(()) => break,
            // It removed itself when its process ended.
            Err(Error::NoSuchContainer(_)) if killed => break,
            // A start was on its way.
            Err(Error::RemoveRunning { .. }) if options.force && tries < KILLS => {}
            Err(error) => return Err(error),
        }
    }
    if options.volumes {
        let (engine, record) = (engine.clone(), handle.snapshot().record);
        block(move || volume::remove_anonymous(&engine, &record)).await;
    }
    Ok(())
}

/// The task's side of [`remove`].
pub(super) async fn remove_on_request(task: &mut Task) -> Result<()> {
    if task.record.state.is_active() {
        return Err(Error::RemoveRunning { name: task.record.name.clone() });
    }
    remove_now(task).await
}

/// Removes everything of a container that has no process. The record goes first: what cannot be removed now belongs to
/// no record then, and the next start of the daemon removes it.
pub(super) async fn remove_now(task: &mut Task) -> Result<()> {
    log_delivery::settle(&task.engine, &task.record).await;
    let (engine, record) = (task.engine.clone(), Arc::clone(&task.record));
    block(move || {
        forget(&engine, &record)?;
        remove_files(&engine, &record);
        engine.selinux.give_back(&record.plan.security.selinux);
        engine.containers.remove(&record.id, &record.name);
        announce::tell(&engine, &record, "destroy");
        if record.plan.host_config.auto_remove {
            volume::remove_anonymous(&engine, &record);
        }
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
    // Where it can't be moved it goes here and now.
    if engine.layers.throw_away(&dir).is_err()
        && let Err(error) = std::fs::remove_dir_all(&dir)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(error = error_chain(&error), path = %dir.display(), "cannot remove a container's directory");
    }
    leftovers::remove_bundle(&engine.settings.bundle(id));
}
