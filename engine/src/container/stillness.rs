//! Keeping a container's processes still for a while, so that what is read of its files is of one moment. This is not
//! `pause`: no state says it, and it ends with whoever asked for it.

use std::sync::Arc;

use gantry_shim_protocol::task::TaskStatus;
use gantry_shims::Shim;
use gantry_types::{ErrorKind, Timestamp};
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
    /// When processes last went on, whoever kept them still.
    went_on_at: Option<Timestamp>,
}

impl Still {
    /// Processes go on.
    pub(super) fn goes_on(&mut self) {
        self.went_on_at = Some(gantry_sys::clock::now());
    }

    /// Whether the processes of this run stand still, or did at any time since this moment.
    pub(super) fn was(&self, run: u64, since: Timestamp) -> bool {
        self.run == Some(run) || self.went_on_at.is_some_and(|at| at >= since)
    }

    /// Whether the processes of this run stand still; from now on somebody else sees to it that they go on.
    pub(super) fn hand_over(&mut self, run: u64) -> bool {
        let is_still = self.run == Some(run);
        if is_still {
            self.run = None;
        }
        is_still
    }

    /// Takes the processes of this run over from somebody who kept them still, if anybody wants them so.
    pub(super) fn take_over(&mut self, run: u64) -> bool {
        let wanted = self.holders > 0;
        if wanted {
            self.run = Some(run);
        }
        wanted
    }
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
    if task.still.run == Some(task.run) || task.record.state.is_paused() {
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
    resume(task, shim).await
}

/// Lets the processes go on, whoever keeps them still.
pub(super) async fn resume(task: &mut Task, shim: Arc<Shim>) -> Result<()> {
    let resumed = block(move || shim.resume()).await;
    task.still.goes_on();
    match resumed {
        // What is killed goes on by that.
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
        resumed => resumed.map_err(|error| failed(task, "unpause", error)),
    }
}

/// Whether the processes go on although the record of an earlier daemon says that they are paused: it died before it could write down
/// that they are so no more.
pub(super) fn went_on_in_another_life(shim: &Shim) -> bool {
    shim.state("").is_ok_and(|state| state.status == TaskStatus::Running)
}

/// Lets processes go on that a daemon kept still when it died. Nobody else freezes them.
pub(super) fn end_of_another_life(shim: &Shim) {
    let is_frozen = shim.state("").is_ok_and(|state| state.status == TaskStatus::Paused);
    if is_frozen && let Err(error) = shim.resume() {
        let error = gantry_types::error_chain(&error);
        tracing::warn!(error, id = shim.id(), "cannot let a container go on");
    }
}

pub(super) fn failed(task: &Task, action: &'static str, error: gantry_shims::Error) -> Error {
    Error::Container { action, id: task.record.id.to_string(), source: Box::new(error.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_known_since_when_processes_go_on() {
        let before = gantry_sys::clock::now();
        let mut still = Still::default();
        assert!(!still.was(1, before));
        still.run = Some(1);
        assert!(still.was(1, before) && !still.was(2, before));
        still.run = None;
        still.goes_on();
        let later = Timestamp { seconds: before.seconds + 60, ..before };
        assert!(still.was(1, before) && !still.was(1, later));
    }
}
