//! `plugin install`, before it asks its user: what a plugin in a registry wants to be allowed.

use gantry_api::plugin::PluginPrivilege;
use gantry_plugins::managed;

use super::remote::{self, RemotePlugin};
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::image::intake;

/// What a user has to grant.
pub async fn privileges(engine: &Engine, remote: RemotePlugin) -> Result<Vec<PluginPrivilege>> {
    let engine = engine.clone();
    intake(move || {
        let found = remote::find(&engine, &remote.repository(&engine), &remote)?;
        Ok(managed::privileges(&found.config))
    })
    .await
}

/// Fails unless just that was granted which the plugin wants.
pub(super) fn check(found: &remote::Found, granted: &[PluginPrivilege]) -> Result<()> {
    // What it is described by is not granted.
    let sorted = |all: &[PluginPrivilege]| {
        let mut all: Vec<(String, Vec<String>)> = all
            .iter()
            .map(|it| {
                let mut value = it.value.clone();
                value.sort_unstable();
                (it.name.clone(), value)
            })
            .collect();
        all.sort_unstable();
        all
    };
    let wanted = managed::privileges(&found.config);
    if sorted(&wanted) == sorted(granted) {
        return Ok(());
    }
    let names: Vec<String> =
        wanted.iter().map(|it| format!("{}: {}", it.name, it.value.join(", "))).collect();
    Err(Error::Refused {
        reason: format!(
            "incorrect privileges: the plugin wants [{}], and just that has to be granted",
            names.join("; ")
        ),
    })
}
