//! `port`: where a container's ports are published.

use gantry_api::network::PortMap;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// List port mappings or a specific mapping for the container
#[derive(Debug, clap::Args)]
pub(crate) struct Port {
    #[arg(required = true, hide = true)]
    container: String,
    #[arg(hide = true, value_name = "PRIVATE_PORT[/PROTO]")]
    port: Option<String>,
}

impl Verb for Port {
    const USAGE: &'static str = "CONTAINER [PRIVATE_PORT[/PROTO]]";
    const TAKES: Takes = Takes::Between(1, 2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let inspected = session.connect().await?.container_inspect(&self.container).await?;
        output::print(&render(
            &self.container,
            &inspected.network_settings.ports,
            self.port.as_deref(),
        )?)?;
        Ok(0)
    }
}

/// All of them by their numbers with the port before each, or the places of one.
fn render(container: &str, ports: &PortMap, wanted: Option<&str>) -> Result<String, Error> {
    let mut text = String::new();
    let key = wanted.map(key).transpose()?;
    let mut ports: Vec<_> = ports.iter().collect();
    ports.sort_by_key(|(port, _)| {
        let (number, protocol) = port.split_once('/').unwrap_or((port, ""));
        (number.parse::<u16>().unwrap_or(u16::MAX), protocol)
    });
    for (port, bindings) in ports {
        if key.as_ref().is_some_and(|wanted| wanted != port) {
            continue;
        }
        for binding in bindings.iter().flatten() {
            let place = place(&binding.host_ip, &binding.host_port);
            let line = if wanted.is_some() { place } else { format!("{port} -> {place}") };
            text += &line;
            text.push('\n');
        }
    }
    match wanted {
        Some(port) if text.is_empty() => {
            Err(Error::refused(format!("Error: No public port '{port}' published for {container}")))
        }
        _ => Ok(text),
    }
}

/// A port as the daemon names it.
fn key(text: &str) -> Result<String, Error> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let number: u16 = port.parse().map_err(|_| {
        Error::refused(format!("invalid port {port:?}: give a number, or NUMBER/PROTOCOL"))
    })?;
    Ok(format!("{number}/{}", protocol.to_ascii_lowercase()))
}

/// An address and a port; IPv6 is in brackets.
pub(super) fn place(address: &str, port: &str) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

#[cfg(test)]
mod tests {
    use gantry_api::network::PortBinding;

    use super::*;

    #[test]
    fn ports_are_shown() {
        let place = |port: &str| PortBinding { host_ip: "0.0.0.0".into(), host_port: port.into() };
        let ports = PortMap::from([
            ("80/tcp".into(), Some(vec![place("8080"), place("8081")])),
            ("53/udp".into(), Some(vec![place("5353")])),
            ("54/udp".into(), Some(vec![PortBinding { host_ip: "::1".into(), ..place("54") }])),
            ("443/tcp".into(), Some(vec![place("443")])),
            ("9/tcp".into(), None),
        ]);
        let all = "53/udp -> 0.0.0.0:5353\n54/udp -> [::1]:54\n80/tcp -> 0.0.0.0:8080\n80/tcp -> 0.0.0.0:8081\n443/tcp -> 0.0.0.0:443\n";
        assert_eq!(render("web", &ports, None).unwrap(), all);
        assert_eq!(render("web", &ports, Some("53/UDP")).unwrap(), "0.0.0.0:5353\n");
        let error = render("web", &ports, Some("9")).unwrap_err().report();
        assert!(error.contains("No public port '9' published for web"), "{error}");
        let error = render("web", &ports, Some("http")).unwrap_err().report();
        assert!(error.contains("invalid port \"http\""), "{error}");
    }
}
