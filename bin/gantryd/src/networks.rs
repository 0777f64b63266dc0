//! What networks get that ask for nothing else: dockerd's flags and keys for the default bridge and for subnets.

mod by_driver;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use gantry_engine::NetworkSettings;
use gantry_engine::network::{Asked, CreateOptions};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::pairs::Pair;

/// Shorter pieces would hold no network that the kernel can have.
const MOST_BITS: [u8; 2] = [30, 126];
const MTUS: std::ops::RangeInclusive<u32> = 68..=65_535;

/// The keys.
#[derive(Debug, Default, clap::Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct NetworkKeys {
    /// The default bridge's own address and subnet, as 172.30.0.1/16
    #[arg(long, value_name = "CIDR")]
    pub bip: Option<String>,
    /// The same for IPv6
    #[arg(long, value_name = "CIDR")]
    pub bip6: Option<String>,
    /// The part of the default bridge's subnet from which containers get their addresses
    #[arg(long, value_name = "CIDR")]
    pub fixed_cidr: Option<String>,
    /// The same for IPv6
    #[arg(long, value_name = "CIDR")]
    pub fixed_cidr_v6: Option<String>,
    /// Another way out of the default bridge than the bridge itself
    #[arg(long, value_name = "ADDRESS")]
    pub default_gateway: Option<String>,
    /// The same for IPv6
    #[arg(long, value_name = "ADDRESS")]
    pub default_gateway_v6: Option<String>,
    /// Subnets for networks that ask for none, as base=10.10.0.0/16,size=24; may be repeated [default: Docker's]
    #[arg(long = "default-address-pool", value_name = "POOL", value_parser = pool)]
    pub default_address_pools: Option<Vec<Pool>>,
    /// Options of new networks by driver, as bridge=com.docker.network.driver.mtu=1400; may be repeated
    #[arg(long = "default-network-opt", value_name = "DRIVER=OPTION=VALUE")]
    #[serde(with = "by_driver")]
    pub default_network_opts: Option<Vec<Pair<Pair<String>>>>,
    /// Where ports of the default bridge's containers are published that name no address of the host
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<String>,
    /// Bytes in a packet of the default bridge [default: 1500]
    #[arg(long, value_name = "BYTES")]
    pub mtu: Option<u32>,
    /// Whether containers of the default bridge reach one another [default: true]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub icc: Option<bool>,
    /// Whether the host may be made a router; without it, nothing leaves the bridges [default: true]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub ip_forward: Option<bool>,
    /// Whether containers of the default bridge go out under the host's address [default: true]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub ip_masq: Option<bool>,
    /// Whether the default bridge has IPv6, too [default: false]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub ipv6: Option<bool>,
}

/// A pool of subnets, as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pool {
    pub base: String,
    /// Bits of each subnet's prefix.
    pub size: u8,
}

/// Whether there are bridges, and which one is the default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub(crate) enum Bridge {
    Auto,
    None,
    /// One that the user made.
    Named(String),
}

impl From<Bridge> for String {
    fn from(bridge: Bridge) -> Self {
        match bridge {
            Bridge::Auto => "auto".to_owned(),
            Bridge::None => "none".to_owned(),
            Bridge::Named(name) => name,
        }
    }
}

impl From<String> for Bridge {
    fn from(text: String) -> Self {
        match text.as_str() {
            "" | "auto" => Self::Auto,
            "none" => Self::None,
            _ => Self::Named(text),
        }
    }
}

impl FromStr for Bridge {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.to_owned().into())
    }
}

/// Keys become what the engine is told.
pub(crate) fn resolve(keys: NetworkKeys, bridge: &Bridge) -> Result<NetworkSettings, Error> {
    let mtu = keys.mtu.filter(|mtu| *mtu > 0);
    if let Some(mtu) = mtu.filter(|mtu| !MTUS.contains(mtu)) {
        return Err(invalid("mtu", &mtu.to_string(), "it takes 68 to 65535 bytes"));
    }
    let users_bridge = match bridge {
        Bridge::Named(name) => Some(name.clone()),
        Bridge::Auto | Bridge::None => None,
    };
    if let Some(bip) = keys.bip.as_ref().filter(|_| users_bridge.is_some()) {
        return Err(invalid("bip", bip, "the bridge is the user's and has its own address"));
    }
    let options = default_options(&keys)?;
    let asked4 = asked4(keys.bip, keys.fixed_cidr, keys.default_gateway)?;
    let asked6 = asked6(keys.bip6, keys.fixed_cidr_v6, keys.default_gateway_v6)?;
    let pools = keys.default_address_pools.unwrap_or_default();
    Ok(NetworkSettings {
        default_network: CreateOptions {
            ipv4: Some(asked4),
            ipv6: keys.ipv6.unwrap_or(false).then_some(asked6),
            options,
            ..CreateOptions::default()
        },
        users_bridge,
        forwards: keys.ip_forward.unwrap_or(true),
        pools: pools.iter().map(pieces).collect::<Result<_, _>>()?,
        mtu,
        options: by_driver::map(keys.default_network_opts),
    })
}

/// What the default bridge is told by flags that have options of the same meaning.
fn default_options(keys: &NetworkKeys) -> Result<BTreeMap<String, String>, Error> {
    let mut options = BTreeMap::new();
    let mut put = |name: &str, value: String| {
        options.insert(format!("com.docker.network.bridge.{name}"), value);
    };
    if let Some(icc) = keys.icc {
        put("enable_icc", icc.to_string());
    }
    if let Some(masquerade) = keys.ip_masq {
        put("enable_ip_masquerade", masquerade.to_string());
    }
    if let Some(ip) = &keys.ip {
        let address: IpAddr = parse("ip", ip)?;
        if !address.is_ipv4() {
            return Err(invalid("ip", ip, "an IPv4 address is needed"));
        }
        put("host_binding_ipv4", ip.clone());
    }
    Ok(options)
}

fn asked4(
    bip: Option<String>,
    range: Option<String>,
    router: Option<String>,
) -> Result<Asked<Ipv4Addr, Ipv4Net>, Error> {
    let bip: Option<Ipv4Net> = bip.map(|text| parse("bip", &text)).transpose()?;
    let range: Option<Ipv4Net> = range.map(|text| parse("fixed-cidr", &text)).transpose()?;
    let router = router.map(|text| parse("default-gateway", &text)).transpose()?;
    Ok(Asked {
        // The part is the whole where nobody says what it is a part of.
        subnet: bip.or(range).map(|net| net.trunc()),
        range: range.filter(|_| bip.is_some()).map(|net| net.trunc()),
        gateway: bip.map(|net| net.addr()),
        auxiliary: BTreeMap::new(),
        router,
    })
}

fn asked6(
    bip: Option<String>,
    range: Option<String>,
    router: Option<String>,
) -> Result<Asked<Ipv6Addr, Ipv6Net>, Error> {
    let bip: Option<Ipv6Net> = bip.map(|text| parse("bip6", &text)).transpose()?;
    let range: Option<Ipv6Net> = range.map(|text| parse("fixed-cidr-v6", &text)).transpose()?;
    let router = router.map(|text| parse("default-gateway-v6", &text)).transpose()?;
    Ok(Asked {
        subnet: bip.or(range).map(|net| net.trunc()),
        range: range.filter(|_| bip.is_some()).map(|net| net.trunc()),
        gateway: bip.map(|net| net.addr()),
        auxiliary: BTreeMap::new(),
        router,
    })
}

fn pieces(pool: &Pool) -> Result<(IpNet, u8), Error> {
    let text = format!("{{base: {}, size: {}}}", pool.base, pool.size);
    let base: IpNet = parse("default-address-pools", &pool.base)?;
    let most = MOST_BITS[usize::from(base.addr().is_ipv6())];
    if base.trunc() != base {
        let why = format!("the base should be {}", base.trunc());
        return Err(invalid("default-address-pools", &text, &why));
    }
    if !(base.prefix_len()..=most).contains(&pool.size) {
        let why = format!("the size lies between {} and {most} bits", base.prefix_len());
        return Err(invalid("default-address-pools", &text, &why));
    }
    Ok((base, pool.size))
}

/// `base=10.10.0.0/16,size=24`.
fn pool(text: &str) -> Result<Pool, String> {
    let (mut base, mut size) = (None, None);
    for word in text.split(',') {
        match word.split_once('=') {
            Some(("base", value)) => base = Some(value.to_owned()),
            Some(("size", value)) => {
                size = Some(value.parse().map_err(|_| format!("invalid size {value:?}"))?);
            }
            _ => return Err(format!("invalid field {word:?}: base=CIDR,size=BITS is needed")),
        }
    }
    match (base, size) {
        (Some(base), Some(size)) => Ok(Pool { base, size }),
        _ => Err("base=CIDR,size=BITS is needed".to_owned()),
    }
}

fn parse<T: FromStr>(key: &'static str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| invalid(key, text, "it is no address of this kind"))
}

fn invalid(key: &'static str, value: &str, why: &str) -> Error {
    Error::Refused { key, value: value.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::Given;

    fn told(json: &str) -> Result<NetworkSettings, Error> {
        let mut given: Given = serde_json::from_str(json).unwrap();
        resolve(given.networks, &given.bridge.take().unwrap_or(Bridge::Auto))
    }

    #[test]
    fn docker_s_keys_are_understood() {
        let settings = told(
            r#"{"bip":"10.9.0.1/16","fixed-cidr":"10.9.4.0/24","default-gateway":"10.9.0.254","ipv6":true,
            "fixed-cidr-v6":"fd00:9::/64","icc":false,"ip-masq":false,"mtu":1400,"ip":"127.0.0.1",
            "default-address-pools":[{"base":"10.20.0.0/16","size":24}],
            "default-network-opts":{"bridge":{"com.docker.network.driver.mtu":"1300"}}}"#,
        )
        .unwrap();
        let ipv4 = settings.default_network.ipv4.unwrap();
        assert_eq!(ipv4.subnet.unwrap().to_string(), "10.9.0.0/16");
        assert_eq!(ipv4.gateway.unwrap().to_string(), "10.9.0.1");
        assert_eq!(ipv4.range.unwrap().to_string(), "10.9.4.0/24");
        assert_eq!(ipv4.router.unwrap().to_string(), "10.9.0.254");
        let ipv6 = settings.default_network.ipv6.unwrap();
        assert_eq!(ipv6.subnet.unwrap().to_string(), "fd00:9::/64");
        let options = settings.default_network.options;
        assert_eq!(options["com.docker.network.bridge.enable_icc"], "false");
        assert_eq!(options["com.docker.network.bridge.host_binding_ipv4"], "127.0.0.1");
        assert_eq!((settings.mtu, settings.pools.len()), (Some(1400), 1));
        assert_eq!(settings.options["bridge"].len(), 1);
        assert_eq!(told(r#"{"bridge":"br7"}"#).unwrap().users_bridge.as_deref(), Some("br7"));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (json, says) in [
            (r#"{"bip":"10.9.0.1"}"#, "bip"),
            (r#"{"bip":"10.9.0.1/16","bridge":"br7"}"#, "the user's"),
            (r#"{"mtu":12}"#, "68 to 65535"),
            (r#"{"ip":"::1"}"#, "IPv4 address is needed"),
            (r#"{"default-address-pools":[{"base":"10.0.0.1/16","size":24}]}"#, "10.0.0.0/16"),
            (r#"{"default-address-pools":[{"base":"10.0.0.0/16","size":8}]}"#, "between 16 and 30"),
            (r#"{"fixed-cidr-v6":"10.0.0.0/8"}"#, "fixed-cidr-v6"),
        ] {
            let error = told(json).unwrap_err().to_string();
            assert!(error.contains(says), "{json}: {error}");
        }
        assert_eq!(pool("base=10.0.0.0/8,size=24").unwrap().size, 24);
        assert!(pool("base=10.0.0.0/8").is_err());
        assert!("bridge=mtu".parse::<Pair<Pair<String>>>().is_err());
    }
}
