//! `plugin ls`.

use gantry_api::plugin::Plugin;
use gantry_types::Filters;

use crate::Result;
use crate::engine::Engine;

/// The plugins that fit: `capability` (`volumedriver` and the like) and `enabled`.
pub fn list(engine: &Engine, filters: &Filters) -> Result<Vec<Plugin>> {
    filters.check_keys(&["capability", "enabled"])?;
    let enabled = filters.flag("enabled")?;
    let wanted: Vec<&str> =
        filters.get("capability").into_iter().flatten().map(String::as_str).collect();
    let has = |plugin: &Plugin, capability: &str| {
        plugin.config.interface.types.iter().any(|word| {
            let name = word.split('/').next().unwrap_or_default();
            name.split_once('.').is_some_and(|(_, own)| own.eq_ignore_ascii_case(capability))
        })
    };
    let all = engine.managed_plugins.list().into_iter().map(|record| record.document());
    let fits = |plugin: &Plugin| {
        enabled.is_none_or(|wanted| wanted == plugin.enabled)
            && (wanted.is_empty() || wanted.iter().any(|capability| has(plugin, capability)))
    };
    Ok(all.filter(fits).collect())
}
