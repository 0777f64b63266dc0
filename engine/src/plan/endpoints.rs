//! A container's places in networks, from the words of the request. Whether a network is there, and which address it will be, shows when
//! the container starts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gantry_api::container::HostConfig;
use gantry_api::network::{EndpointSettings, NetworkingConfig};
use gantry_network::DEFAULT_NETWORK;
use serde::{Deserialize, Serialize};

use super::Network;
use super::endpoint_options::{self, EndpointOptions};
use crate::error::Error;

/// What is asked of one network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EndpointPlan {
    /// A name or an id.
    pub network: String,
    pub address: Option<Ipv4Addr>,
    #[serde(default)]
    pub address6: Option<Ipv6Addr>,
    /// Further addresses, of the local link.
    #[serde(default)]
    pub link_local: Vec<IpAddr>,
    pub mac: Option<[u8; 6]>,
    #[serde(default)]
    pub options: EndpointOptions,
    /// As it was asked for; `inspect` shows it.
    pub settings: EndpointSettings,
}

/// The networks that a container is to be in: the one of its mode, and those that the request lists besides. The one with the
/// highest priority comes first, because it gives the way out.
pub(super) fn resolve(
    network: Network,
    host: &mut HostConfig,
    networking: NetworkingConfig,
) -> Result<Vec<EndpointPlan>, Error> {
    let mut asked = networking.endpoints_config;
    let mode = match host.network_mode.as_str() {
        "" | "default" => DEFAULT_NETWORK.to_owned(),
        mode => mode.to_owned(),
    };
    // The command line writes the mode as it was given.
    let first = asked.remove(&host.network_mode).or_else(|| asked.remove(&mode)).flatten();
    let first = first.unwrap_or_default();
    host.network_mode.clone_from(&mode);
    match network {
        Network::Bridge => {}
        Network::None | Network::Host | Network::Container => {
            if network == Network::None {
                "none".clone_into(&mut host.network_mode);
            }
            alone(&mode, &first, asked.is_empty())?;
            return Ok(Vec::new());
        }
    }
    let mut endpoints = vec![endpoint(mode, first)?];
    for (network, settings) in asked {
        if let Some(text) = refusal(&network) {
            return Err(Error::invalid(text));
        }
        endpoints.push(endpoint(network, settings.unwrap_or_default())?);
    }
    endpoints.sort_by_key(|endpoint| std::cmp::Reverse(endpoint.settings.gw_priority));
    Ok(endpoints)
}

/// Modes that leave no room for anything else.
fn alone(mode: &str, first: &EndpointSettings, is_only: bool) -> Result<(), Error> {
    if !first.mac_address.is_empty() {
        return Err(Error::invalid("conflicting options: mac-address and the network mode"));
    }
    let is_bare = first.ipam_config.is_none() && first.aliases.is_empty() && is_only;
    if is_bare && first.links.is_empty() && first.driver_opts.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "conflicting options: the network {mode} has no addresses, aliases or other networks beside it"
    )))
}

/// Why a network cannot be one of several.
pub(crate) fn refusal(network: &str) -> Option<&'static str> {
    match network {
        "host" => {
            Some("container cannot be disconnected from host network or connected to host network")
        }
        "none" => Some(
            "container cannot be connected to multiple networks with one of the networks in private (none) mode",
        ),
        name if name.starts_with("container:") => Some(
            "container sharing network namespace with another container or host cannot be connected to any other network",
        ),
        _ => None,
    }
}

/// One place, checked.
pub(crate) fn endpoint(network: String, settings: EndpointSettings) -> Result<EndpointPlan, Error> {
    let ipam = settings.ipam_config.clone().unwrap_or_default();
    let is_default = network == DEFAULT_NETWORK;
    let has_address = !ipam.ipv4_address.is_empty() || !ipam.ipv6_address.is_empty();
    if is_default && has_address {
        return Err(Error::invalid(
            "user specified IP address is supported on user defined networks only",
        ));
    }
    if is_default && !settings.aliases.is_empty() {
        return Err(Error::invalid(
            "network-scoped aliases are only supported for user-defined networks",
        ));
    }
    let mac = match settings.mac_address.as_str() {
        "" => None,
        text => Some(mac(text)?),
    };
    Ok(EndpointPlan {
        network,
        address: parse("IPv4", &ipam.ipv4_address)?,
        address6: parse("IPv6", &ipam.ipv6_address)?,
        link_local: ipam
            .link_local_ips
            .iter()
            .map(|text| link_local(text))
            .collect::<Result<_, _>>()?,
        mac,
        options: endpoint_options::parse(&settings.driver_opts)?,
        settings,
    })
}

fn parse<T: std::str::FromStr>(family: &str, text: &str) -> Result<Option<T>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.parse().map(Some);
    parsed.map_err(|_| Error::invalid(format!("invalid {family} address: {text}")))
}

fn link_local(text: &str) -> Result<IpAddr, Error> {
    let invalid = || Error::invalid(format!("invalid link-local IP address: {text}"));
    let address: IpAddr = text.parse().map_err(|_| invalid())?;
    let is_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    if is_local { Ok(address) } else { Err(invalid()) }
}

fn mac(text: &str) -> Result<[u8; 6], Error> {
    let invalid = || Error::invalid(format!("invalid MAC address: {text}"));
    let octets: Vec<u8> = text
        .split([':', '-'])
        .map(|octet| u8::from_str_radix(octet, 16).map_err(|_| invalid()))
        .collect::<Result<_, _>>()?;
    let mac: [u8; 6] = octets.try_into().map_err(|_| invalid())?;
    // The lowest bit of the first octet is a group's.
    if mac[0] & 1 == 1 || mac == [0; 6] { Err(invalid()) } else { Ok(mac) }
}

/// What is passed over, and what the networks of this version lack.
pub(super) fn warnings(endpoints: &[EndpointPlan], host: &HostConfig) -> Vec<String> {
    let publishes =
        host.publish_all_ports || host.port_bindings.values().flatten().any(|it| !it.is_empty());
    if publishes && endpoints.is_empty() {
        let mode = &host.network_mode;
        return vec![format!("Published ports are discarded when using {mode} network mode")];
    }
    Vec::new()
}

#[cfg(test)]
mod tests;
