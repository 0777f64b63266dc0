//! `plugin inspect`.

use gantry_api::plugin::Plugin;

use crate::Result;
use crate::engine::Engine;

/// Everything about a plugin.
pub fn inspect(engine: &Engine, name: &str) -> Result<Plugin> {
    Ok(engine.managed_plugins.find(name)?.document())
}
