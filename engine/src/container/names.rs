//! What a container is called in its networks, and the name server that it has there. Follows every change of its networks and its name.

use std::os::fd::AsFd;

use gantry_dns::{Place, ServicePort, Upstreams, View};
use gantry_network::{DEFAULT_NETWORK, Endpoint};

use super::{endpoints, etc_files, links};
use crate::Result;
use crate::engine::Engine;
use crate::plan;
use crate::record::ContainerRecord;

/// Brings names and files to what the record says of the container's networks. Without a process, it has none any more.
pub(super) fn follow(engine: &Engine, record: &ContainerRecord, pid: Option<u32>) -> Result<()> {
    serve(engine, record, pid)?;
    if pid.is_some() {
        etc_files::refresh(engine, record)?;
    }
    Ok(())
}

/// Called when everybody sees a running container's record with its networks: those who are linked to it get its addresses, and it has
/// those of whom it is linked to, whatever they wrote before they saw it.
pub(super) fn tell_linked(engine: &Engine, record: &ContainerRecord) {
    if !record.plan.host_config.links.is_empty() {
        links::tell(engine, record);
    }
    links::tell_others(engine, record);
}

/// The names alone: after a start of the daemon the files are as they were.
pub(super) fn serve(engine: &Engine, record: &ContainerRecord, pid: Option<u32>) -> Result<()> {
    let id = record.id.as_str();
    let Some(pid) = pid else {
        engine.dns.stop(id);
        return Ok(());
    };
    let places = endpoints_with_names(record).map(|endpoint| place(record, endpoint));
    engine.dns.set_places(id, places.collect());
    if has_server(record) {
        let namespace = endpoints::namespace_of(pid, true)?;
        engine.dns.serve(id, namespace.as_fd(), view(engine, record))?;
    } else {
        engine.dns.close(id);
    }
    Ok(())
}

/// Whether a container's questions go to a server of ours: the default network has no names, as in Docker.
pub(super) fn has_server(record: &ContainerRecord) -> bool {
    if record.endpoints.is_empty() {
        return record.plan.endpoints.iter().any(|asked| asked.network != DEFAULT_NETWORK);
    }
    endpoints_with_names(record).next().is_some()
}

fn endpoints_with_names(record: &ContainerRecord) -> impl Iterator<Item = &Endpoint> + Clone {
    record.endpoints.iter().filter(|endpoint| endpoint.network_name != DEFAULT_NETWORK)
}

/// All names in the network of an endpoint, the container's own first.
pub(super) fn of_endpoint(record: &ContainerRecord, endpoint: &Endpoint) -> Vec<String> {
    if endpoint.network_name == DEFAULT_NETWORK {
        return Vec::new();
    }
    let aliases = endpoints::asked_of(record, endpoint).map(|asked| asked.settings.aliases.clone());
    let config = &record.plan.config;
    let mut names = vec![record.name.to_string()];
    names.extend(aliases.unwrap_or_default());
    names.push(record.id.short().to_owned());
    names.push(config.hostname.clone());
    if !config.domainname.is_empty() {
        names.push(format!("{}.{}", config.hostname, config.domainname));
    }
    let mut seen = Vec::new();
    names.retain(|name| {
        let is_new = !name.is_empty() && !seen.contains(name);
        seen.push(name.clone());
        is_new
    });
    names
}

fn place(record: &ContainerRecord, endpoint: &Endpoint) -> Place {
    let ports = record.plan.config.exposed_ports.iter().filter_map(|port| {
        let (number, protocol) = plan::parse_port(port).ok()?;
        Some(ServicePort { number, protocol: protocol.name() })
    });
    Place {
        network: endpoint.network_id.to_string(),
        network_name: endpoint.network_name.clone(),
        names: of_endpoint(record, endpoint),
        addresses: endpoint.addresses().map(|(address, _)| address).collect(),
        ports: ports.collect(),
    }
}

fn view(engine: &Engine, record: &ContainerRecord) -> View {
    let named = endpoints_with_names(record);
    let links = named.clone().filter_map(|endpoint| endpoints::asked_of(record, endpoint));
    let links = links.flat_map(|asked| &asked.settings.links);
    View {
        networks: named.map(|endpoint| endpoint.network_id.to_string()).collect(),
        links: links.flat_map(|link| links::within_a_network(engine, link)).collect(),
        upstreams: upstreams(engine, record),
    }
}

/// Whoever is only in internal networks has no way to anybody outside; nor do his questions.
fn upstreams(engine: &Engine, record: &ContainerRecord) -> Upstreams {
    if endpoints::ways_out(&record.endpoints) == [None, None] {
        return Upstreams::None;
    }
    let asked = &record.plan.host_config.dns;
    let asked: Vec<_> = asked.iter().filter_map(|server| server.parse().ok()).collect();
    match (asked.is_empty(), engine.settings.names.servers.is_empty()) {
        (false, _) => Upstreams::These(asked),
        (true, false) => Upstreams::These(engine.settings.names.servers.clone()),
        (true, true) => Upstreams::Host,
    }
}
