//! `stop`: the stop signal, some time, then `KILL`.

use std::time::Duration;

use gantry_types::Signal;

use super::kill;
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;

/// How a container is stopped; what is left open comes from the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StopOptions {
    pub signal: Option<Signal>,
    /// Seconds before `KILL`; negative waits for ever.
    pub timeout_s: Option<i64>,
}

/// Stops a container; `NotModified` when it does not run. Returns when the process has ended.
pub async fn stop(engine: &Engine, container: &str, options: StopOptions) -> Result<()> {
    let handle = engine.container(container)?;
    let snapshot = handle.snapshot();
    let id = snapshot.record.id.to_string();
    if !snapshot.record.state.is_running() {
        return Err(Error::AlreadyIn { id, state: "stopped" });
    }
    let plan = &snapshot.record.plan;
    let signal = options.signal.unwrap_or(plan.stop_signal);
    let seconds = options.timeout_s.unwrap_or(plan.stop_timeout_s);
    let mut snapshots = handle.snapshots.clone();
    // The task of a container that removes itself goes away, which ends the wait as well.
    let ended =
        async { drop(snapshots.wait_for(|snapshot| !snapshot.record.state.is_running()).await) };
    tokio::pin!(ended);
    match kill::signal(&snapshot, signal).await {
        Ok(()) => {}
        // It ended by itself just now.
        Err(Error::NotRunning(_)) => {
            ended.await;
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    match u64::try_from(seconds) {
        Err(_) => ended.await,
        Ok(seconds) => {
            if tokio::time::timeout(Duration::from_secs(seconds), &mut ended).await.is_err() {
                match kill::signal(&snapshot, Signal::KILL).await {
                    Ok(()) | Err(Error::NotRunning(_)) => {}
                    Err(error) => return Err(error),
                }
                ended.await;
            }
        }
    }
    Ok(())
}
