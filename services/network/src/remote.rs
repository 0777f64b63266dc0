//! Networks that other programs give (Docker's protocol `NetworkDriver`): what they are asked, and what their answers mean. How they are
//! reached is the caller's business; programs that give addresses are in `addresses`.

mod addresses;

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use gantry_netlink::Socket;
use gantry_netlink::route::LinkName;
use gantry_types::error_chain;
use ipnet::IpNet;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::network::{Driver, Network, Subnet};
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
    pub(crate) routes: Vec<Route>,
}

/// A way that a program wants in a container: by a gateway, or straight by the endpoint's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) destination: IpNet,
    pub(crate) gateway: Option<IpAddr>,
}

/// Of one endpoint.
const MOST_ROUTES: usize = 1024;
/// The values of `RouteType`.
const BY_GATEWAY: u64 = 0;
const BY_DEVICE: u64 = 1;

impl Networks {
    /// That the programs are there which a new network needs.
    pub(crate) fn check_plugins(&self, options: &CreateOptions) -> Result<()> {
        let driver = match &options.driver {
            Driver::Plugin(name) => Some((name.as_str(), NETWORKS)),
            _ => None,
        };
        let ipam = options.ipam.plugin().map(|name| (name, ADDRESSES));
        for (name, kind) in driver.into_iter().chain(ipam) {
            if !self.config.remote.as_ref().is_some_and(|remote| remote.has(name, kind)) {
                return Err(Error::NoPlugin { plugin: name.to_owned() });
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
        let request = json!({
            "NetworkID": network.id.as_str(),
            "Options": {
                GENERIC: network.options,
                ENABLE_IPV6: network.ipv6.is_some(),
                INTERNAL: network.internal,
            },
            "IPv4Data": network.subnets4().map(told).collect::<Vec<_>>(),
            "IPv6Data": network.subnets6().map(told).collect::<Vec<_>>(),
        });
        self.ask(plugin, NETWORKS, "CreateNetwork", request).map(drop)
    }

    /// The end of a network. Failures are logged: the network goes all the same.
    pub(crate) fn delete_remote(&self, network: &Network) {
        if let Driver::Plugin(plugin) = &network.driver {
            let request = json!({"NetworkID": network.id.as_str()});
            log(&network.name, self.ask(plugin, NETWORKS, "DeleteNetwork", request));
        }
        let gateways4 = network.subnets4().filter_map(|it| it.gateway).map(IpAddr::V4);
        let gateways6 = network.subnets6().filter_map(|it| it.gateway).map(IpAddr::V6);
        self.release_addresses(network, gateways4.chain(gateways6));
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
        // Before anything is done.
        let routes = routes(&answer["StaticRoutes"])
            .map_err(|source| Error::Plugin { plugin: plugin.to_owned(), source: source.into() })?;
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
            routes,
        })
    }

    /// The opposite. The device has gone with the namespace, or goes now. Failures are logged.
    pub(crate) fn unplug_remote(&self, plugin: &str, endpoint: &Endpoint) {
        let request = || json!({"NetworkID": endpoint.network_id.as_str(), "EndpointID": endpoint.id.as_str()});
        for method in ["Leave", "DeleteEndpoint"] {
            log(&endpoint.network_name, self.ask(plugin, NETWORKS, method, request()));
        }
    }
}

/// A subnet as programs are told of it.
fn told<A: Copy + Display, N: Copy + Into<IpNet>>(subnet: &Subnet<A, N>) -> Value {
    let pool: IpNet = subnet.subnet.into();
    let with_bits = |address: A| format!("{address}/{}", pool.prefix_len());
    let others = subnet.auxiliary.iter().map(|(name, address)| (name, with_bits(*address)));
    json!({
        "AddressSpace": "LocalDefault",
        "Pool": pool,
        "Gateway": subnet.gateway.map(with_bits),
        "AuxAddresses": others.collect::<BTreeMap<_, _>>(),
    })
}

/// The static routes of an answer.
fn routes(answer: &Value) -> Result<Vec<Route>, String> {
    let Some(all) = answer.as_array() else { return Ok(Vec::new()) };
    if all.len() > MOST_ROUTES {
        return Err(format!("its answer to Join has more than {MOST_ROUTES} static routes"));
    }
    all.iter().map(route).collect()
}

fn route(answer: &Value) -> Result<Route, String> {
    let wrong = |what: &str| format!("its answer to Join has a static route {what}: {answer}");
    let text = |key: &str| answer[key].as_str().unwrap_or_default();
    let destination = text("Destination").parse::<IpNet>();
    let destination = destination.map_err(|_| wrong("without a destination"))?.trunc();
    let gateway = match answer["RouteType"].as_u64().unwrap_or(BY_GATEWAY) {
        BY_DEVICE => None,
        BY_GATEWAY => {
            let gateway = text("NextHop").parse::<IpAddr>();
            Some(gateway.map_err(|_| wrong("without a gateway"))?)
        }
        _ => return Err(wrong("of an unknown type")),
    };
    if gateway.is_some_and(|it| it.is_ipv4() != destination.addr().is_ipv4()) {
        return Err(wrong("whose gateway is of the other family"));
    }
    Ok(Route { destination, gateway })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn static_routes_are_read() {
        let answer = json!([
            {"Destination": "192.0.2.0/24", "RouteType": 1, "NextHop": ""},
            {"Destination": "198.51.100.7/24", "RouteType": 0, "NextHop": "10.0.0.9"},
            {"Destination": "fd00::/8", "NextHop": "fe80::1"},
        ]);
        let found = routes(&answer).unwrap();
        let way = |destination: &str, gateway: Option<&str>| Route {
            destination: destination.parse().unwrap(),
            gateway: gateway.map(|text| text.parse().unwrap()),
        };
        let wanted = [
            way("192.0.2.0/24", None),
            way("198.51.100.0/24", Some("10.0.0.9")),
            way("fd00::/8", Some("fe80::1")),
        ];
        assert_eq!(found, wanted);
        assert!(routes(&Value::Null).unwrap().is_empty());
        for (route, says) in [
            (json!({"Destination": "nowhere", "RouteType": 1}), "without a destination"),
            (json!({"Destination": "192.0.2.0/24", "RouteType": 0}), "without a gateway"),
            (json!({"Destination": "192.0.2.0/24", "RouteType": 7}), "of an unknown type"),
            (json!({"Destination": "192.0.2.0/24", "NextHop": "fd00::1"}), "of the other family"),
        ] {
            let error = routes(&json!([route])).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        let many = vec![json!({"Destination": "192.0.2.0/24", "RouteType": 1}); MOST_ROUTES + 1];
        routes(&many.into()).unwrap_err();
    }
}
