//! `network prune`: networks that no container is in.

use gantry_api::network::NetworksPruned;
use gantry_network::Network;
use gantry_types::{Filters, Timestamp};

use super::list::is_dangling;
use super::tell;
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::events::{Event, Kind};

const FILTERS: [&str; 3] = ["until", "label", "label!"];

/// Removes them. One that somebody begins to use meanwhile stays.
pub async fn prune(engine: &Engine, filters: Filters) -> Result<NetworksPruned> {
    filters.check_keys(&FILTERS)?;
    let until = filters.moment("until", gantry_sys::clock::now())?;
    let engine = engine.clone();
    block(move || {
        let is_old =
            |network: &Network| until.is_none_or(|until: Timestamp| network.created_at <= until);
        let mut pruned = NetworksPruned::default();
        for network in engine.networks.list() {
            let goes = is_dangling(&engine, &network)
                && is_old(&network)
                && filters.allows_labels(&network.labels);
            if goes && engine.networks.remove(network.id.as_str()).is_ok() {
                tell(&engine, &network, "destroy");
                pruned.networks_deleted.push(network.name);
            }
        }
        engine.events.tell(Event::pruned(Kind::Network, 0));
        Ok(pruned)
    })
    .await
}
