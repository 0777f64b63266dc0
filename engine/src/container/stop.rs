//! `stop`: the stop signal, some time, then `KILL`.

use std::time::Duration;

use gantry_types::Signal;

use super::{announce, kill};
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
    let record = handle.snapshot().record;
    if !record.state.is_active() {
        return Err(Error::AlreadyIn { id: record.id.to_string(), state: "stopped" });
    }
    let signal = options.signal.unwrap_or(record.plan.stop_signal);
    let seconds = options.timeout_s.unwrap_or(record.plan.stop_timeout_s);
    let grace = u64::try_from(seconds).ok().map(Duration::from_secs);
    kill::end(engine, &handle, signal, grace).await?;
    announce::tell(engine, &record, "stop");
    Ok(())
}
