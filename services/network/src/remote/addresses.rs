//! Addresses that other programs give (Docker's protocol `IpamDriver`): pools for networks, and addresses out of them for gateways and
//! endpoints.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde_json::{Value, json};

use super::{ADDRESSES, log};
use crate::create::Asked;
use crate::endpoint::EndpointWish;
use crate::family::Family;
use crate::network::Network;
use crate::{CreateOptions, Error, Networks, Result};

const REQUEST_TYPE: &str = "RequestAddressType";
const GATEWAY: &str = "com.docker.network.gateway";

/// A program, and what the user tells it.
struct Giver<'a> {
    driver: &'a str,
    options: &'a BTreeMap<String, String>,
}

impl Networks {
    /// Asks for the pools of a network whose addresses another program gives. What was asked for before goes back when one is refused.
    pub(crate) fn request_pools(&self, options: &mut CreateOptions) -> Result<()> {
        let Some(driver) = options.ipam.plugin().filter(|_| !options.config_only) else {
            return Ok(());
        };
        let mut pools = Vec::new();
        let giver = Giver { driver, options: &options.ipam.options };
        let asked = (|| {
            for asked in options.ipv4.iter_mut().chain(&mut options.further4) {
                self.request_subnet::<Ipv4Addr>(&giver, asked, &mut pools)?;
            }
            for asked in options.ipv6.iter_mut().chain(&mut options.further6) {
                self.request_subnet::<Ipv6Addr>(&giver, asked, &mut pools)?;
            }
            Ok(())
        })();
        options.ipam.pools = pools;
        if asked.is_err() {
            self.release_pools(options);
        }
        asked
    }

    pub(crate) fn release_pools(&self, options: &CreateOptions) {
        for pool in &options.ipam.pools {
            let request = json!({"PoolID": pool});
            log(&options.name, self.ask(&options.ipam.driver, ADDRESSES, "ReleasePool", request));
        }
    }

    /// A subnet and its gateway. The program may name the gateway with the pool; what the user asks for wins.
    fn request_subnet<A>(
        &self,
        giver: &Giver<'_>,
        asked: &mut Asked<A, A::Net>,
        pools: &mut Vec<String>,
    ) -> Result<()>
    where
        A: Family + FromStr,
        A::Net: FromStr,
    {
        let Giver { driver, options } = giver;
        let spaces = self.ask(driver, ADDRESSES, "GetDefaultAddressSpaces", json!({}))?;
        let request = json!({
            "AddressSpace": spaces["LocalDefaultAddressSpace"],
            "Pool": text(asked.subnet),
            "SubPool": text(asked.range),
            "Options": options,
            "V6": A::NAME == Ipv6Addr::NAME,
        });
        let answer = self.ask(driver, ADDRESSES, "RequestPool", request)?;
        let id = answer["PoolID"].as_str().unwrap_or_default().to_owned();
        let pool = answer["Pool"].as_str().and_then(|text| text.parse::<A::Net>().ok());
        let Some(pool) = pool.filter(|_| !id.is_empty()) else {
            return Err(nonsense(driver, "RequestPool"));
        };
        pools.push(id.clone());
        asked.subnet = Some(A::trunc(pool));
        if asked.gateway.is_none()
            && let Some(text) = answer["Data"][GATEWAY].as_str()
        {
            asked.gateway = Some(address(text).ok_or_else(|| nonsense(driver, "RequestPool"))?);
            return Ok(());
        }
        let wish = (text(asked.gateway), json!({REQUEST_TYPE: GATEWAY}));
        asked.gateway = Some(self.request_address(driver, &id, wish)?);
        Ok(())
    }

    fn request_address<A: FromStr>(
        &self,
        driver: &str,
        pool: &str,
        (asked, options): (String, Value),
    ) -> Result<A> {
        let request = json!({"PoolID": pool, "Address": asked, "Options": options});
        let answer = self.ask(driver, ADDRESSES, "RequestAddress", request)?;
        let given = answer["Address"].as_str().and_then(address);
        given.ok_or_else(|| nonsense(driver, "RequestAddress"))
    }

    /// Asks for an endpoint's addresses, where another program gives them.
    pub(crate) fn request_addresses(
        &self,
        network: &Network,
        wish: &mut EndpointWish,
    ) -> Result<()> {
        if network.ipam.plugin().is_none() {
            return Ok(());
        }
        wish.address = self.request_one(network, pools4(network), wish.address)?;
        match self.request_one(network, pools6(network), wish.address6) {
            Ok(given) => wish.address6 = given,
            Err(error) => {
                self.release_addresses(network, wish.address.map(IpAddr::V4));
                return Err(error);
            }
        }
        Ok(())
    }

    /// One out of the pool that has the address that was asked for, else out of the first that gives one. An address that is in no pool is
    /// refused later, with all that is known of the network.
    fn request_one<'a, A: Family + FromStr>(
        &self,
        network: &Network,
        pools: impl Iterator<Item = (A::Net, &'a String)>,
        asked: Option<A>,
    ) -> Result<Option<A>> {
        let mut refused = None;
        for (subnet, pool) in pools {
            let net: IpNet = subnet.into();
            if asked.is_some_and(|asked| !net.contains(&asked.into())) {
                continue;
            }
            match self.request_address(&network.ipam.driver, pool, (text(asked), json!({}))) {
                Ok(given) => return Ok(Some(given)),
                Err(error) => refused = Some(error),
            }
        }
        refused.map_or(Ok(asked), Err)
    }

    /// The opposite. Failures are logged.
    pub(crate) fn release_addresses(
        &self,
        network: &Network,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) {
        let Some(driver) = network.ipam.plugin() else { return };
        let pools: Vec<(IpNet, &String)> = pools4(network)
            .map(|(subnet, pool)| (subnet.into(), pool))
            .chain(pools6(network).map(|(subnet, pool)| (subnet.into(), pool)))
            .collect();
        for address in addresses {
            if let Some((_, pool)) = pools.iter().find(|(subnet, _)| subnet.contains(&address)) {
                let request = json!({"PoolID": pool, "Address": address});
                log(&network.name, self.ask(driver, ADDRESSES, "ReleaseAddress", request));
            }
        }
    }
}

/// The subnets, and what the program calls them. Pools are kept in the order in which they were asked for.
fn pools4(network: &Network) -> impl Iterator<Item = (Ipv4Net, &String)> {
    network.subnets4().map(|it| it.subnet).zip(&network.ipam.pools)
}

fn pools6(network: &Network) -> impl Iterator<Item = (Ipv6Net, &String)> {
    let before = network.subnets4().count();
    network.subnets6().map(|it| it.subnet).zip(network.ipam.pools.iter().skip(before))
}

/// Programs give addresses with the bits of their subnets.
fn address<A: FromStr>(text: &str) -> Option<A> {
    text.split('/').next()?.parse().ok()
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn nonsense(plugin: &str, method: &str) -> Error {
    let source = format!("its answer to {method} makes no sense").into();
    Error::Plugin { plugin: plugin.to_owned(), source }
}
