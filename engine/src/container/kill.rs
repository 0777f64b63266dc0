//! `kill`: a signal for the container's first process.

use std::sync::Arc;
use std::time::Duration;

use gantry_types::{ErrorKind, Signal};

use super::task::{self, Command};
use super::{announce, restart_policy};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::record::Snapshot;
use crate::registry::Handle;

/// Sends a signal, `KILL` unless named. With `KILL`, returns when the process has ended. `KILL` and the container's own
/// stop signal mean its end: its restart policy is not asked then, and it goes on if it stands still.
pub async fn kill(engine: &Engine, container: &str, name: Option<&str>) -> Result<()> {
    let in_kill = |error| Error::Container {
        action: "kill",
        id: container.to_owned(),
        source: Box::new(error),
    };
    let handle = engine.container(container).map_err(in_kill)?;
    let number = match name {
        None | Some("") => Signal::KILL,
        Some(text) => text.parse().map_err(|error| Error::invalid(format!("{error}")))?,
    };
    let mut ended = End::of(&handle);
    let is_end = number == Signal::KILL || number == handle.snapshot().record.plan.stop_signal;
    if is_end && expect_end(&handle).await.map_err(in_kill)? == Expected::NothingLeft {
        return Ok(());
    }
    // As it is now: a start may have been on its way before.
    send(engine, &handle.snapshot(), number).await.map_err(in_kill)?;
    if is_end {
        go_on(&handle).await?;
    }
    if number == Signal::KILL {
        ended.wait().await;
    }
    Ok(())
}

/// Ends the process: the signal, then `KILL` after `grace` (at once when the signal is `KILL`; never without a grace).
/// A process that ends by itself meanwhile is as good.
pub(super) async fn end(
    engine: &Engine,
    handle: &Handle,
    signal: Signal,
    grace: Option<Duration>,
) -> Result<()> {
    let ended = End::of(handle);
    if expect_end(handle).await? == Expected::NothingLeft {
        return Ok(());
    }
    Run { ended, snapshot: handle.snapshot() }.end_with(engine, signal, grace).await
}

/// A container's run that is to end; a later one is not touched.
pub(super) struct Run {
    ended: End,
    snapshot: Snapshot,
}

impl Run {
    /// The present one.
    pub(super) fn of(handle: &Handle) -> Self {
        Self { ended: End::of(handle), snapshot: handle.snapshot() }
    }

    /// Ends it as `stop` does, without a word to the restart policy.
    pub(super) async fn end(self, engine: &Engine) -> Result<()> {
        let plan = &self.snapshot.record.plan;
        let (signal, seconds) = (plan.stop_signal, plan.stop_timeout_s);
        self.end_with(engine, signal, u64::try_from(seconds).ok().map(Duration::from_secs)).await
    }

    async fn end_with(
        mut self,
        engine: &Engine,
        signal: Signal,
        grace: Option<Duration>,
    ) -> Result<()> {
        if !try_send(engine, &self.snapshot, signal).await? {
            self.ended.wait().await;
            return Ok(());
        }
        go_on(&self.ended.handle).await?;
        let Some(grace) = grace else {
            self.ended.wait().await;
            return Ok(());
        };
        if tokio::time::timeout(grace, self.ended.wait()).await.is_err() {
            try_send(engine, &self.snapshot, Signal::KILL).await?;
            self.ended.wait().await;
        }
        Ok(())
    }
}

/// What is left to do after the restart policy knows of an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// There may be a process to get a signal.
    Signal,
    /// There was none, and now there will not be one.
    NothingLeft,
}

/// Tells the container's task that its end is wanted, where there is a policy that has to know.
async fn expect_end(handle: &Handle) -> Result<Expected> {
    let before = handle.snapshot().record;
    if !restart_policy::is_any(&before) {
        return Ok(Expected::Signal);
    }
    match task::ask(handle, |reply| Command::ExpectEnd { reply }).await {
        // It removed itself.
        Err(Error::NoSuchContainer(_)) => return Ok(Expected::Signal),
        result => result?,
    }
    let now = handle.snapshot().record;
    Ok(if before.state.is_restarting() && !now.state.is_active() {
        Expected::NothingLeft
    } else {
        Expected::Signal
    })
}

/// A process that stands still takes its signal when it goes on.
async fn go_on(handle: &Handle) -> Result<()> {
    if !handle.snapshot().record.state.is_paused() {
        return Ok(());
    }
    match task::ask(handle, |reply| Command::Unpause { quiet: true, reply }).await {
        // It has ended meanwhile.
        Err(Error::NoSuchContainer(_) | Error::NotRunning(_)) => Ok(()),
        result => result,
    }
}

/// The end of the run that was there when this was made, even if another one follows at once.
struct End {
    handle: Handle,
    exits_before: u64,
}

impl End {
    fn of(handle: &Handle) -> Self {
        Self { handle: handle.clone(), exits_before: handle.snapshot().exits }
    }

    async fn wait(&mut self) {
        let exits_before = self.exits_before;
        let over = |snapshot: &Snapshot| {
            snapshot.exits > exits_before || !snapshot.record.state.is_running()
        };
        // An error means that the container is gone, as one that removes itself, which is an end as well.
        drop(self.handle.snapshots.wait_for(over).await);
    }
}

/// Sends a signal; tells whether there was a process to get it.
async fn try_send(engine: &Engine, snapshot: &Snapshot, signal: Signal) -> Result<bool> {
    match send(engine, snapshot, signal).await {
        Ok(()) => Ok(true),
        Err(Error::NotRunning(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn send(engine: &Engine, snapshot: &Snapshot, signal: Signal) -> Result<()> {
    let not_running = || Error::NotRunning(snapshot.record.id.to_string());
    let shim = match &snapshot.shim {
        Some(shim) if snapshot.record.state.is_running() => Arc::clone(shim),
        _ => return Err(not_running()),
    };
    // Before it is sent, so that it comes before the end that it may mean.
    let event = announce::event(&snapshot.record, "kill");
    engine.events.tell(event.with("signal", signal.as_raw().to_string()));
    match block(move || shim.kill("", signal)).await {
        // A shim that hangs up is on its way out, because its process has ended.
        Err(gantry_shims::Error::Disconnected { .. }) => Err(not_running()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(not_running()),
        result => Ok(result?),
    }
}
