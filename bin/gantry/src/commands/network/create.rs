//! `network create`: a bridge with a subnet of its own.

use std::collections::BTreeMap;

use gantry_api::network::{Ipam, IpamConfig, NetworkCreateRequest};

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::flags::value;
use crate::output;
use crate::session::Session;

/// Create a network
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Enable manual container attachment
    #[arg(long)]
    attachable: bool,
    /// Auxiliary IPv4 or IPv6 addresses used by Network driver
    #[arg(long, value_name = "NAME=ADDRESS", value_parser = value::pair)]
    aux_address: Vec<(String, String)>,
    /// Driver to manage the Network
    #[arg(short, long, default_value = "bridge")]
    driver: String,
    /// IPv4 or IPv6 Gateway for the master subnet
    #[arg(long, default_value = "", hide_default_value = true)]
    gateway: String,
    /// Restrict external access to the network
    #[arg(long)]
    internal: bool,
    /// Allocate container ip from a sub-range
    #[arg(long, default_value = "", hide_default_value = true)]
    ip_range: String,
    /// Enable IPv6 networking
    #[arg(long)]
    ipv6: bool,
    /// Set metadata on a network
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Set driver specific options
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = value::pair)]
    opt: Vec<(String, String)>,
    /// Subnet in CIDR format that represents a network segment
    #[arg(long, default_value = "", hide_default_value = true)]
    subnet: String,
    #[arg(required = true, hide = true)]
    network: String,
}

impl Verb for Create {
    const USAGE: &'static str = "[OPTIONS] NETWORK";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let created = session.connect().await?.network_create(&self.request()).await?;
        if !created.warning.is_empty() {
            output::remark(&format!("WARNING: {}", created.warning));
        }
        output::line(&created.id)?;
        Ok(0)
    }
}

impl Create {
    fn request(self) -> NetworkCreateRequest {
        let config = IpamConfig {
            subnet: self.subnet,
            ip_range: self.ip_range,
            gateway: self.gateway,
            auxiliary_addresses: self.aux_address.into_iter().collect(),
        };
        let asks = config != IpamConfig::default();
        NetworkCreateRequest {
            name: self.network,
            driver: self.driver,
            internal: self.internal,
            attachable: self.attachable,
            enable_ipv6: self.ipv6,
            ipam: Ipam {
                driver: "default".to_owned(),
                config: asks.then_some(config).into_iter().collect(),
                ..Ipam::default()
            },
            options: self.opt.into_iter().collect(),
            labels: labels(&self.label),
            ..NetworkCreateRequest::default()
        }
    }
}

/// A label without a value is an empty one.
fn labels(words: &[String]) -> BTreeMap<String, String> {
    let pair = |word: &String| match word.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (word.clone(), String::new()),
    };
    words.iter().map(pair).collect()
}
