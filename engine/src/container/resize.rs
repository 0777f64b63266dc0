//! `resize`: the size of a container's terminal.

use std::sync::Arc;

use super::announce;
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;

/// Character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    pub rows: u16,
    pub columns: u16,
}

/// Tells the terminal of the container's first process its size.
pub async fn resize(engine: &Engine, container: &str, size: TerminalSize) -> Result<()> {
    let snapshot = engine.snapshot(container)?;
    let Some(shim) = snapshot.shim.as_ref().map(Arc::clone) else {
        return Err(Error::NotRunning(snapshot.record.id.to_string()));
    };
    block(move || shim.resize("", size.rows, size.columns)).await?;
    let event = announce::event(&snapshot.record, "resize")
        .with("height", size.rows.to_string())
        .with("width", size.columns.to_string());
    engine.events.tell(event);
    Ok(())
}
