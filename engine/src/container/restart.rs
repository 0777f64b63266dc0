//! `restart`: stop if it runs, then start.

use super::task::{self, Command};
use super::{StopOptions, announce, start, stop};
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;

/// Restarts a container, running or not. One that would remove itself at its end stays for this.
pub async fn restart(engine: &Engine, container: &str, options: StopOptions) -> Result<()> {
    let handle = engine.container(container)?;
    let id = handle.snapshot().record.id.to_string();
    task::ask(&handle, |reply| Command::KeepOnce { keep: true, reply }).await?;
    match stop(engine, &id, options).await {
        Ok(()) | Err(Error::AlreadyIn { .. }) => {}
        Err(error) => {
            task::ask(&handle, |reply| Command::KeepOnce { keep: false, reply }).await?;
            return Err(error);
        }
    }
    match start(engine, &id).await {
        // Somebody else started it first.
        Ok(()) | Err(Error::AlreadyIn { .. }) => {
            announce::tell(engine, &handle.snapshot().record, "restart");
            Ok(())
        }
        Err(error) => Err(error),
    }
}
