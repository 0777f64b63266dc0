//! A container's places in networks and the ports that it publishes: from the words of the request. Whether a network is there, and
//! which address and port it will be, shows when the container starts.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use gantry_api::container::{Config, HostConfig};
use gantry_api::network::{EndpointSettings, NetworkingConfig, PortBinding};
use gantry_network::{DEFAULT_NETWORK, PortProtocol, PortWish};
use serde::{Deserialize, Serialize};

use super::Network;
use crate::error::Error;

/// What is asked of one network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EndpointPlan {
    /// A name or an id.
    pub network: String,
    pub address: Option<Ipv4Addr>,
    pub mac: Option<[u8; 6]>,
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
        Network::None | Network::Host => {
            if network == Network::None {
                "none".clone_into(&mut host.network_mode);
            }
            if first.ipam_config.is_some() || !first.aliases.is_empty() || !asked.is_empty() {
                return Err(Error::invalid(format!(
                    "conflicting options: the network {mode} has no addresses, aliases or other networks beside it"
                )));
            }
            return Ok(Vec::new());
        }
    }
    let mut endpoints = vec![endpoint(mode, first)?];
    for (network, settings) in asked {
        endpoints.push(endpoint(network, settings.unwrap_or_default())?);
    }
    endpoints.sort_by_key(|endpoint| std::cmp::Reverse(endpoint.settings.gw_priority));
    Ok(endpoints)
}

fn endpoint(network: String, settings: EndpointSettings) -> Result<EndpointPlan, Error> {
    let not_yet = [
        (!settings.links.is_empty(), "--link"),
        (!settings.driver_opts.is_empty(), "options of a network endpoint (driver-opt)"),
    ];
    if let Some((_, what)) = not_yet.into_iter().find(|(asked, _)| *asked) {
        return Err(Error::not_there_yet(what));
    }
    let ipam = settings.ipam_config.clone().unwrap_or_default();
    if !ipam.ipv6_address.is_empty() || !ipam.link_local_ips.is_empty() {
        return Err(Error::not_there_yet("an IPv6 or link-local address (--ip6, --link-local-ip)"));
    }
    if is_default(&network) && !ipam.ipv4_address.is_empty() {
        return Err(Error::invalid(
            "user specified IP address is supported on user defined networks only",
        ));
    }
    if is_default(&network) && !settings.aliases.is_empty() {
        return Err(Error::invalid(
            "network-scoped aliases are only supported for user-defined networks",
        ));
    }
    let address = match ipam.ipv4_address.as_str() {
        "" => None,
        text => Some(
            text.parse().map_err(|_| Error::invalid(format!("invalid IPv4 address: {text}")))?,
        ),
    };
    let mac = match settings.mac_address.as_str() {
        "" => None,
        text => Some(mac(text)?),
    };
    Ok(EndpointPlan { network, address, mac, settings })
}

fn is_default(network: &str) -> bool {
    network == DEFAULT_NETWORK
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
    let own = endpoints.iter().find(|endpoint| !is_default(&endpoint.network));
    own.map(|endpoint| {
        format!(
            "Names of containers are not resolved yet: in the network {} use addresses.",
            endpoint.network
        )
    })
    .into_iter()
    .collect()
}

/// The ports that are to be published.
pub(crate) fn ports(config: &Config, host: &HostConfig) -> Result<Vec<PortWish>, Error> {
    let mut wishes = Vec::new();
    for (container, bindings) in &host.port_bindings {
        let (port, protocol) = parse_port(container)?;
        for binding in bindings.iter().flatten() {
            wishes.push(wish(port, protocol, binding)?);
        }
    }
    if host.publish_all_ports {
        let bound = |port: &String| {
            host.port_bindings
                .get(port)
                .is_some_and(|it| it.as_ref().is_some_and(|it| !it.is_empty()))
        };
        for exposed in config.exposed_ports.iter().filter(|port| !bound(port)) {
            let (port, protocol) = parse_port(exposed)?;
            wishes.push(wish(port, protocol, &PortBinding::default())?);
        }
    }
    Ok(wishes)
}

fn wish(port: u16, protocol: PortProtocol, binding: &PortBinding) -> Result<PortWish, Error> {
    let host_address = match binding.host_ip.trim_matches(['[', ']']) {
        "" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        text => text
            .parse()
            .map_err(|_| Error::invalid(format!("invalid IP address for a port: {text}")))?,
    };
    if host_address.is_ipv6() {
        return Err(Error::not_there_yet("publishing on an IPv6 address"));
    }
    Ok(PortWish { protocol, port, host_address, host_ports: range(&binding.host_port)? })
}

/// `port/protocol`; TCP without one.
pub(crate) fn parse_port(text: &str) -> Result<(u16, PortProtocol), Error> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "tcp" => PortProtocol::Tcp,
        "udp" => PortProtocol::Udp,
        "sctp" => PortProtocol::Sctp,
        other => return Err(Error::invalid(format!("invalid proto: {other}"))),
    };
    let port = port.parse().ok().filter(|port| *port > 0);
    let port =
        port.ok_or_else(|| Error::invalid(format!("invalid port specification: {text:?}")))?;
    Ok((port, protocol))
}

/// Nothing and zero let the kernel choose.
fn range(text: &str) -> Result<Option<RangeInclusive<u16>>, Error> {
    let invalid = || Error::invalid(format!("invalid host port: {text:?}"));
    if text.is_empty() || text == "0" {
        return Ok(None);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (u16, u16) =
        (first.parse().map_err(|_| invalid())?, last.parse().map_err(|_| invalid())?);
    if first == 0 || last < first { Err(invalid()) } else { Ok(Some(first..=last)) }
}

#[cfg(test)]
mod tests;
