//! `plugin rm`: a plugin goes, with its files.

use gantry_api::plugin::Plugin;

use super::{disable, tell, users};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;

/// Removes a plugin; by `force` also one that runs or is in use. What it was comes back.
pub async fn remove(engine: &Engine, name: &str, force: bool) -> Result<Plugin> {
    let (change, mut record) = disable::right_to_end(engine, name, force).await?;
    if !force {
        if record.enabled {
            return Err(Error::PluginEnabled(record.familiar()));
        }
        users::check(engine, &record)?;
    }
    if record.enabled {
        record = disable::end(engine, record).await?;
    }
    let removing = engine.clone();
    block(move || {
        removing.managed_plugins.remove(&record)?;
        tell(&removing, "remove", &record);
        drop(change);
        Ok(record.document())
    })
    .await
}
