//! Who needs a plugin: volumes and networks of its, containers whose output goes to it, and the API that it guards.

use gantry_plugins::managed::Record;
use gantry_types::ImageReference;

use crate::Result;
use crate::engine::Engine;
use crate::error::Error;

/// Fails when somebody needs the plugin.
pub(super) fn check(engine: &Engine, record: &Record) -> Result<()> {
    let is_own = |name: &str| name.parse::<ImageReference>().is_ok_and(|name| name == record.name);
    let volumes = engine.volumes.list().into_iter();
    let volume =
        volumes.into_iter().find(|it| is_own(&it.driver)).map(|it| format!("volume {}", it.name));
    let network = || {
        let networks = engine.networks.list().into_iter();
        let mut own = networks.filter(|network| network.plugins().any(is_own));
        own.next().map(|it| format!("network {}", it.name))
    };
    let container = || {
        let running = engine.containers.snapshots().into_iter();
        let mut running = running.filter(|it| it.record.state.is_running());
        let own = running.find(|it| is_own(&it.record.plan.host_config.log_config.r#type));
        own.map(|it| format!("container {}", it.record.name))
    };
    let guard = || {
        let guards = &engine.live().authorization_plugins;
        guards.iter().any(|name| is_own(name)).then(|| "authorization of the API".to_owned())
    };
    match volume.or_else(network).or_else(container).or_else(guard) {
        Some(user) => Err(Error::PluginInUse { name: record.familiar(), user }),
        None => Ok(()),
    }
}
