//! `rename`: another name for the same container.

use std::sync::Arc;

use gantry_types::ContainerName;

use super::task::{self, Command, Task};
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::record::ContainerRecord;

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
    task.engine.containers.reserve(&name, &task.record.id)?;
    let old = task.record.name.clone();
    let record = ContainerRecord { name: name.clone(), ..ContainerRecord::clone(&task.record) };
    let saved = task.save(Arc::new(record)).await;
    task.engine.containers.release(if saved.is_ok() { &old } else { &name });
    saved
}
