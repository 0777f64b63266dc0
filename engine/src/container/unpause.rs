//! `unpause`: a container's processes go on.

use super::task::{self, Command, Task};
use super::{announce, stillness};
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::record::State;

/// Lets a container's processes go on.
pub async fn unpause(engine: &Engine, container: &str) -> Result<()> {
    let handle = engine.container(container)?;
    task::ask(&handle, |reply| Command::Unpause { quiet: false, reply }).await
}

/// The task's side of [`unpause`]. A quiet one is for a signal that its process could not take while it stands still.
pub(super) async fn unpause_now(task: &mut Task, quiet: bool) -> Result<()> {
    let (pid, started_at) = match task.record.state {
        State::Running { pid, started_at, paused: true } => (pid, started_at),
        _ if quiet => return Ok(()),
        _ => return Err(Error::NotPaused(task.record.id.to_string())),
    };
    let Some(shim) = task.shim.clone() else {
        return Err(Error::NotRunning(task.record.id.to_string()));
    };
    // Who is to end must go on even when a commit wants it still.
    if quiet || !task.still.take_over(task.run) {
        stillness::resume(task, shim).await?;
    }
    task.engine.failpoint("unpause-record")?;
    task.enter(State::Running { pid, started_at, paused: false }).await?;
    if !quiet {
        announce::tell(&task.engine, &task.record, "unpause");
    }
    Ok(())
}
