//! Links (`--link`): in the default network lines in `/etc/hosts` and variables about the other container; in others a name that only
//! this container knows.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use gantry_api::container::CreateRequest;
use gantry_network::{DEFAULT_NETWORK, Endpoint};

use super::etc_files;
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::plan::{self, joined};
use crate::record::ContainerRecord;

/// Variables that are about the program, not about what it serves.
const PRIVATE: [&str; 2] = ["HOME", "PATH"];

/// A link of the default network.
pub(super) struct Link {
    alias: String,
    target: Arc<ContainerRecord>,
}

/// Checks the links of a request and names their targets by id, which stays when one is renamed. In networks of the user's they are
/// the endpoint's business, as in Docker.
pub(super) fn complete(engine: &Engine, mut request: CreateRequest) -> Result<CreateRequest> {
    let host = &mut request.host_config;
    if host.links.is_empty() {
        return Ok(request);
    }
    let mode = host.network_mode.clone();
    if mode == "host" || joined(&mode).is_some() {
        return Err(Error::invalid(
            "conflicting options: the network mode leaves no room for links",
        ));
    }
    let mut links = Vec::with_capacity(host.links.len());
    for text in std::mem::take(&mut host.links) {
        let (target, alias) = parse(&text)?;
        // Not by its kind: clients would think that the image is missing.
        let found = engine.snapshot(target).map_err(|error| {
            Error::invalid(format!("could not get container for {target}: {error}"))
        })?;
        if found.record.plan.network == plan::Network::Host {
            return Err(Error::invalid(format!(
                "conflicting options: {target} uses the host's network and cannot be linked to"
            )));
        }
        links.push((found.record.id.to_string(), alias.to_owned(), text));
    }
    let default = ["", "default", DEFAULT_NETWORK].contains(&mode.as_str());
    if default {
        host.links = links.into_iter().map(|(id, alias, _)| format!("{id}:{alias}")).collect();
        // The docker command line gives them twice.
        for settings in request.networking_config.endpoints_config.values_mut().flatten() {
            settings.links.clear();
        }
    } else {
        let endpoints = &mut request.networking_config.endpoints_config;
        let settings = endpoints.entry(mode).or_default().get_or_insert_default();
        if settings.links.is_empty() {
            settings.links = links.into_iter().map(|(.., text)| text).collect();
        }
    }
    Ok(request)
}

/// `name:alias`; the alias is the name without one. `inspect` shows them as `/name:/container/alias`, and clients send that back.
fn parse(text: &str) -> Result<(&str, &str)> {
    let invalid = || Error::invalid(format!("bad format for links: {text}"));
    let (target, alias) = text.split_once(':').unwrap_or((text, text));
    let (target, alias) = (target.trim_start_matches('/'), alias.rsplit('/').next().unwrap_or(""));
    let is_name = |name: &str| !name.is_empty() && !name.contains([':', ' ', '\t', '\n']);
    if is_name(target) && is_name(alias) { Ok((target, alias)) } else { Err(invalid()) }
}

/// A link of a user's network: the alias, and what the other one is called there. First by its id, which stays when it is renamed; then
/// as it was asked for: one that is not there yet, or is made anew, may come.
pub(super) fn within_a_network(engine: &Engine, link: &str) -> Vec<(String, String)> {
    let Ok((target, alias)) = parse(link) else { return Vec::new() };
    let found = engine.snapshot(target).ok().map(|found| found.record.id.short().to_owned());
    let names = found.into_iter().chain([target.to_owned()]);
    names.map(|name| (alias.to_owned(), name)).collect()
}

/// What the processes of a container are told of its links in the default network, all of whose targets must run.
pub(super) fn environment(engine: &Engine, record: &ContainerRecord) -> Result<Vec<String>> {
    let mut variables = Vec::new();
    for link in all(engine, record) {
        if !link.target.state.is_running() {
            return Err(Error::LinksToStopped {
                target: format!("/{}", link.target.name),
                alias: format!("/{}/{}", record.name, link.alias),
            });
        }
        variables.extend(link.environment(record.name.as_str()));
    }
    Ok(variables)
}

/// Those whose targets run.
pub(super) fn current(engine: &Engine, record: &ContainerRecord) -> Vec<Link> {
    all(engine, record).filter(|link| link.target.state.is_running()).collect()
}

/// One whose target was removed is a link no more.
fn all<'a>(engine: &'a Engine, record: &'a ContainerRecord) -> impl Iterator<Item = Link> + 'a {
    record.plan.host_config.links.iter().filter_map(|text| {
        let (id, alias) = parse(text).ok()?;
        let target = engine.snapshot(id).ok()?.record;
        Some(Link { alias: alias.to_owned(), target })
    })
}

/// As `inspect` shows them.
pub(super) fn shown(engine: &Engine, record: &ContainerRecord) -> Vec<String> {
    let shown = |link: Link| format!("/{}:/{}/{}", link.target.name, record.name, link.alias);
    all(engine, record).map(shown).collect()
}

/// A container has new addresses: those who are linked to it get them.
pub(super) fn tell_others(engine: &Engine, record: &ContainerRecord) {
    for other in engine.containers.snapshots() {
        let links = &other.record.plan.host_config.links;
        let is_linked = links.iter().any(|link| link.starts_with(record.id.as_str()));
        if is_linked && other.record.state.is_running() {
            tell(engine, &other.record);
        }
    }
}

/// Gives a container the addresses that there are now.
pub(super) fn tell(engine: &Engine, record: &ContainerRecord) {
    if let Err(error) = etc_files::refresh_seen(engine, record.id.as_str()) {
        let error = gantry_types::error_chain(&error);
        tracing::warn!(error, id = %record.id, "a linked container has old addresses");
    }
}

impl Link {
    /// Lines of `/etc/hosts`: address and names.
    pub(super) fn hosts(&self) -> impl Iterator<Item = (IpAddr, String)> {
        let mut names = vec![self.alias.as_str()];
        for name in [&self.target.plan.config.hostname, self.target.name.as_str()] {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let names = names.join(" ");
        let endpoint = self.endpoint().into_iter();
        let addresses = endpoint.flat_map(|it| it.addresses().collect::<Vec<_>>());
        addresses.map(move |(address, _)| (address, names.clone()))
    }

    fn endpoint(&self) -> Option<&Endpoint> {
        self.target.endpoints.iter().find(|endpoint| endpoint.network_name == DEFAULT_NETWORK)
    }

    /// Variables about the ports and the environment of the target.
    fn environment(&self, name: &str) -> Vec<String> {
        let prefix = self.alias.to_ascii_uppercase().replace(['-', '.'], "_");
        let mut all = vec![format!("{prefix}_NAME=/{name}/{}", self.alias)];
        let config = &self.target.plan.config;
        let Some(address) = self.endpoint().and_then(Endpoint::address4) else { return all };
        let ports = config.exposed_ports.iter().filter_map(|port| plan::parse_port(port).ok());
        let ports: BTreeSet<_> = ports.map(|(port, protocol)| (port, protocol.name())).collect();
        let url = |port: u16, protocol: &str| format!("{protocol}://{address}:{port}");
        if let Some((port, protocol)) = ports.first() {
            all.push(format!("{prefix}_PORT={}", url(*port, protocol)));
        }
        for (port, protocol) in ports {
            let upper = protocol.to_ascii_uppercase();
            let of_port = format!("{prefix}_PORT_{port}_{upper}");
            all.push(format!("{of_port}={}", url(port, protocol)));
            all.push(format!("{of_port}_ADDR={address}"));
            all.push(format!("{of_port}_PORT={port}"));
            all.push(format!("{of_port}_PROTO={protocol}"));
        }
        for variable in &config.env {
            if let Some((key, value)) = variable.split_once('=')
                && !PRIVATE.contains(&key)
            {
                all.push(format!("{prefix}_ENV_{key}={value}"));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_have_two_names() {
        for (text, wanted) in [
            ("db", Some(("db", "db"))),
            ("db:data", Some(("db", "data"))),
            ("/db:/web/data", Some(("db", "data"))),
            ("", None),
            (":data", None),
            ("db:", None),
            ("db:a:b", None),
            ("db:a b", None),
        ] {
            assert_eq!(parse(text).ok(), wanted, "{text}");
        }
    }
}
