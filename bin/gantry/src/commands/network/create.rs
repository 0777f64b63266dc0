//! `network create`: a bridge with a subnet of its own.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gantry_api::network::{ConfigReference, Ipam, IpamConfig, NetworkCreateRequest};
use ipnet::IpNet;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::flags::value;
use crate::output;
use crate::session::Session;

/// Create a network
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Create {
    /// Enable manual container attachment
    #[arg(long)]
    attachable: bool,
    /// Auxiliary IPv4 or IPv6 addresses used by Network driver
    #[arg(long, value_name = "NAME=ADDRESS", value_parser = value::pair)]
    aux_address: Vec<(String, String)>,
    /// The network from which to copy the configuration
    #[arg(long, default_value = "", hide_default_value = true)]
    config_from: String,
    /// Create a configuration only network
    #[arg(long)]
    config_only: bool,
    /// Driver to manage the Network
    #[arg(short, long, default_value = "bridge")]
    driver: String,
    /// IPv4 or IPv6 Gateway for the master subnet
    #[arg(long, value_delimiter = ',')]
    gateway: Vec<String>,
    /// Create swarm routing-mesh network
    #[arg(long)]
    ingress: bool,
    /// Restrict external access to the network
    #[arg(long)]
    internal: bool,
    /// Allocate container ip from a sub-range
    #[arg(long, value_delimiter = ',')]
    ip_range: Vec<String>,
    /// IP Address Management Driver
    #[arg(long, default_value = "default", hide_default_value = true)]
    ipam_driver: String,
    /// Set IPAM driver specific options
    #[arg(long, value_name = "KEY=VALUE", value_parser = value::pair)]
    ipam_opt: Vec<(String, String)>,
    /// Enable or disable IPv4 address assignment
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = crate::cli::boolean)]
    ipv4: Option<bool>,
    /// Enable or disable IPv6 address assignment
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = crate::cli::boolean)]
    ipv6: Option<bool>,
    /// Set metadata on a network
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Set driver specific options
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = value::pair)]
    opt: Vec<(String, String)>,
    /// Control the network's scope
    #[arg(long, default_value = "", hide_default_value = true)]
    scope: String,
    /// Subnet in CIDR format that represents a network segment
    #[arg(long, value_delimiter = ',')]
    subnet: Vec<String>,
    #[arg(required = true, hide = true)]
    network: String,
}

impl Verb for Create {
    const USAGE: &'static str = "[OPTIONS] NETWORK";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let created = session.connect().await?.network_create(&self.request()?).await?;
        if !created.warning.is_empty() {
            output::remark(&format!("WARNING: {}", created.warning));
        }
        output::line(&created.id)?;
        Ok(0)
    }
}

impl Create {
    fn request(self) -> Result<NetworkCreateRequest, Error> {
        let config = self.addresses()?;
        Ok(NetworkCreateRequest {
            name: self.network,
            driver: self.driver,
            scope: self.scope,
            internal: self.internal,
            attachable: self.attachable,
            ingress: self.ingress,
            config_only: self.config_only,
            config_from: ConfigReference { network: self.config_from },
            enable_ipv4: self.ipv4,
            enable_ipv6: self.ipv6.unwrap_or(false),
            ipam: Ipam {
                driver: self.ipam_driver,
                config,
                options: Some(self.ipam_opt.into_iter().collect()),
            },
            options: self.opt.into_iter().collect(),
            labels: labels(&self.label),
        })
    }

    /// Ranges, gateways and further addresses go to the subnet that they lie in; without one, they are told as they are.
    fn addresses(&self) -> Result<Vec<IpamConfig>, Error> {
        let given =
            !(self.ip_range.is_empty() && self.gateway.is_empty() && self.aux_address.is_empty());
        if self.subnet.is_empty() {
            let text = "every ip-range or gateway must have a corresponding subnet";
            return if given { Err(Error::refused(text)) } else { Ok(Vec::new()) };
        }
        let of = |subnet: &String| IpamConfig { subnet: subnet.clone(), ..IpamConfig::default() };
        let mut configs: Vec<IpamConfig> = self.subnet.iter().map(of).collect();
        check_overlap(&self.subnet)?;
        for range in &self.ip_range {
            let text = || format!("no matching subnet for range {range}");
            let (address, _) = range.split_once('/').ok_or_else(|| Error::refused(text()))?;
            let config = containing(&mut configs, address).ok_or_else(|| Error::refused(text()))?;
            set_once("range", &config.subnet, &mut config.ip_range, range)?;
        }
        for gateway in &self.gateway {
            let text = || format!("no matching subnet for gateway {gateway}");
            let config = containing(&mut configs, gateway).ok_or_else(|| Error::refused(text()))?;
            set_once("gateway", &config.subnet, &mut config.gateway, gateway)?;
        }
        for (name, address) in &self.aux_address {
            let text = || format!("no matching subnet for aux-address {address}");
            let config = containing(&mut configs, address).ok_or_else(|| Error::refused(text()))?;
            config.auxiliary_addresses.insert(name.clone(), address.clone());
        }
        Ok(configs)
    }
}

/// Each subnet has one range and one gateway at most.
fn set_once(what: &str, subnet: &str, place: &mut String, value: &str) -> Result<(), Error> {
    if !place.is_empty() {
        return Err(Error::refused(format!(
            "cannot configure multiple {what}s ({value}, {place}) for the same subnet ({subnet})"
        )));
    }
    value.clone_into(place);
    Ok(())
}

/// Of what is no subnet, the daemon says so.
fn check_overlap(subnets: &[String]) -> Result<(), Error> {
    let nets: Vec<IpNet> = subnets.iter().filter_map(|subnet| subnet.parse().ok()).collect();
    for (number, one) in nets.iter().enumerate() {
        let mut others = nets.iter().skip(number + 1);
        if let Some(other) = others.find(|other| one.contains(*other) || other.contains(one)) {
            return Err(Error::refused(format!(
                "multiple overlapping subnet configuration is not supported: {one} and {other}"
            )));
        }
    }
    Ok(())
}

/// The subnet that an address lies in.
fn containing<'a>(configs: &'a mut [IpamConfig], address: &str) -> Option<&'a mut IpamConfig> {
    let address: IpAddr = address.parse().ok()?;
    let contains = |config: &&mut IpamConfig| {
        config.subnet.parse::<IpNet>().is_ok_and(|subnet| subnet.contains(&address))
    };
    configs.iter_mut().find(contains)
}

/// A label without a value is an empty one.
fn labels(words: &[String]) -> BTreeMap<String, String> {
    let pair = |word: &String| match word.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (word.clone(), String::new()),
    };
    words.iter().map(pair).collect()
}
