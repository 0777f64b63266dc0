//! `network create`: from a request to a bridge.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::str::FromStr;

use gantry_api::network::{NetworkCreateRequest, NetworkCreated};
use gantry_network::CreateOptions;

use super::new_id;
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;

/// Makes a network.
pub async fn create(engine: &Engine, request: NetworkCreateRequest) -> Result<NetworkCreated> {
    let options = options(request)?;
    let id = new_id()?;
    let engine = engine.clone();
    block(move || {
        let network = engine.networks.create(id, options, gantry_sys::clock::now())?;
        Ok(NetworkCreated { id: network.id.to_string(), warning: String::new() })
    })
    .await
}

fn options(request: NetworkCreateRequest) -> Result<CreateOptions> {
    match request.driver.as_str() {
        "" | "bridge" | "default" => {}
        driver @ ("host" | "null") => {
            return Err(Error::invalid(format!(
                "only one instance of \"{driver}\" network is allowed"
            )));
        }
        driver => return Err(Error::not_there_yet(format!("the network driver {driver:?}"))),
    }
    let not_yet = [
        (request.enable_ipv6, "IPv6 in networks (--ipv6)"),
        (request.enable_ipv4 == Some(false), "a network without IPv4"),
        (request.ingress, "a swarm's routing mesh (--ingress)"),
        (request.config_only, "a network that is a configuration only (--config-only)"),
        (
            !request.config_from.network.is_empty(),
            "another network's configuration (--config-from)",
        ),
        (request.scope == "swarm", "networks of swarms (--scope swarm)"),
        (!matches!(request.ipam.driver.as_str(), "" | "default"), "another IPAM driver"),
        (!request.ipam.options.is_empty(), "options of the IPAM driver"),
        (request.ipam.config.len() > 1, "several subnets in one network"),
    ];
    if let Some((_, what)) = not_yet.into_iter().find(|(asked, _)| *asked) {
        return Err(Error::not_there_yet(what));
    }
    check_driver_options(&request.options)?;
    let asked = request.ipam.config.into_iter().next().unwrap_or_default();
    let subnet = parse("subnet", &asked.subnet)?;
    let range = parse("IP range", &asked.ip_range)?;
    if subnet.is_none() && (range.is_some() || !asked.gateway.is_empty()) {
        return Err(Error::invalid("a gateway or an IP range needs a subnet: give --subnet, too"));
    }
    let auxiliary = asked.auxiliary_addresses.into_iter().map(|(name, text)| {
        let address: Option<Ipv4Addr> = parse("auxiliary address", &text)?;
        let address = address
            .ok_or_else(|| Error::invalid(format!("the auxiliary address {name} is empty")))?;
        Ok((name, address))
    });
    Ok(CreateOptions {
        name: request.name,
        subnet,
        range,
        gateway: parse("gateway", &asked.gateway)?,
        auxiliary: auxiliary.collect::<Result<_>>()?,
        internal: request.internal,
        attachable: request.attachable,
        options: request.options,
        labels: request.labels,
    })
}

/// Refuses what changes a network in Docker and would change nothing here. What is the default there is no wish.
fn check_driver_options(options: &BTreeMap<String, String>) -> Result<()> {
    const PREFIX: &str = "com.docker.network.";
    for (key, value) in options {
        let Some(name) = key.strip_prefix(PREFIX) else { continue };
        let is_done = match name {
            "bridge.name" | "driver.mtu" => true,
            // As Go reads a flag.
            "bridge.enable_icc" | "bridge.enable_ip_masquerade" => {
                matches!(value.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True")
            }
            "bridge.gateway_mode_ipv4" => matches!(value.as_str(), "" | "nat"),
            "bridge.host_binding_ipv4" => matches!(value.as_str(), "" | "0.0.0.0"),
            "container_iface_prefix" => matches!(value.as_str(), "" | "eth"),
            _ => false,
        };
        if !is_done {
            return Err(Error::not_there_yet(format!("the network option {key}={value}")));
        }
    }
    Ok(())
}

/// An IPv4 address or subnet; nothing when it is empty.
fn parse<T: FromStr>(what: &str, text: &str) -> Result<Option<T>> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.contains(':') {
        return Err(Error::not_there_yet(format!("an IPv6 {what} ({text})")));
    }
    text.parse().map(Some).map_err(|_| Error::invalid(format!("invalid {what}: {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, value: &str) -> Result<()> {
        check_driver_options(&[(key.to_owned(), value.to_owned())].into())
    }

    #[test]
    fn options_that_would_change_nothing_are_refused() {
        for (key, value) in [
            ("com.docker.network.bridge.name", "lan0"),
            ("com.docker.network.driver.mtu", "1400"),
            ("com.docker.network.bridge.enable_icc", "true"),
            ("com.docker.network.bridge.gateway_mode_ipv4", "nat"),
            ("com.example.anything", "1"),
        ] {
            check(key, value).unwrap();
        }
        for (key, value) in [
            ("com.docker.network.bridge.enable_icc", "false"),
            ("com.docker.network.bridge.enable_ip_masquerade", "0"),
            ("com.docker.network.bridge.gateway_mode_ipv4", "isolated"),
            ("com.docker.network.bridge.host_binding_ipv4", "127.0.0.1"),
            ("com.docker.network.container_iface_prefix", "lan"),
            ("com.docker.network.bridge.inhibit_ipv4", "true"),
        ] {
            let error = check(key, value).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
    }
}
