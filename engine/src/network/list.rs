//! `network ls`: one row per network, by name.

use gantry_api::network::NetworkInspect;
use gantry_network::Network;
use gantry_types::Filters;

use super::document;
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::patterns::Patterns;

const FILTERS: [&str; 7] = ["dangling", "driver", "id", "label", "name", "scope", "type"];

/// Lists networks.
pub async fn list(engine: &Engine, filters: Filters) -> Result<Vec<NetworkInspect>> {
    filters.check_keys(&FILTERS)?;
    let dangling = filters.flag("dangling")?;
    let engine = engine.clone();
    block(move || {
        let networks = engine.networks.list();
        let (ids, names) = (Patterns::of(&filters, "id"), Patterns::of(&filters, "name"));
        let wanted = networks.iter().filter(|network| {
            ids.allow(network.id.as_str())
                && names.allow(&network.name)
                && matches(network, &filters)
                && dangling.is_none_or(|wanted| wanted == is_dangling(&engine, network))
        });
        Ok(wanted.map(document).collect())
    })
    .await
}

fn matches(network: &Network, filters: &Filters) -> bool {
    let kind = if network.is_predefined() { "builtin" } else { "custom" };
    filters.has_labels("label", &network.labels)
        && filters.allows("driver", |text| network.driver.name() == text)
        && filters.allows("scope", |text| text == "local")
        && filters.allows("type", |text| text == kind)
}

/// Whether the user made it and no running container is in it.
pub(super) fn is_dangling(engine: &Engine, network: &Network) -> bool {
    !network.is_predefined() && engine.networks.endpoints(network).is_empty()
}
