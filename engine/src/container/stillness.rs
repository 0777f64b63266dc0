//! Keeping a container's processes still for a while, so that what is read of its files is of one moment. This is not
//! `pause`: no state says it, and it ends with whoever asked for it.

use gantry_shim_protocol::task::TaskStatus;
use gantry_shims::Shim;
use tokio::sync::oneshot;

use super::task::{self, Command, Task};
use crate::Result;
use crate::blocking::block;
use crate::error::Error;
use crate::registry::Handle;

/// A container's processes stand still as long as it lives.
pub(super) struct Stillness {
    /// Taken when it has ended by [`Stillness::end`].
    handle: Option<Handle>,
    runtime: tokio::runtime::Handle,
}

/// What a container's task knows of it.
#[derive(Debug, Default)]
pub(crate) struct Still {
    holders: u32,
    /// The run that was frozen.
    run: Option<u64>,
}

impl Stillness {
    /// Freezes the container, unless it is frozen already or does not run.
    pub(super) async fn of(handle: &Handle) -> Result<Self> {
        // Before the question: should nobody wait for the answer any more, it ends all the same.
        let stillness =
            Self { handle: Some(handle.clone()), runtime: tokio::runtime::Handle::current() };
        task::ask(handle, |reply| Command::Freeze { reply }).await?;
        Ok(stillness)
    }

    /// Ends it, and returns when the processes go on unless somebody else wants them still.
    pub(super) async fn end(mut self) -> Result<()> {
        let Some(handle) = self.handle.take() else { return Ok(()) };
        match task::ask(&handle, |reply| Command::Thaw { reply }).await {
            // It went away: nothing stands still.
            Err(Error::NoSuchContainer(_)) => Ok(()),
            result => result,
        }
    }
}

impl Drop for Stillness {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            let (reply, _) = oneshot::channel();
            self.runtime.spawn(async move {
                // A closed queue means that the container is gone.
                drop(handle.commands.send(Command::Thaw { reply }).await);
            });
        }
    }
}

/// The task's side of [`Stillness::of`]. Every call, failed or not, is followed by one of [`thaw`].
pub(super) async fn freeze(task: &mut Task) -> Result<()> {
    task.still.holders += 1;
    let Some(shim) = task.shim.clone().filter(|_| task.record.state.is_running()) else {
        return Ok(());
    };
    if task.still.run == Some(task.run) {
        return Ok(());
    }
    block(move || shim.pause()).await.map_err(|error| failed(task, "pause", error))?;
    task.still.run = Some(task.run);
    Ok(())
}

/// The task's side of the end.
pub(super) async fn thaw(task: &mut Task) -> Result<()> {
    task.still.holders = task.still.holders.saturating_sub(1);
    if task.still.holders > 0 || task.still.run.take() != Some(task.run) {
        return Ok(());
    }
    let Some(shim) = task.shim.clone().filter(|_| task.record.state.is_running()) else {
        return Ok(());
    };
    block(move || shim.resume()).await.map_err(|error| failed(task, "unpause", error))
}

/// Lets processes go on that a daemon kept still when it died. Nobody else freezes them.
pub(super) fn end_of_another_life(shim: &Shim) {
    let is_frozen = shim.state("").is_ok_and(|state| state.status == TaskStatus::Paused);
    if is_frozen && let Err(error) = shim.resume() {
        let error = gantry_types::error_chain(&error);
        tracing::warn!(error, id = shim.id(), "cannot let a container go on");
    }
}

fn failed(task: &Task, action: &'static str, error: gantry_shims::Error) -> Error {
    Error::Container { action, id: task.record.id.to_string(), source: Box::new(error.into()) }
}
