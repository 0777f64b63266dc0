//! `restart`: stop if it runs, then start.

use super::{StopOptions, start, stop};
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;

/// Restarts a container, running or not.
pub async fn restart(engine: &Engine, container: &str, options: StopOptions) -> Result<()> {
    let id = engine.snapshot(container)?.record.id.to_string();
    match stop(engine, &id, options).await {
        Ok(()) | Err(Error::AlreadyIn { .. }) => {}
        Err(error) => return Err(error),
    }
    match start(engine, &id).await {
        // Somebody else started it first.
        Ok(()) | Err(Error::AlreadyIn { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
