//! Networks: one file per use case, and how the engine holds them.

mod connect;
mod create;
mod disconnect;
mod inspect;
mod list;
mod prune;
mod remove;

use std::sync::Arc;

use gantry_network::{Config, Endpoint, Network, Remote, RemoteResult};
use gantry_plugins::Plugins;
use gantry_types::NetworkId;
use serde_json::Value;

pub use connect::connect;
pub use create::create;
pub use disconnect::disconnect;
pub use gantry_network::{Asked, CreateOptions};
pub use inspect::{InspectOptions, inspect};
pub(crate) use inspect::{document, mac_text};
pub use list::list;
pub use prune::prune;
pub use remove::remove;

use crate::engine::Engine;
use crate::events::{Event, Kind};
use crate::record::ContainerRecord;
use crate::settings::Settings;
use crate::{Result, random};

const DEFAULT_MTU: u32 = 1500;

/// `daemon` is what the engine calls itself.
pub(crate) fn config(settings: &Settings, daemon: &str, plugins: &Arc<Plugins>) -> Config {
    let told = &settings.networks;
    let mut pools = told.pools.clone();
    if !pools.iter().any(|(pool, _)| pool.addr().is_ipv4()) {
        pools.extend(Config::default_pools());
    }
    if !pools.iter().any(|(pool, _)| pool.addr().is_ipv6()) {
        pools.push(Config::unique_local_pool(daemon));
    }
    Config {
        default_bridge: settings.default_bridge,
        default_network: told.default_network.clone(),
        users_bridge: told.users_bridge.clone(),
        remote: Some(Arc::new(ByPlugins(Arc::clone(plugins)))),
        forwards: told.forwards,
        pools,
        mtu: told.mtu.unwrap_or(DEFAULT_MTU),
        sysctl: "/proc/sys/net".into(),
    }
}

/// How the service of networks reaches plugins.
#[derive(Debug)]
struct ByPlugins(Arc<Plugins>);

impl Remote for ByPlugins {
    fn ask(&self, plugin: &str, kind: &str, method: &str, request: Value) -> RemoteResult<Value> {
        Ok(self.0.call(plugin, kind, method, &request)?)
    }

    fn has(&self, plugin: &str, kind: &str) -> bool {
        self.0.has(plugin, kind)
    }
}

/// The places of containers that ran when the daemon was last there. Those that have ended meanwhile give them back, and so does who
/// was about to take one.
pub(crate) fn of_running(records: &[ContainerRecord]) -> Vec<Endpoint> {
    let running = records.iter().filter(|record| record.state.is_running());
    let of_running = running.flat_map(|record| record.endpoints.clone());
    of_running.chain(records.iter().flat_map(|record| record.joining.clone())).collect()
}

/// Brings the host's devices and rules to what there should be.
pub(crate) fn restore(engine: &Engine, running: Vec<Endpoint>) -> Result<()> {
    let ids = [new_id()?, new_id()?, new_id()?];
    engine.networks.restore(running, ids, gantry_sys::clock::now())?;
    if let Some(reason) = engine.networks.unavailable() {
        tracing::warn!(reason, "containers can have no network but none and the host's");
    }
    Ok(())
}

fn new_id() -> Result<NetworkId> {
    Ok(NetworkId::from_bytes(random::bytes()?))
}

/// Tells everybody what became of a network.
fn tell(engine: &Engine, network: &Network, action: &'static str) {
    let event = Event::new(Kind::Network, action, network.id.to_string())
        .with("name", network.name.clone())
        .with("type", network.driver.name().to_owned());
    engine.events.tell(event);
}
