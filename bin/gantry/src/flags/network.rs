//! How the container is reached and what it reaches: networks, ports, names.

use std::collections::BTreeMap;

use gantry_api::container::CreateRequest;
use gantry_api::network::{EndpointIpamConfig, EndpointSettings};
use gantry_types::csv;

use super::{port, value};
use crate::error::Error;

#[derive(Debug, clap::Args)]
pub(crate) struct NetworkFlags {
    /// Add a custom host-to-IP mapping (host:ip)
    #[arg(long, value_parser = value::extra_host)]
    add_host: Vec<String>,
    /// Set custom DNS servers
    #[arg(long, value_parser = value::address)]
    dns: Vec<String>,
    /// Set DNS options
    #[arg(long, visible_alias = "dns-opt")]
    dns_option: Vec<String>,
    /// Set custom DNS search domains
    #[arg(long)]
    dns_search: Vec<String>,
    /// Expose a port or a range of ports
    #[arg(long)]
    expose: Vec<String>,
    /// IPv4 address (e.g., 172.30.100.104)
    #[arg(long)]
    ip: Option<String>,
    /// IPv6 address (e.g., 2001:db8::33)
    #[arg(long)]
    ip6: Option<String>,
    /// Add link to another container
    #[arg(long)]
    link: Vec<String>,
    /// Container IPv4/IPv6 link-local addresses
    #[arg(long)]
    link_local_ip: Vec<String>,
    /// Container MAC address (e.g., 92:d0:c6:0a:29:33)
    #[arg(long)]
    mac_address: Option<String>,
    /// Connect a container to a network
    #[arg(long, alias = "net", value_parser = attachment)]
    network: Vec<Attachment>,
    /// Add network-scoped alias for the container
    #[arg(long, alias = "net-alias")]
    network_alias: Vec<String>,
    /// Publish a container's port(s) to the host
    #[arg(short, long)]
    publish: Vec<String>,
    /// Publish all exposed ports to random ports
    #[arg(short = 'P', long)]
    publish_all: bool,
}

/// One network to connect to.
#[derive(Debug, Clone, PartialEq)]
struct Attachment {
    network: String,
    endpoint: EndpointSettings,
}

impl NetworkFlags {
    pub(super) fn apply(&self, request: &mut CreateRequest) -> Result<(), Error> {
        self.apply_ports(request)?;
        let host = &mut request.host_config;
        host.extra_hosts.clone_from(&self.add_host);
        host.dns.clone_from(&self.dns);
        host.dns_options.clone_from(&self.dns_option);
        host.dns_search.clone_from(&self.dns_search);
        host.links.clone_from(&self.link);
        let mut attachments = self.network.clone();
        if attachments.is_empty() {
            attachments.push(Attachment {
                network: "default".to_owned(),
                endpoint: EndpointSettings::default(),
            });
        }
        let first = attachments.first_mut();
        if let Some(first) = first {
            self.complete(&mut first.endpoint)?;
            host.network_mode.clone_from(&first.network);
        }
        let endpoints = &mut request.networking_config.endpoints_config;
        for Attachment { network, endpoint } in attachments {
            if endpoints.contains_key(&network) {
                let text = format!("network \"{network}\" is specified multiple times");
                return Err(Error::refused(text));
            }
            endpoints.insert(network, Some(endpoint));
        }
        Ok(())
    }

    /// The short flags tell of the first network. What its own words tell already they do not tell again.
    fn complete(&self, endpoint: &mut EndpointSettings) -> Result<(), Error> {
        let given = endpoint.ipam_config.take().unwrap_or_default();
        let conflicts = [
            (
                !self.network_alias.is_empty() && !endpoint.aliases.is_empty(),
                "--network-alias and per-network alias",
            ),
            (
                self.ip.is_some() && !given.ipv4_address.is_empty(),
                "--ip and per-network IPv4 address",
            ),
            (
                self.ip6.is_some() && !given.ipv6_address.is_empty(),
                "--ip6 and per-network IPv6 address",
            ),
            (
                self.mac_address.is_some() && !endpoint.mac_address.is_empty(),
                "--mac-address and per-network MAC address",
            ),
            (
                !self.link_local_ip.is_empty() && !given.link_local_ips.is_empty(),
                "--link-local-ip and per-network link-local IP addresses",
            ),
        ];
        if let Some((_, both)) = conflicts.iter().find(|(is_conflict, _)| *is_conflict) {
            let text = format!("conflicting options: cannot specify both {both}");
            return Err(Error::refused(text));
        }
        endpoint.aliases.extend(self.network_alias.iter().cloned());
        endpoint.links.extend(self.link.iter().cloned());
        if let Some(address) = &self.mac_address {
            check_mac(address)?;
            endpoint.mac_address.clone_from(address);
        }
        let mut ipam = given;
        if let Some(address) = &self.ip {
            ipam.ipv4_address.clone_from(address);
        }
        if let Some(address) = &self.ip6 {
            ipam.ipv6_address.clone_from(address);
        }
        ipam.link_local_ips.extend(self.link_local_ip.iter().cloned());
        endpoint.ipam_config = (ipam != EndpointIpamConfig::default()).then_some(ipam);
        Ok(())
    }

    fn apply_ports(&self, request: &mut CreateRequest) -> Result<(), Error> {
        let (config, host) = (&mut request.config, &mut request.host_config);
        host.publish_all_ports = self.publish_all;
        for text in &self.publish {
            for (port, binding) in port::published(text).map_err(Error::Refused)? {
                config.exposed_ports.insert(port.clone());
                host.port_bindings
                    .entry(port)
                    .or_default()
                    .get_or_insert_with(Vec::new)
                    .push(binding);
            }
        }
        for text in &self.expose {
            config.exposed_ports.extend(port::exposed(text).map_err(Error::Refused)?);
        }
        Ok(())
    }
}

/// A network's name, or `name=…,alias=…,ip=…,ip6=…,mac-address=…,driver-opt=k=v,link-local-ip=…,gw-priority=…`.
fn attachment(text: &str) -> Result<Attachment, String> {
    let mut endpoint = EndpointSettings::default();
    if !text.contains('=') {
        return Ok(Attachment { network: text.to_owned(), endpoint });
    }
    let mut network = String::new();
    let mut ipam = EndpointIpamConfig::default();
    let mut options = BTreeMap::new();
    for field in csv::fields(text)? {
        let (key, value) = field.split_once('=').ok_or_else(|| format!("invalid field {field}"))?;
        let value = value.trim().to_owned();
        match key.trim().to_ascii_lowercase().as_str() {
            "name" => network = value,
            "alias" => endpoint.aliases.push(value),
            "ip" => ipam.ipv4_address = value,
            "ip6" => ipam.ipv6_address = value,
            "link-local-ip" => ipam.link_local_ips.push(value),
            "mac-address" => endpoint.mac_address = value,
            "driver-opt" => {
                let (name, text) = value::pair(&value)?;
                options.insert(name, text);
            }
            "gw-priority" => {
                let invalid = |_| format!("invalid gw-priority ({value}): it takes a whole number");
                endpoint.gw_priority = value.parse().map_err(invalid)?;
            }
            other => return Err(format!("invalid field key {other}")),
        }
    }
    if network.is_empty() {
        return Err("network name is not specified: it takes name=<network>".to_owned());
    }
    endpoint.driver_opts = options;
    endpoint.ipam_config = (ipam != EndpointIpamConfig::default()).then_some(ipam);
    Ok(Attachment { network, endpoint })
}

fn check_mac(address: &str) -> Result<(), Error> {
    let octets: Vec<_> = address.split([':', '-']).collect();
    let is_octet = |text: &&str| text.len() == 2 && u8::from_str_radix(text, 16).is_ok();
    if octets.len() == 6 && octets.iter().all(is_octet) {
        return Ok(());
    }
    Err(Error::refused(format!("{address} is not a valid mac address")))
}
