//! `network inspect`: everything about one network.

use std::collections::BTreeMap;

use gantry_api::network::{Ipam, IpamConfig, NetworkContainer, NetworkInspect};
use gantry_network::{Endpoint, Network};

use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;

/// Tells everything about the network that `text` means.
pub async fn inspect(engine: &Engine, text: &str) -> Result<NetworkInspect> {
    let (engine, text) = (engine.clone(), text.to_owned());
    block(move || {
        let network = engine.networks.find(&text)?;
        Ok(NetworkInspect { containers: containers(&engine, &network), ..document(&network) })
    })
    .await
}

/// Without the containers, as lists have it.
pub(crate) fn document(network: &Network) -> NetworkInspect {
    let config = network.bridge.iter().map(|bridge| IpamConfig {
        subnet: bridge.subnet.to_string(),
        ip_range: bridge.range.map(|range| range.to_string()).unwrap_or_default(),
        gateway: bridge.gateway.to_string(),
        auxiliary_addresses: bridge
            .auxiliary
            .iter()
            .map(|(name, address)| (name.clone(), address.to_string()))
            .collect(),
    });
    let mut options = network.options.clone();
    if let Some(bridge) = &network.bridge
        && network.name == gantry_network::DEFAULT_NETWORK
    {
        options.insert("com.docker.network.bridge.default_bridge".into(), "true".into());
        options.insert("com.docker.network.bridge.name".into(), bridge.device.clone());
        options.insert("com.docker.network.driver.mtu".into(), bridge.mtu.to_string());
    }
    NetworkInspect {
        name: network.name.clone(),
        id: network.id.to_string(),
        created: network.created_at.to_string(),
        scope: "local".to_owned(),
        driver: network.driver.name().to_owned(),
        enable_ipv4: true,
        ipam: Ipam { driver: "default".to_owned(), config: config.collect(), ..Ipam::default() },
        internal: network.internal,
        attachable: network.attachable,
        options,
        labels: network.labels.clone(),
        ..NetworkInspect::default()
    }
}

fn containers(engine: &Engine, network: &Network) -> BTreeMap<String, NetworkContainer> {
    let mut all = BTreeMap::new();
    for snapshot in engine.containers.snapshots() {
        let record = &snapshot.record;
        let mine = |endpoint: &&Endpoint| endpoint.network_id == network.id;
        if let Some(endpoint) = record.endpoints.iter().find(mine) {
            let container = NetworkContainer {
                name: record.name.to_string(),
                endpoint_id: endpoint.id.to_string(),
                mac_address: mac_text(endpoint.mac),
                ipv4_address: format!("{}/{}", endpoint.address, endpoint.subnet.prefix_len()),
                ipv6_address: String::new(),
            };
            all.insert(record.id.to_string(), container);
        }
    }
    all
}

pub(crate) fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}
