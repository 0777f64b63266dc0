//! `rename`: another name for the same container.

use std::sync::Arc;

use gantry_types::ContainerName;

use super::task::{self, Command, Task};
use super::{announce, names};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::record::{ContainerRecord, State};

/// Gives a container another name, which nobody may have.
pub async fn rename(engine: &Engine, container: &str, name: &str) -> Result<()> {
    let handle = engine.container(container)?;
    if name.is_empty() {
        return Err(Error::invalid("Neither old nor new names may be empty"));
    }
    let name: ContainerName = name.parse().map_err(|error| Error::invalid(format!("{error}")))?;
    task::ask(&handle, |reply| Command::Rename { name, reply }).await
}

/// The task's side of [`rename`].
pub(super) async fn rename_now(task: &mut Task, name: ContainerName) -> Result<()> {
    if name == task.record.name {
        return Err(Error::invalid("Renaming a container with the same name as its current name"));
    }
    let reserved = task.engine.containers.reserve(&name, &task.record.id);
    reserved.map_err(|source| Error::NewName { source: Box::new(source) })?;
    let old = task.record.name.clone();
    let record = ContainerRecord { name: name.clone(), ..ContainerRecord::clone(&task.record) };
    let saved = task.save(Arc::new(record)).await;
    task.engine.containers.release(if saved.is_ok() { &old } else { &name });
    if saved.is_ok() {
        follow(task).await;
        let event = announce::event(&task.record, "rename").with("oldName", format!("/{old}"));
        task.engine.events.tell(event);
    }
    saved
}

/// Lets the neighbours find a running container by its new name.
async fn follow(task: &Task) {
    let State::Running { pid, .. } = task.record.state else { return };
    let (engine, record) = (task.engine.clone(), Arc::clone(&task.record));
    block(move || {
        if let Err(error) = names::follow(&engine, &record, Some(pid)) {
            let error = gantry_types::error_chain(&error);
            tracing::warn!(error, id = %record.id, "neighbours may not find a renamed container");
        }
        names::tell_linked(&engine, &record);
    })
    .await;
}
