//! `pause`: the container's processes stand still until `unpause`, an end by force, or `stop`.

use std::sync::Arc;

use super::task::{self, Command, Task};
use super::{announce, stillness};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::record::State;

/// Freezes a container's processes.
pub async fn pause(engine: &Engine, container: &str) -> Result<()> {
    let handle = engine.container(container)?;
    task::ask(&handle, |reply| Command::Pause { reply }).await
}

/// The task's side of [`pause`].
pub(super) async fn pause_now(task: &mut Task) -> Result<()> {
    let id = || task.record.id.to_string();
    let (pid, started_at) = match task.record.state {
        State::Running { paused: true, .. } => return Err(Error::AlreadyPaused(id())),
        State::Running { pid, started_at, .. } => (pid, started_at),
        State::Exited { restarting: true, .. } => return Err(Error::Restarting(id())),
        _ => return Err(Error::NotRunning(id())),
    };
    let Some(shim) = task.shim.clone() else { return Err(Error::NotRunning(id())) };
    // What a commit keeps still, stays so.
    if !task.still.hand_over(task.run) {
        let pausing = Arc::clone(&shim);
        let paused = block(move || pausing.pause()).await;
        paused.map_err(|error| stillness::failed(task, "pause", error))?;
    }
    if let Err(error) = record_pause(task, State::Running { pid, started_at, paused: true }).await {
        // Nobody would know that they have to be let go, but for a commit.
        if !task.still.take_over(task.run) {
            stillness::resume(task, shim).await?;
        }
        return Err(error);
    }
    announce::tell(&task.engine, &task.record, "pause");
    Ok(())
}

async fn record_pause(task: &mut Task, state: State) -> Result<()> {
    task.engine.failpoint("pause-record")?;
    task.enter(state).await
}
