//! `plugin set`: values of what a plugin's configuration calls settable.

use gantry_plugins::managed::{Record, apply};

use super::save;
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;

/// Sets `NAME=value` or `NAME.field=value`, all of them or none.
///
/// # Errors
/// The plugin runs, or one of them is not to be set.
pub async fn set(engine: &Engine, name: &str, words: Vec<String>) -> Result<()> {
    let (change, record) = engine.managed_plugins.change(name)?;
    if record.enabled {
        let reason = "cannot set on an active plugin, disable plugin before setting".to_owned();
        return Err(Error::Conflict { reason });
    }
    let settings = apply(&record.config, &record.settings, &words)?;
    save(engine, &Record { settings, ..record }).await?;
    drop(change);
    Ok(())
}
