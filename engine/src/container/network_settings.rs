//! What `inspect` and `list` tell of a container's networks and ports.

use std::collections::BTreeMap;

use gantry_api::network::{EndpointSettings, NetworkSettings, Port, PortBinding, PortMap};
use gantry_network::Endpoint;

use super::{endpoints, names};
use crate::engine::Engine;
use crate::network::mac_text;
use crate::plan::{EndpointPlan, Network};
use crate::record::{ContainerRecord, State};

/// The block of `inspect`.
pub(super) fn whole(engine: &Engine, record: &ContainerRecord) -> NetworkSettings {
    NetworkSettings {
        sandbox_key: sandbox(&record.state),
        ports: port_map(record),
        networks: networks(engine, record),
        ..NetworkSettings::default()
    }
}

/// Each network with what was asked of it and, while the container runs, what it gave.
pub(super) fn networks(
    engine: &Engine,
    record: &ContainerRecord,
) -> BTreeMap<String, EndpointSettings> {
    let plan = &record.plan;
    if plan.endpoints.is_empty() && matches!(plan.network, Network::Bridge | Network::Container) {
        return BTreeMap::new();
    }
    if plan.endpoints.is_empty() {
        let name = plan.host_config.network_mode.clone();
        let id = engine.networks.find(&name).map(|network| network.id.to_string());
        let settings =
            EndpointSettings { network_id: id.unwrap_or_default(), ..EndpointSettings::default() };
        return BTreeMap::from([(name, settings)]);
    }
    let endpoint = |asked: &EndpointPlan| {
        let mut settings = asked.settings.clone();
        let mut name = asked.network.clone();
        if let Ok(network) = engine.networks.find(&asked.network) {
            settings.network_id = network.id.to_string();
            name = network.name;
        }
        if let Some(endpoint) = record.endpoints.iter().find(|it| endpoints::is_of(asked, it)) {
            fill(&mut settings, endpoint);
            settings.dns_names = names::of_endpoint(record, endpoint);
        }
        (name, settings)
    };
    plan.endpoints.iter().map(endpoint).collect()
}

fn fill(settings: &mut EndpointSettings, endpoint: &Endpoint) {
    settings.endpoint_id = endpoint.id.to_string();
    if let Some(place) = endpoint.ipv4 {
        settings.gateway = place.gateway.map(|gateway| gateway.to_string()).unwrap_or_default();
        settings.ip_address = place.address.to_string();
        settings.ip_prefix_len = place.subnet.prefix_len().into();
    }
    if let Some(place) = endpoint.ipv6 {
        let gateway = place.gateway.map(|gateway| gateway.to_string());
        settings.ipv6_gateway = gateway.unwrap_or_default();
        settings.global_ipv6_address = place.address.to_string();
        settings.global_ipv6_prefix_len = place.subnet.prefix_len().into();
    }
    settings.mac_address = mac_text(endpoint.mac);
}

/// Whether a container is in the network of this name or id.
pub(super) fn is_in(record: &ContainerRecord, text: &str) -> bool {
    let of_run = record.endpoints.iter().any(|endpoint| {
        endpoint.network_name == text || endpoint.network_id.as_str().starts_with(text)
    });
    of_run
        || record.plan.host_config.network_mode == text
        || record.plan.endpoints.iter().any(|endpoint| endpoint.network == text)
}

/// By port of the container; one that is exposed only maps to nothing.
fn port_map(record: &ContainerRecord) -> PortMap {
    if !record.state.is_running() {
        return PortMap::new();
    }
    let exposed = record.plan.config.exposed_ports.iter();
    let mut map: PortMap = exposed.map(|port| (port.clone(), None)).collect();
    for port in record.endpoints.iter().flat_map(|endpoint| &endpoint.ports) {
        let key = format!("{}/{}", port.port, port.protocol.name());
        map.entry(key).or_default().get_or_insert_default().push(PortBinding {
            host_ip: port.host_address.to_string(),
            host_port: port.host_port.to_string(),
        });
    }
    map
}

/// A row for each port.
pub(super) fn ports(record: &ContainerRecord) -> Vec<Port> {
    let mut ports = Vec::new();
    for (key, bindings) in port_map(record) {
        let (port, protocol) = key.split_once('/').unwrap_or((&key, "tcp"));
        let row = |ip: &str, public_port| Port {
            ip: ip.to_owned(),
            private_port: port.parse().unwrap_or(0),
            public_port,
            r#type: protocol.to_owned(),
        };
        match bindings {
            None => ports.push(row("", 0)),
            Some(bindings) => ports.extend(
                bindings.iter().map(|it| row(&it.host_ip, it.host_port.parse().unwrap_or(0))),
            ),
        }
    }
    ports
}

fn sandbox(state: &State) -> String {
    match state {
        State::Running { pid, .. } => format!("/proc/{pid}/ns/net"),
        _ => String::new(),
    }
}
