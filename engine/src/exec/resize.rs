//! `exec resize`: the size of a session's terminal.

use std::sync::Arc;

use super::ExecState;
use crate::Result;
use crate::blocking::block;
use crate::container::TerminalSize;
use crate::engine::Engine;
use crate::error::Error;

/// Tells a session's terminal its size.
pub async fn resize(engine: &Engine, id: &str, size: TerminalSize) -> Result<()> {
    let session = engine.exec_session(id)?;
    let running = matches!(*session.state.borrow(), ExecState::Running { .. });
    let Some(shim) = session.container.shim.clone().filter(|_| running) else {
        return Err(Error::NotRunning(id.to_owned()));
    };
    let exec_id = Arc::clone(&session);
    Ok(block(move || shim.resize(exec_id.id.as_str(), size.rows, size.columns)).await?)
}
