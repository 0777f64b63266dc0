//! `network inspect`: everything about one network.

use std::collections::BTreeMap;
use std::fmt::Display;

use gantry_api::network::{
    ConfigReference, Ipam, IpamConfig, IpamStatus, NetworkContainer, NetworkInspect, NetworkStatus,
    SubnetStatus,
};
use gantry_network::{DEFAULT_NETWORK, Endpoint, Network, Subnet};

use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;

/// What `network inspect` may be told.
#[derive(Debug, Clone, Default)]
pub struct InspectOptions {
    /// Swarm tasks, too; there are none.
    pub verbose: bool,
    /// Only a network of this scope; empty for any.
    pub scope: String,
}

/// Tells everything about the network that `text` means.
pub async fn inspect(
    engine: &Engine,
    text: &str,
    options: InspectOptions,
) -> Result<NetworkInspect> {
    let (engine, text) = (engine.clone(), text.to_owned());
    block(move || {
        if !matches!(options.scope.as_str(), "" | "local") {
            return Err(Error::Networks(gantry_network::Error::NoSuchNetwork(text)));
        }
        let network = engine.networks.find(&text)?;
        Ok(NetworkInspect {
            containers: containers(&engine, &network),
            status: Some(status(&engine, &network)),
            ..document(&network)
        })
    })
    .await
}

/// Without the containers, as lists have it.
pub(crate) fn document(network: &Network) -> NetworkInspect {
    let ipv4 = network.subnets4().map(config);
    let ipv6 = network.subnets6().map(config);
    let mut options = network.options.clone();
    if let Some(bridge) = &network.bridge
        && network.name == DEFAULT_NETWORK
    {
        let word = |is: bool| if is { "true" } else { "false" }.to_owned();
        let own = [
            ("bridge.default_bridge", word(true)),
            ("bridge.enable_icc", word(bridge.options.icc)),
            ("bridge.enable_ip_masquerade", word(bridge.options.masquerade)),
            ("bridge.name", bridge.device.clone()),
            ("driver.mtu", bridge.mtu.to_string()),
        ];
        options.extend(own.map(|(name, value)| (format!("com.docker.network.{name}"), value)));
        let binding = bridge.options.host_binding.map_or("0.0.0.0".to_owned(), |it| it.to_string());
        options.insert("com.docker.network.bridge.host_binding_ipv4".to_owned(), binding);
    }
    if let Some(parent) = network.parent.as_ref().filter(|parent| parent.is_made) {
        options.insert("parent".to_owned(), parent.device.clone());
    }
    let has_own = network.bridge.is_some() || network.parent.is_some() || network.config_only;
    NetworkInspect {
        name: network.name.clone(),
        id: network.id.to_string(),
        created: network.created_at.to_string(),
        scope: "local".to_owned(),
        driver: network.driver.name().to_owned(),
        // Those without addresses of their own use the host's, or none.
        enable_ipv4: network.ipv4.is_some() || !has_own,
        enable_ipv6: network.ipv6.is_some(),
        ipam: Ipam {
            driver: match network.ipam.driver.as_str() {
                "" => "default".to_owned(),
                driver => driver.to_owned(),
            },
            config: ipv4.chain(ipv6).collect(),
            options: (network.ipam.names_options || !network.ipam.options.is_empty())
                .then(|| network.ipam.options.clone()),
        },
        internal: network.internal,
        attachable: network.attachable,
        config_only: network.config_only,
        config_from: ConfigReference { network: network.config_from.clone() },
        options,
        labels: network.labels.clone(),
        ..NetworkInspect::default()
    }
}

fn config<A: Display, N: Display>(subnet: &Subnet<A, N>) -> IpamConfig {
    let text = |address: &A| address.to_string();
    let auxiliary = subnet.auxiliary.iter().map(|(name, address)| (name.clone(), text(address)));
    IpamConfig {
        subnet: subnet.subnet.to_string(),
        ip_range: subnet.range.as_ref().map(ToString::to_string).unwrap_or_default(),
        gateway: subnet.gateway.as_ref().map(text).unwrap_or_default(),
        auxiliary_addresses: auxiliary.collect(),
    }
}

fn status(engine: &Engine, network: &Network) -> NetworkStatus {
    let subnets = engine.networks.usage(network).into_iter().map(|(subnet, usage)| {
        let status =
            SubnetStatus { ips_in_use: usage.in_use, dynamic_ips_available: usage.available };
        (subnet.to_string(), status)
    });
    NetworkStatus { ipam: IpamStatus { subnets: subnets.collect() } }
}

fn containers(engine: &Engine, network: &Network) -> BTreeMap<String, NetworkContainer> {
    let mut all = BTreeMap::new();
    for snapshot in engine.containers.snapshots() {
        let record = &snapshot.record;
        let mine = |endpoint: &&Endpoint| endpoint.network_id == network.id;
        if let Some(endpoint) = record.endpoints.iter().find(mine) {
            let ipv4 = endpoint.ipv4.map(|it| format!("{}/{}", it.address, it.subnet.prefix_len()));
            let ipv6 = endpoint.ipv6.map(|it| format!("{}/{}", it.address, it.subnet.prefix_len()));
            let container = NetworkContainer {
                name: record.name.to_string(),
                endpoint_id: endpoint.id.to_string(),
                mac_address: mac_text(endpoint.mac),
                ipv4_address: ipv4.unwrap_or_default(),
                ipv6_address: ipv6.unwrap_or_default(),
            };
            all.insert(record.id.to_string(), container);
        }
    }
    all
}

pub(crate) fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}
