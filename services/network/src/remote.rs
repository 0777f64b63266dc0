//! Networks and addresses that other programs give (Docker's protocols `NetworkDriver` and `IpamDriver`): what they are asked, and what
//! their answers mean. How they are reached is the caller's business.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use gantry_netlink::Socket;
use gantry_netlink::route::LinkName;
use gantry_types::error_chain;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde_json::{Value, json};

use crate::endpoint::{Endpoint, EndpointWish};
use crate::network::{Driver, Network};
use crate::{CreateOptions, Error, Networks, Result};

/// The way to other programs.
pub trait Remote: Debug + Send + Sync {
    /// Asks one of them, for instance `Join` of a `NetworkDriver`; blocks until it has answered.
    fn ask(&self, plugin: &str, kind: &str, method: &str, request: Value) -> RemoteResult<Value>;

    /// Whether there is one of that kind.
    fn has(&self, plugin: &str, kind: &str) -> bool;
}

pub type RemoteResult<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const NETWORKS: &str = "NetworkDriver";
const ADDRESSES: &str = "IpamDriver";
const GENERIC: &str = "com.docker.network.generic";
const ENABLE_IPV6: &str = "com.docker.network.enable_ipv6";
const INTERNAL: &str = "com.docker.network.internal";

/// What an endpoint of another program's network has, besides what the network says.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    pub(crate) gateway4: Option<Ipv4Addr>,
    pub(crate) gateway6: Option<Ipv6Addr>,
}

impl Networks {
    /// That the programs are there which a new network needs.
    pub(crate) fn check_plugins(&self, options: &CreateOptions) -> Result<()> {
        let driver = match &options.driver {
            Driver::Plugin(name) => Some((name, NETWORKS)),
            _ => None,
        };
        let ipam = (!options.ipam.driver.is_empty()).then_some((&options.ipam.driver, ADDRESSES));
        for (name, kind) in driver.into_iter().chain(ipam) {
            if !self.config.remote.as_ref().is_some_and(|remote| remote.has(name, kind)) {
                return Err(Error::NoPlugin { plugin: name.clone() });
            }
        }
        Ok(())
    }

    fn ask(&self, plugin: &str, kind: &str, method: &str, request: Value) -> Result<Value> {
        let remote = self.config.remote.as_ref();
        let remote = remote.ok_or_else(|| Error::NoPlugin { plugin: plugin.to_owned() })?;
        remote
            .ask(plugin, kind, method, request)
            .map_err(|source| Error::Plugin { plugin: plugin.to_owned(), source })
    }

    /// Tells a network's program of it.
    pub(crate) fn create_remote(&self, network: &Network) -> Result<()> {
        let Driver::Plugin(plugin) = &network.driver else { return Ok(()) };
        let pool = |pool: IpNet, gateway: Option<IpAddr>, others: BTreeMap<String, String>| {
            let gateway = gateway.map(|it| format!("{it}/{}", pool.prefix_len()));
            json!({"AddressSpace": "LocalDefault", "Pool": pool, "Gateway": gateway, "AuxAddresses": others})
        };
        let ipv4 = network.ipv4.iter().map(|it| {
            let others = it.auxiliary.iter().map(|(name, at)| (name.clone(), at.to_string()));
            pool(it.subnet.into(), it.gateway.map(Into::into), others.collect())
        });
        let ipv6 = network.ipv6.iter().map(|it| {
            let others = it.auxiliary.iter().map(|(name, at)| (name.clone(), at.to_string()));
            pool(it.subnet.into(), it.gateway.map(Into::into), others.collect())
        });
        let request = json!({
            "NetworkID": network.id.as_str(),
            "Options": {
                GENERIC: network.options,
                ENABLE_IPV6: network.ipv6.is_some(),
                INTERNAL: network.internal,
            },
            "IPv4Data": ipv4.collect::<Vec<_>>(),
            "IPv6Data": ipv6.collect::<Vec<_>>(),
        });
        self.ask(plugin, NETWORKS, "CreateNetwork", request).map(drop)
    }

    /// The end of a network. Failures are logged: the network goes all the same.
    pub(crate) fn delete_remote(&self, network: &Network) {
        if let Driver::Plugin(plugin) = &network.driver {
            let request = json!({"NetworkID": network.id.as_str()});
            log(&network.name, self.ask(plugin, NETWORKS, "DeleteNetwork", request));
        }
        let gateway4 = network.ipv4.as_ref().and_then(|it| it.gateway);
        let gateway6 = network.ipv6.as_ref().and_then(|it| it.gateway);
        self.release_addresses(network, (gateway4, gateway6));
        for pool in &network.ipam.pools {
            let request = json!({"PoolID": pool});
            log(&network.name, self.ask(&network.ipam.driver, ADDRESSES, "ReleasePool", request));
        }
    }

    /// Lets a program make an endpoint's device, and takes that into the namespace.
    pub(crate) fn plug_remote(
        &self,
        plugin: &str,
        endpoint: &Endpoint,
        namespace: BorrowedFd<'_>,
    ) -> Result<Joined> {
        let (network, id) = (endpoint.network_id.as_str(), endpoint.id.as_str());
        let text = |it: Option<IpNet>| it.map(|it| it.to_string()).unwrap_or_default();
        let ipv4 =
            endpoint.ipv4.map(|it| IpNet::new_assert(it.address.into(), it.subnet.prefix_len()));
        let ipv6 =
            endpoint.ipv6.map(|it| IpNet::new_assert(it.address.into(), it.subnet.prefix_len()));
        let mac = endpoint.mac.map(|octet| format!("{octet:02x}")).join(":");
        let interface =
            json!({"Address": text(ipv4), "AddressIPv6": text(ipv6), "MacAddress": mac});
        let request =
            json!({"NetworkID": network, "EndpointID": id, "Options": {}, "Interface": interface});
        self.ask(plugin, NETWORKS, "CreateEndpoint", request)?;
        let joined = self.join(plugin, endpoint, namespace);
        if joined.is_err() {
            self.unplug_remote(plugin, endpoint);
        }
        joined
    }

    fn join(&self, plugin: &str, endpoint: &Endpoint, namespace: BorrowedFd<'_>) -> Result<Joined> {
        let (network, id) = (endpoint.network_id.as_str(), endpoint.id.as_str());
        let sandbox = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
        let request =
            json!({"NetworkID": network, "EndpointID": id, "SandboxKey": sandbox, "Options": {}});
        let answer = self.ask(plugin, NETWORKS, "Join", request)?;
        let nonsense = |what: &str| Error::Plugin {
            plugin: plugin.to_owned(),
            source: format!("its answer to Join has no {what}").into(),
        };
        if answer["StaticRoutes"].as_array().is_some_and(|routes| !routes.is_empty()) {
            return Err(Error::Plugin {
                plugin: plugin.to_owned(),
                source: "its answer to Join has static routes, which are not there yet in this version of Gantry".into(),
            });
        }
        let source = answer["InterfaceName"]["SrcName"].as_str().unwrap_or_default();
        let name: LinkName = source.parse().map_err(|_| nonsense("name of a device"))?;
        let inner: LinkName = endpoint.device.parse()?;
        let mut socket = Socket::route()?;
        let link = socket.link(&name)?.ok_or_else(|| nonsense("device that is there"))?;
        socket.send(&[link.move_to(namespace, &inner)])?;
        let gateway = |key: &str| answer[key].as_str().filter(|text| !text.is_empty());
        let parsed4 = gateway("Gateway").map(str::parse).transpose();
        let parsed6 = gateway("GatewayIPv6").map(str::parse).transpose();
        Ok(Joined {
            gateway4: parsed4.map_err(|_| nonsense("gateway that is an IPv4 address"))?,
            gateway6: parsed6.map_err(|_| nonsense("gateway that is an IPv6 address"))?,
        })
    }

    /// The opposite. The device has gone with the namespace, or goes now. Failures are logged.
    pub(crate) fn unplug_remote(&self, plugin: &str, endpoint: &Endpoint) {
        let request = || json!({"NetworkID": endpoint.network_id.as_str(), "EndpointID": endpoint.id.as_str()});
        for method in ["Leave", "DeleteEndpoint"] {
            log(&endpoint.network_name, self.ask(plugin, NETWORKS, method, request()));
        }
    }

    /// Asks for the pools of a network whose addresses another program gives. What was asked for before goes back when one is refused.
    pub(crate) fn request_pools(&self, options: &mut CreateOptions) -> Result<()> {
        let driver = options.ipam.driver.clone();
        if driver.is_empty() || options.config_only {
            return Ok(());
        }
        let mut pools = Vec::new();
        let asked = (|| {
            if let Some(asked) = &mut options.ipv4 {
                let (id, pool): (String, Ipv4Net) = self.request_pool(
                    &driver,
                    &options.ipam.options,
                    (text(asked.subnet), text(asked.range), false),
                )?;
                pools.push(id.clone());
                let gateway = text(asked.gateway);
                asked.subnet = Some(pool.trunc());
                asked.gateway =
                    Some(self.request_gateway::<Ipv4Net>(&driver, &id, &gateway)?.addr());
            }
            if let Some(asked) = &mut options.ipv6 {
                let (id, pool): (String, Ipv6Net) = self.request_pool(
                    &driver,
                    &options.ipam.options,
                    (text(asked.subnet), text(asked.range), true),
                )?;
                pools.push(id.clone());
                let gateway = text(asked.gateway);
                asked.subnet = Some(pool.trunc());
                asked.gateway =
                    Some(self.request_gateway::<Ipv6Net>(&driver, &id, &gateway)?.addr());
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

    fn request_pool<N: std::str::FromStr>(
        &self,
        driver: &str,
        options: &BTreeMap<String, String>,
        (pool, range, is_ipv6): (String, String, bool),
    ) -> Result<(String, N)> {
        let spaces = self.ask(driver, ADDRESSES, "GetDefaultAddressSpaces", json!({}))?;
        let request = json!({
            "AddressSpace": spaces["LocalDefaultAddressSpace"], "Pool": pool, "SubPool": range,
            "Options": options, "V6": is_ipv6,
        });
        let answer = self.ask(driver, ADDRESSES, "RequestPool", request)?;
        let id = answer["PoolID"].as_str().unwrap_or_default().to_owned();
        match answer["Pool"].as_str().map(str::parse) {
            Some(Ok(pool)) if !id.is_empty() => Ok((id, pool)),
            _ => Err(nonsense(driver, "RequestPool")),
        }
    }

    fn request_gateway<N: std::str::FromStr>(
        &self,
        driver: &str,
        pool: &str,
        asked: &str,
    ) -> Result<N> {
        let options = json!({"RequestAddressType": "com.docker.network.gateway"});
        self.request_address(driver, pool, (asked, options))
    }

    fn request_address<N: std::str::FromStr>(
        &self,
        driver: &str,
        pool: &str,
        (asked, options): (&str, Value),
    ) -> Result<N> {
        let request = json!({"PoolID": pool, "Address": asked, "Options": options});
        let answer = self.ask(driver, ADDRESSES, "RequestAddress", request)?;
        match answer["Address"].as_str().map(str::parse) {
            Some(Ok(address)) => Ok(address),
            _ => Err(nonsense(driver, "RequestAddress")),
        }
    }

    /// Asks for an endpoint's addresses, where another program gives them.
    pub(crate) fn request_addresses(
        &self,
        network: &Network,
        wish: &mut EndpointWish,
    ) -> Result<()> {
        let driver = &network.ipam.driver;
        if driver.is_empty() {
            return Ok(());
        }
        let mut pools = network.ipam.pools.iter();
        if network.ipv4.is_some()
            && let Some(pool) = pools.next()
        {
            let asked = text(wish.address);
            let given: Ipv4Net = self.request_address(driver, pool, (&asked, json!({})))?;
            wish.address = Some(given.addr());
        }
        if network.ipv6.is_some()
            && let Some(pool) = pools.next()
        {
            let asked = text(wish.address6);
            let given = self.request_address::<Ipv6Net>(driver, pool, (&asked, json!({})));
            match given {
                Ok(given) => wish.address6 = Some(given.addr()),
                Err(error) => {
                    self.release_addresses(network, (wish.address, None));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The opposite. Failures are logged.
    pub(crate) fn release_addresses(
        &self,
        network: &Network,
        (ipv4, ipv6): (Option<Ipv4Addr>, Option<Ipv6Addr>),
    ) {
        let driver = &network.ipam.driver;
        if driver.is_empty() {
            return;
        }
        let mut pools = network.ipam.pools.iter();
        let families = [
            (network.ipv4.is_some(), ipv4.map(IpAddr::V4)),
            (network.ipv6.is_some(), ipv6.map(IpAddr::V6)),
        ];
        for (_, address) in families.into_iter().filter(|(is_there, _)| *is_there) {
            let pool = pools.next();
            if let (Some(pool), Some(address)) = (pool, address) {
                let request = json!({"PoolID": pool, "Address": address});
                log(&network.name, self.ask(driver, ADDRESSES, "ReleaseAddress", request));
            }
        }
    }
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn nonsense(plugin: &str, method: &str) -> Error {
    let source = format!("its answer to {method} makes no sense").into();
    Error::Plugin { plugin: plugin.to_owned(), source }
}

fn log(network: &str, result: Result<Value>) {
    if let Err(error) = result {
        tracing::warn!(
            error = error_chain(&error),
            network,
            "a plugin did not do what it was asked"
        );
    }
}
