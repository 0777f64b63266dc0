//! Ports: what `-p` and `--expose` take, with their ranges.

use std::net::IpAddr;

use gantry_api::network::PortBinding;

/// Ports that are exposed, each `port/protocol`, from `5`, `5/udp` or `5-7/tcp`.
pub(super) fn exposed(text: &str) -> Result<Vec<String>, String> {
    let (ports, protocol) = protocol(text)?;
    let (first, last) =
        range(ports).ok_or_else(|| format!("invalid range format for --expose: {text}"))?;
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

/// Ports that are published: `[[address:][host port]:]container port[/protocol]`, or
/// `target=<container port>[,published=<host port>][,protocol=<protocol>]`.
pub(super) fn published(text: &str) -> Result<Vec<(String, PortBinding)>, String> {
    if text.contains('=') { published_short(&short(text)?) } else { published_short(text) }
}

fn published_short(text: &str) -> Result<Vec<(String, PortBinding)>, String> {
    let (rest, protocol) = protocol(text)?;
    let (rest, container) = rest.rsplit_once(':').unwrap_or(("", rest));
    let (address, host) = address(rest)?;
    let (first, last) =
        range(container).ok_or_else(|| format!("invalid containerPort: {container}"))?;
    if container.is_empty() {
        return Err(format!("no port specified: {text}<empty>"));
    }
    let binding = |host_port| PortBinding { host_ip: address.clone(), host_port };
    // Any free one; a zero stays to be shown.
    if host.is_empty() || host == "0" {
        let one = |port: u16| (format!("{port}/{protocol}"), binding(host.to_owned()));
        return Ok((first..=last).map(one).collect());
    }
    let (host_first, host_last) = range(host).ok_or_else(|| format!("invalid hostPort: {host}"))?;
    if first == last && host_first != host_last {
        // One port, to be published at any of several.
        return Ok(vec![(
            format!("{first}/{protocol}"),
            binding(format!("{host_first}-{host_last}")),
        )]);
    }
    if last - first != host_last - host_first {
        return Err(format!(
            "invalid ranges specified for container and host Ports: {container} and {host}"
        ));
    }
    let one = |port: u16| {
        (format!("{port}/{protocol}"), binding((host_first + (port - first)).to_string()))
    };
    Ok((first..=last).map(one).collect())
}

/// The short form of the long one.
fn short(text: &str) -> Result<String, String> {
    let (mut target, mut host, mut protocol) = (None, String::new(), String::new());
    for field in text.split(',') {
        let (key, value) =
            field.split_once('=').ok_or_else(|| format!("invalid field: {field}"))?;
        match key.trim().to_ascii_lowercase().as_str() {
            "target" => target = Some(value),
            "published" => host = format!("{value}:"),
            "protocol" => protocol = format!("/{value}"),
            // Outside of a swarm every port is the host's.
            "mode" if ["host", "ingress"].contains(&value) => {}
            "mode" => {
                return Err(format!("invalid publish mode {value}: it takes host or ingress"));
            }
            other => return Err(format!("invalid field key {other}")),
        }
    }
    let target = target.ok_or_else(|| format!("missing mandatory field target: {text}"))?;
    Ok(format!("{host}{target}{protocol}"))
}

fn protocol(text: &str) -> Result<(&str, String), String> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    match protocol.as_str() {
        "tcp" | "udp" | "sctp" => Ok((ports, protocol)),
        _ => Err(format!("invalid proto: {protocol}")),
    }
}

/// `address:port`, where the address may be absent, or IPv6 in brackets.
fn address(text: &str) -> Result<(String, &str), String> {
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => (address, port.strip_prefix(':').unwrap_or(port)),
            None => return Err(format!("invalid IP address: {text}")),
        },
        None => text.rsplit_once(':').unwrap_or(("", text)),
    };
    if !address.is_empty() && address.parse::<IpAddr>().is_err() {
        return Err(format!("invalid IP address: {address}"));
    }
    Ok((address.to_owned(), port))
}

/// `first-last` or one port; port 0 does not exist.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| text.parse().ok().filter(|port: &u16| *port > 0);
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishes() {
        let check = |text: &str, expected: &[(&str, &str, &str)]| {
            let found = published(text).unwrap();
            let found: Vec<_> = found
                .iter()
                .map(|(port, at)| (port.as_str(), at.host_ip.as_str(), at.host_port.as_str()))
                .collect();
            assert_eq!(found, expected, "{text}");
        };
        check("80", &[("80/tcp", "", "")]);
        check("80:8080", &[("8080/tcp", "", "80")]);
        check("127.0.0.1:53:53/udp", &[("53/udp", "127.0.0.1", "53")]);
        check("127.0.0.1::53", &[("53/tcp", "127.0.0.1", "")]);
        check("[::1]:1:2", &[("2/tcp", "::1", "1")]);
        check("90-91:80-81", &[("80/tcp", "", "90"), ("81/tcp", "", "91")]);
        check("90-92:80", &[("80/tcp", "", "90-92")]);
        check("127.0.0.1:0:80", &[("80/tcp", "127.0.0.1", "0")]);
        check("published=81,target=80", &[("80/tcp", "", "81")]);
        check("target=53,protocol=udp,mode=host", &[("53/udp", "", "")]);
    }

    #[test]
    fn refuses() {
        for (text, reason) in [
            ("x:y", "invalid containerPort: y"),
            ("x:1", "invalid hostPort: x"),
            ("1:0", "invalid containerPort: 0"),
            ("999999", "invalid containerPort: 999999"),
            ("nowhere:1:2", "invalid IP address: nowhere"),
            ("1-3:1-2", "invalid ranges specified for container and host Ports: 1-2 and 1-3"),
            ("80/icmp", "invalid proto: icmp"),
            ("published=80", "missing mandatory field target: published=80"),
            ("target=80,shape=round", "invalid field key shape"),
            ("target=80,published=1=2", "invalid hostPort: 1=2"),
        ] {
            assert_eq!(published(text).unwrap_err(), reason, "{text}");
        }
        assert_eq!(exposed("5-6/udp").unwrap(), ["5/udp", "6/udp"]);
        assert!(exposed("x").is_err() && exposed("6-5").is_err());
    }
}
