//! `reload`: other live settings from now on, and the event that tells of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use gantry_plugins::Plugins;
use serde_json::json;

use super::authorize;
use crate::blocking::block;
use crate::engine::Engine;
use crate::events::{Event, Kind};
use crate::settings::LiveSettings;
use crate::{Error, Result};

/// Lets these be the live settings. Nothing that is under way changes; what begins from now on sees them.
///
/// # Errors
/// An authorization plugin that is not there; the settings stay as they were.
pub async fn reload(engine: &Engine, settings: LiveSettings) -> Result<()> {
    check_plugins(Arc::clone(&engine.plugins), settings.authorization_plugins.clone()).await?;
    let attributes = attributes(&settings, engine.host.cgroup_v2);
    // Nothing fails behind the change.
    let event = Event::new(Kind::Daemon, "reload", engine.identity()?);
    engine.live.replace(settings);
    engine.events.tell(event.with("name", engine.host.hostname.as_str()).with_all(&attributes));
    Ok(())
}

/// Fails unless each of these is there and of the right kind: who asked for a guard must not run without it.
pub(crate) async fn check_plugins(plugins: Arc<Plugins>, names: Vec<String>) -> Result<()> {
    block(move || {
        names.iter().try_for_each(|name| {
            plugins
                .check(name, authorize::KIND)
                .map_err(|source| Error::AuthorizationPlugin { source })
        })
    })
    .await
}

/// As Docker names and writes them.
fn attributes(settings: &LiveSettings, cgroup_v2: bool) -> BTreeMap<String, String> {
    let list = |words: &[String]| json!(words).to_string();
    let timeout = settings.shutdown_timeout;
    let own_mode = || if cgroup_v2 { "private" } else { "host" }.to_owned();
    let containers = &settings.containers;
    let runtimes: Vec<String> = containers
        .runtimes
        .iter()
        .map(|(name, runtime)| format!("{name}:{}", runtime.program))
        .collect();
    let features: Vec<String> =
        settings.features.iter().map(|(name, on)| format!("{name}:{on}")).collect();
    [
        ("allow-nondistributable-artifacts", list(&settings.nondistributable)),
        ("authorization-plugins", list(&settings.authorization_plugins)),
        ("debug", settings.debug.to_string()),
        ("default-cgroupns-mode", containers.cgroupns_mode.clone().unwrap_or_else(own_mode)),
        ("default-ipc-mode", containers.ipc_mode.clone()),
        ("default-runtime", containers.default_runtime.clone()),
        ("default-shm-size", containers.shm_size_bytes.to_string()),
        // As Go prints a map.
        ("features", format!("map[{}]", features.join(" "))),
        ("insecure-registries", list(&settings.registries.insecure)),
        ("labels", list(&settings.labels)),
        ("live-restore", "true".to_owned()),
        ("max-concurrent-downloads", settings.max_concurrent_downloads.to_string()),
        ("max-concurrent-uploads", settings.max_concurrent_uploads.to_string()),
        ("max-download-attempts", settings.registries.attempts.to_string()),
        ("registry-mirrors", list(&settings.registries.mirrors)),
        ("runtimes", runtimes.join(" ")),
        ("shutdown-timeout", timeout.map_or(-1, |time| i128::from(time.as_secs())).to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
