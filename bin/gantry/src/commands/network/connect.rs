//! `network connect`: one more network for a container.

use gantry_api::network::{EndpointIpamConfig, EndpointSettings, NetworkConnect};

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::flags::value;
use crate::session::Session;

/// Connect a container to a network
#[derive(Debug, clap::Args)]
pub(crate) struct Connect {
    /// Add network-scoped alias for the container
    #[arg(long)]
    alias: Vec<String>,
    /// driver options for the network
    #[arg(long, value_name = "KEY=VALUE", value_parser = value::pair)]
    driver_opt: Vec<(String, String)>,
    /// Highest gw-priority provides the default gateway. Accepts positive and negative values.
    #[arg(long, default_value_t = 0, allow_hyphen_values = true, hide_default_value = true)]
    gw_priority: i64,
    /// IPv4 address (e.g., "172.30.100.104")
    #[arg(long, default_value = "", hide_default_value = true)]
    ip: String,
    /// IPv6 address (e.g., "2001:db8::33")
    #[arg(long, default_value = "", hide_default_value = true)]
    ip6: String,
    /// Add link to another container
    #[arg(long)]
    link: Vec<String>,
    /// Add a link-local address for the container
    #[arg(long)]
    link_local_ip: Vec<String>,
    #[arg(required = true, hide = true)]
    network: String,
    #[arg(required = true, hide = true)]
    container: String,
}

impl Verb for Connect {
    const USAGE: &'static str = "[OPTIONS] NETWORK CONTAINER";
    const TAKES: Takes = Takes::Exactly(2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let ipam = EndpointIpamConfig {
            ipv4_address: self.ip,
            ipv6_address: self.ip6,
            link_local_ips: self.link_local_ip,
        };
        let endpoint = EndpointSettings {
            ipam_config: (ipam != EndpointIpamConfig::default()).then_some(ipam),
            links: self.link,
            aliases: self.alias,
            driver_opts: self.driver_opt.into_iter().collect(),
            gw_priority: self.gw_priority,
            ..EndpointSettings::default()
        };
        let request = NetworkConnect { container: self.container, endpoint_config: Some(endpoint) };
        session.connect().await?.network_connect(&self.network, &request).await?;
        Ok(0)
    }
}
