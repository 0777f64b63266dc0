//! `plugin disable`: ends a plugin, which is not found any more.

use gantry_plugins::managed::{Change, Record};

use super::{run, save, tell, users};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;

/// Ends a plugin; by `force` also one that is in use.
///
/// # Errors
/// It does not run, or somebody needs it.
pub async fn disable(engine: &Engine, name: &str, force: bool) -> Result<()> {
    let (change, record) = right_to_end(engine, name, force).await?;
    if !record.enabled {
        return Err(Error::PluginDisabled(record.familiar()));
    }
    if !force {
        users::check(engine, &record)?;
    }
    end(engine, record).await?;
    drop(change);
    Ok(())
}

/// The right to change a plugin; by `force` also one that is just started again because it ended.
pub(super) async fn right_to_end(
    engine: &Engine,
    name: &str,
    force: bool,
) -> Result<(Change, Record)> {
    if !force {
        return Ok(engine.managed_plugins.change(name)?);
    }
    let (engine, name) = (engine.clone(), name.to_owned());
    block(move || Ok(engine.managed_plugins.change_soon(&name)?)).await
}

/// Ends a plugin that is enabled; as it is then.
pub(super) async fn end(engine: &Engine, record: Record) -> Result<Record> {
    let record = Record { enabled: false, ..record };
    // First what the next daemon reads: one that is to be off must not come again.
    save(engine, &record).await?;
    engine.failpoint("plugin-disabled")?;
    run::stop(engine, &record).await;
    tell(engine, "disable", &record);
    Ok(record)
}
