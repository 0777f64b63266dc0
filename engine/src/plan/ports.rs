//! The ports that a container publishes, from the words of the request. Which ones they will be shows when it starts.

use std::ops::RangeInclusive;

use gantry_api::container::{Config, HostConfig};
use gantry_api::network::PortBinding;
use gantry_network::{PortProtocol, PortWish};

use crate::error::Error;

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
        "" => None,
        text => Some(
            text.parse()
                .map_err(|_| Error::invalid(format!("invalid IP address for a port: {text}")))?,
        ),
    };
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
