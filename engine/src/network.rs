//! Networks: one file per use case, and how the engine holds them.

mod create;
mod inspect;
mod list;
mod prune;
mod remove;

use gantry_network::{Config, Endpoint};
use gantry_types::NetworkId;

pub use create::create;
pub use inspect::inspect;
pub(crate) use inspect::{document, mac_text};
pub use list::list;
pub use prune::prune;
pub use remove::remove;

use crate::engine::Engine;
use crate::record::ContainerRecord;
use crate::settings::Settings;
use crate::{Result, random};

const DEFAULT_MTU: u32 = 1500;

pub(crate) fn config(settings: &Settings) -> Config {
    Config {
        default_bridge: settings.default_bridge,
        pools: Config::default_pools(),
        mtu: DEFAULT_MTU,
        sysctl: "/proc/sys/net".into(),
    }
}

/// The places of containers that ran when the daemon was last there. Those that have ended meanwhile give them back.
pub(crate) fn of_running(records: &[ContainerRecord]) -> Vec<Endpoint> {
    let running = records.iter().filter(|record| record.state.is_running());
    running.flat_map(|record| record.endpoints.clone()).collect()
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
