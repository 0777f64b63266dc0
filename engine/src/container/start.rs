//! `start`: tells the container's task to launch it.

use super::task::{self, Command};
use crate::Result;
use crate::engine::Engine;

/// Starts a container; `NotModified` when it runs already. Returns when its process has begun.
pub async fn start(engine: &Engine, container: &str) -> Result<()> {
    let handle = engine.container(container)?;
    task::ask(&handle, |reply| Command::Start { reply }).await
}
