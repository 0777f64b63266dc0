//! `network create`: from a request to a network.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gantry_api::network::{IpamConfig, NetworkCreateRequest, NetworkCreated};
use gantry_network::{Asked, CreateOptions, Driver, Ipam};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{new_id, tell};
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, plugin};

/// Docker's other words for the two flags.
const ENABLE_IPV4: &str = "com.docker.network.enable_ipv4";
const ENABLE_IPV6: &str = "com.docker.network.enable_ipv6";

/// Makes a network.
pub async fn create(engine: &Engine, mut request: NetworkCreateRequest) -> Result<NetworkCreated> {
    for name in [&mut request.driver, &mut request.ipam.driver] {
        // Our own have their names, whatever a plugin is called.
        if matches!(driver(name), Ok(Driver::Plugin(_)))
            && let Some(full) = plugin::full_name(engine, name)
        {
            *name = full;
        }
    }
    let driver = if request.driver.is_empty() { "bridge" } else { &request.driver };
    if request.config_from.network.is_empty() && !request.config_only {
        for (key, value) in engine.settings.networks.options.get(driver).into_iter().flatten() {
            request.options.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    let options = options(request)?;
    let id = new_id()?;
    let engine = engine.clone();
    block(move || {
        let network = engine.networks.create(id, options, gantry_sys::clock::now())?;
        tell(&engine, &network, "create");
        Ok(NetworkCreated { id: network.id.to_string(), warning: String::new() })
    })
    .await
}

fn options(mut request: NetworkCreateRequest) -> Result<CreateOptions> {
    let driver = driver(&request.driver)?;
    check(&request)?;
    let flag = |options: &mut BTreeMap<String, String>, key: &str| match options.get(key) {
        None => Ok(None),
        Some(text) => {
            let parsed = text.to_ascii_lowercase().parse().ok();
            parsed.map(Some).ok_or_else(|| Error::invalid(format!("invalid option {key}={text}")))
        }
    };
    let ipv4 = request.enable_ipv4.or(flag(&mut request.options, ENABLE_IPV4)?);
    let ipv6 = flag(&mut request.options, ENABLE_IPV6)?.unwrap_or(false) || request.enable_ipv6;
    let Families { ipv4: asked4, ipv6: asked6 } = families(&request.ipam.config)?;
    if ipv4 == Some(false) && !asked4.is_empty() {
        return Err(Error::invalid("IPv4 addresses are given, but IPv4 is switched off"));
    }
    if !ipv6 && !asked6.is_empty() {
        return Err(Error::invalid(
            "IPv6 addresses are given, but IPv6 is not switched on: give --ipv6, too",
        ));
    }
    let ipam = match request.ipam.driver.as_str() {
        "" | "default" => Ipam::default(),
        driver => Ipam { driver: driver.to_owned(), ..Ipam::default() },
    };
    let ipam = Ipam {
        names_options: request.ipam.options.is_some(),
        options: request.ipam.options.unwrap_or_default(),
        ..ipam
    };
    if ipam.is_nobody() && !(asked4.is_empty() && asked6.is_empty()) {
        let text = "null ipam driver does not handle specific address pool requests";
        return Err(Error::invalid(text));
    }
    let gives = !ipam.is_nobody();
    let (mut asked4, mut asked6) = (asked4.into_iter(), asked6.into_iter());
    Ok(CreateOptions {
        name: request.name,
        driver,
        ipv4: (gives && ipv4 != Some(false)).then(|| asked4.next().unwrap_or_default()),
        ipv6: (gives && ipv6).then(|| asked6.next().unwrap_or_default()),
        further4: asked4.collect(),
        further6: asked6.collect(),
        internal: request.internal,
        attachable: request.attachable,
        config_only: request.config_only,
        config_from: request.config_from.network,
        ipam,
        options: request.options,
        labels: request.labels,
    })
}

fn driver(name: &str) -> Result<Driver> {
    Ok(match name {
        "" | "bridge" | "default" => Driver::Bridge,
        "macvlan" => Driver::Macvlan,
        "ipvlan" => Driver::Ipvlan,
        "host" | "null" => {
            let text = format!("only one instance of \"{name}\" network is allowed");
            return Err(Error::invalid(text));
        }
        "overlay" => return Err(Error::invalid("This node is not a swarm manager.")),
        name => Driver::Plugin(name.to_owned()),
    })
}

fn check(request: &NetworkCreateRequest) -> Result<()> {
    if ["host", "bridge", "none"].contains(&request.name.as_str()) {
        let name = &request.name;
        let reason = format!("operation is not permitted on predefined {name} network");
        return Err(Error::Refused { reason });
    }
    let refused = [
        (request.name.is_empty(), "network name is required"),
        (request.ingress, "Ingress network can only be created in swarm mode"),
        (request.scope == "swarm", "This node is not a swarm manager."),
        (
            !matches!(request.scope.as_str(), "" | "local" | "swarm"),
            "invalid network scope: it can be local",
        ),
        (
            request.config_only && !request.config_from.network.is_empty(),
            "a configuration-only network cannot take another network's configuration",
        ),
    ];
    if let Some((_, text)) = refused.into_iter().find(|(is, _)| *is) {
        return Err(Error::invalid(text));
    }
    let is_ours = matches!(request.ipam.driver.as_str(), "" | "default" | "null");
    if let Some((key, _)) = request.ipam.options.iter().flatten().next().filter(|_| is_ours) {
        return Err(Error::invalid(format!("the IPAM option {key} is not known")));
    }
    Ok(())
}

type Asked4 = Asked<Ipv4Addr, Ipv4Net>;
type Asked6 = Asked<Ipv6Addr, Ipv6Net>;

/// What is asked of each family. Whether there may be several subnets of one is the driver's business.
#[derive(Debug, Default)]
struct Families {
    ipv4: Vec<Asked4>,
    ipv6: Vec<Asked6>,
}

fn families(configs: &[IpamConfig]) -> Result<Families> {
    let mut families = Families::default();
    for config in configs {
        let subnet: Option<IpNet> = parse("subnet", &config.subnet)?;
        let range: Option<IpNet> = parse("IP range", &config.ip_range)?;
        let gateway: Option<IpAddr> = parse("gateway", &config.gateway)?;
        let auxiliary = auxiliary(config)?;
        let given = range.is_some() || gateway.is_some() || !auxiliary.is_empty();
        let Some(subnet) = subnet else {
            if given {
                return Err(Error::invalid(
                    "a gateway, an IP range or an auxiliary address needs a subnet: give --subnet, too",
                ));
            }
            continue;
        };
        let mixed = || {
            Error::invalid(format!("the addresses of subnet {subnet} are of different families"))
        };
        match subnet {
            IpNet::V4(subnet) => families.ipv4.push(Asked {
                subnet: Some(subnet),
                range: range.map(|it| v4net(it).ok_or_else(mixed)).transpose()?,
                gateway: gateway.map(|it| v4(it).ok_or_else(mixed)).transpose()?,
                auxiliary: each(auxiliary, |it| v4(it).ok_or_else(mixed))?,
                router: None,
            }),
            IpNet::V6(subnet) => families.ipv6.push(Asked {
                subnet: Some(subnet),
                range: range.map(|it| v6net(it).ok_or_else(mixed)).transpose()?,
                gateway: gateway.map(|it| v6(it).ok_or_else(mixed)).transpose()?,
                auxiliary: each(auxiliary, |it| v6(it).ok_or_else(mixed))?,
                router: None,
            }),
        }
    }
    Ok(families)
}

fn auxiliary(config: &IpamConfig) -> Result<BTreeMap<String, IpAddr>> {
    let one = |(name, text): (&String, &String)| {
        let address = parse("auxiliary address", text)?;
        let empty = || Error::invalid(format!("the auxiliary address {name} is empty"));
        Ok((name.clone(), address.ok_or_else(empty)?))
    };
    config.auxiliary_addresses.iter().map(one).collect()
}

fn each<A>(
    all: BTreeMap<String, IpAddr>,
    convert: impl Fn(IpAddr) -> Result<A>,
) -> Result<BTreeMap<String, A>> {
    all.into_iter().map(|(name, address)| Ok((name, convert(address)?))).collect()
}

fn v4(address: IpAddr) -> Option<Ipv4Addr> {
    if let IpAddr::V4(address) = address { Some(address) } else { None }
}

fn v6(address: IpAddr) -> Option<Ipv6Addr> {
    if let IpAddr::V6(address) = address { Some(address) } else { None }
}

fn v4net(net: IpNet) -> Option<Ipv4Net> {
    if let IpNet::V4(net) = net { Some(net) } else { None }
}

fn v6net(net: IpNet) -> Option<Ipv6Net> {
    if let IpNet::V6(net) = net { Some(net) } else { None }
}

/// An address or subnet; nothing when it is empty.
fn parse<T: std::str::FromStr>(what: &str, text: &str) -> Result<Option<T>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Error::invalid(format!("invalid {what}: {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> Result<CreateOptions> {
        options(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn families_are_told_apart() {
        let options = request(
            r#"{"Name":"a","EnableIPv6":true,"IPAM":{"Config":[{"Subnet":"10.0.0.0/24","Gateway":"10.0.0.9"},
                {"Subnet":"fd00::/64","AuxiliaryAddresses":{"router":"fd00::7"}}]}}"#,
        )
        .unwrap();
        let (ipv4, ipv6) = (options.ipv4.unwrap(), options.ipv6.unwrap());
        assert_eq!(ipv4.gateway, Some(Ipv4Addr::new(10, 0, 0, 9)));
        assert_eq!(ipv6.auxiliary["router"].to_string(), "fd00::7");
        let options =
            request(r#"{"Name":"a","EnableIPv4":false,"Options":{"com.docker.network.enable_ipv6":"true"}}"#)
                .unwrap();
        assert!(options.ipv4.is_none() && options.ipv6.is_some());
        assert!(request(r#"{"Name":"a"}"#).unwrap().ipv6.is_none());
        let options = request(
            r#"{"Name":"a","IPAM":{"Config":[{"Subnet":"10.0.0.0/24"},{"Subnet":"10.1.0.0/24"}]}}"#,
        )
        .unwrap();
        assert_eq!(options.further4[0].subnet, Some("10.1.0.0/24".parse().unwrap()));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (json, says) in [
            (r#"{"Name":""}"#, "network name is required"),
            (r#"{"Name":"a","Driver":"host"}"#, "only one instance of \"host\" network"),
            (r#"{"Name":"a","Ingress":true}"#, "swarm mode"),
            (r#"{"Name":"a","Scope":"global"}"#, "invalid network scope"),
            (r#"{"Name":"a","IPAM":{"Config":[{"Subnet":"fd00::/64"}]}}"#, "give --ipv6, too"),
            (r#"{"Name":"a","IPAM":{"Config":[{"Gateway":"10.0.0.1"}]}}"#, "give --subnet, too"),
            (
                r#"{"Name":"a","IPAM":{"Config":[{"Subnet":"10.0.0.0/24","Gateway":"fd00::1"}]}}"#,
                "of different families",
            ),
            (r#"{"Name":"a","IPAM":{"Config":[{"Subnet":"10.0.0.0/33"}]}}"#, "invalid subnet"),
            (
                r#"{"Name":"a","IPAM":{"Driver":"null","Config":[{"Subnet":"10.0.0.0/24"}]}}"#,
                "does not handle specific address pool requests",
            ),
            (
                r#"{"Name":"a","EnableIPv4":false,"IPAM":{"Config":[{"Subnet":"10.0.0.0/24"}]}}"#,
                "switched off",
            ),
        ] {
            let error = request(json).unwrap_err().to_string();
            assert!(error.contains(says), "{json}: {error}");
        }
    }
}
