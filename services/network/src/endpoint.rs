//! A container's place in a network: its addresses, and the host's ports that lead to it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gantry_types::{EndpointId, NetworkId};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::addresses::{Addresses, Usage};
use crate::family::Family;
use crate::network::{Driver, Network, Subnet};
use crate::ports::{self, PortWish, Published};
use crate::publish::{forget_answered_by, has_senders};
use crate::state::{self, Live};
use crate::{Error, Networks, Result};

/// What a container asks of a network.
#[derive(Debug, Clone, Default)]
pub struct EndpointWish {
    pub address: Option<Ipv4Addr>,
    pub address6: Option<Ipv6Addr>,
    /// Those of its last run: it gets them again if nobody else has them.
    pub earlier: Option<Ipv4Addr>,
    pub earlier6: Option<Ipv6Addr>,
    pub mac: Option<[u8; 6]>,
    pub ports: Vec<PortWish>,
}

/// What it has. The caller keeps it in the container's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub id: EndpointId,
    pub network_id: NetworkId,
    pub network_name: String,
    /// None in networks without IPv4.
    #[serde(flatten)]
    pub ipv4: Option<Place4>,
    #[serde(default)]
    pub ipv6: Option<Place6>,
    pub mac: [u8; 6],
    /// Its name in the container; the caller chooses it before [`Networks::plug`].
    #[serde(default)]
    pub device: String,
    pub ports: Vec<Published>,
}

/// The addresses of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place<A, N> {
    pub address: A,
    pub subnet: N,
    /// None in internal networks.
    pub gateway: Option<A>,
}

pub type Place4 = Place<Ipv4Addr, Ipv4Net>;
pub type Place6 = Place<Ipv6Addr, Ipv6Net>;

impl Endpoint {
    /// The device's end on the host.
    pub(crate) fn host_device(&self) -> String {
        format!("veth{}", &self.id.as_str()[..8])
    }

    /// Whether a device's name is of the form that [`Self::host_device`] gives.
    pub(crate) fn is_host_device(name: &str) -> bool {
        name.strip_prefix("veth").is_some_and(|number| {
            number.len() == 8 && number.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    }

    pub fn address4(&self) -> Option<Ipv4Addr> {
        self.ipv4.map(|place| place.address)
    }

    pub fn address6(&self) -> Option<Ipv6Addr> {
        self.ipv6.map(|place| place.address)
    }

    /// All of its addresses, each with the bits of its network's part.
    pub fn addresses(&self) -> impl Iterator<Item = (IpAddr, u8)> {
        let ipv4 = self.ipv4.map(|it| (IpAddr::V4(it.address), it.subnet.prefix_len()));
        let ipv6 = self.ipv6.map(|it| (IpAddr::V6(it.address), it.subnet.prefix_len()));
        ipv4.into_iter().chain(ipv6)
    }
}

impl Networks {
    /// Chooses addresses and takes the host's ports; nothing of it is to be seen outside of this process yet.
    ///
    /// # Errors
    /// There is no such network, no address left, an address or port is taken, or an address lies outside of the subnet. Nothing is
    /// kept then.
    pub fn allocate(&self, id: EndpointId, network: &str, wish: &EndpointWish) -> Result<Endpoint> {
        let network = self.find(network)?;
        // The default one has no bridge yet where the host lacks something for it.
        if network.driver == Driver::Bridge {
            self.ready()?;
        }
        if network.ipam.plugin().is_none() {
            return self.enter(id, network.id, wish);
        }
        let mut given = wish.clone();
        self.request_addresses(&network, &mut given)?;
        let entered = self.enter(id, network.id.clone(), &given);
        if entered.is_err() {
            let (ipv4, ipv6) = (given.address.map(IpAddr::V4), given.address6.map(IpAddr::V6));
            self.release_addresses(&network, ipv4.into_iter().chain(ipv6));
        }
        entered
    }

    fn enter(
        &self,
        id: EndpointId,
        network_id: NetworkId,
        wish: &EndpointWish,
    ) -> Result<Endpoint> {
        let mut state = self.state();
        let sctp = state.sctp.clone();
        let live = state.get_mut(&network_id)?;
        let (ipv4, ipv6) = places(live, wish)?;
        // Nothing of the host's leads to its own devices' children.
        let has_ports = !live.network.internal && live.network.parent.is_none();
        let wanted = if has_ports { wish.ports.as_slice() } else { &[] };
        let options = live.network.bridge.as_ref().map(|it| it.options.clone()).unwrap_or_default();
        let (ports, held) = match ports::bind(wanted, &options, &sctp) {
            Ok(bound) => bound,
            Err(error) => {
                live.give_back(ipv4, ipv6);
                return Err(state.explained(error));
            }
        };
        let mac = wish.mac.unwrap_or_else(|| mac_for(&id, (ipv4, ipv6), &live.endpoints));
        let endpoint = Endpoint {
            id: id.clone(),
            network_id,
            network_name: live.network.name.clone(),
            ipv4,
            ipv6,
            mac,
            device: String::new(),
            ports,
        };
        live.endpoints.insert(id.clone(), endpoint.clone());
        state.held.insert(id, held);
        Ok(endpoint)
    }

    /// Gives everything back. The device goes with the container's namespace, or before by [`Networks::unplug`]. Failures are logged:
    /// nobody can do more about them.
    pub fn release(&self, endpoint: &Endpoint) {
        let mut state = self.state();
        // What it does not have (any more) may be another's by now, and the caller's copy may be older.
        let known = state.get_mut(&endpoint.network_id).ok();
        let known = known.and_then(|live| live.endpoints.get(&endpoint.id));
        let ports = known.map_or_else(|| endpoint.ports.clone(), |known| known.ports.clone());
        let endpoint = &Endpoint { ports, ..endpoint.clone() };
        let was_published = state.published.remove(&endpoint.id);
        if was_published {
            Self::close_ports(&mut state, endpoint);
        }
        state.relays.remove(&endpoint.id);
        state.held.remove(&endpoint.id);
        let mut remote = None;
        if let Ok(live) = state.get_mut(&endpoint.network_id)
            && live.endpoints.remove(&endpoint.id).is_some()
        {
            live.give_back(endpoint.ipv4, endpoint.ipv6);
            let is_ours = live.network.bridge.is_some() && live.network.ipam.plugin().is_none();
            remote = (!is_ours).then(|| live.network.clone());
        }
        drop(state);
        if let Some(network) = remote {
            if let Driver::Plugin(plugin) = &network.driver {
                self.unplug_remote(plugin, endpoint);
            }
            self.release_addresses(&network, endpoint.addresses().map(|(address, _)| address));
        }
        if was_published && has_senders(endpoint) {
            forget_answered_by(endpoint);
        }
    }

    /// How full each subnet of a network is. Of addresses that a plugin gives, nothing is known. Waits for nobody who makes a device.
    pub fn usage(&self, network: &Network) -> Vec<(IpNet, Usage)> {
        let Some(addresses) = self.directory.addresses(&network.id) else { return Vec::new() };
        if network.config_only || network.ipam.plugin().is_some() {
            return Vec::new();
        }
        let taken = state::lock(&addresses);
        let ipv4 = network.subnets4().zip(&taken.ipv4);
        let ipv6 = network.subnets6().zip(&taken.ipv6);
        let ipv4 = ipv4.map(|(subnet, it)| (subnet.subnet.into(), it.usage()));
        ipv4.chain(ipv6.map(|(subnet, it)| (subnet.subnet.into(), it.usage()))).collect()
    }

    /// Those who are in a network now.
    pub fn endpoints(&self, network: &Network) -> Vec<Endpoint> {
        let mut state = self.state();
        state
            .get_mut(&network.id)
            .map_or_else(|_| Vec::new(), |live| live.endpoints.values().cloned().collect())
    }
}

fn places(live: &Live, wish: &EndpointWish) -> Result<(Option<Place4>, Option<Place6>)> {
    let network = &live.network;
    let name = network.name.clone();
    if network.config_only {
        return Err(Error::ConfigOnly { network: name });
    }
    if let Some(reason) = live.failure.clone() {
        return Err(Error::Down { network: name, reason });
    }
    if live.is_in_change {
        return Err(Error::InChange(name));
    }
    if matches!(network.driver, Driver::Host | Driver::Null) {
        return Err(Error::NoAddresses(name));
    }
    let mut taken = state::lock(&live.addresses);
    let own = network.subnets4().zip(&mut taken.ipv4);
    let ipv4 = place(network, own, (wish.address, wish.earlier))?;
    let own = network.subnets6().zip(&mut taken.ipv6);
    let ipv6 = place(network, own, (wish.address6, wish.earlier6));
    drop(taken);
    match ipv6 {
        Ok(ipv6) => Ok((ipv4, ipv6)),
        Err(error) => {
            live.give_back(ipv4, None);
            Err(error)
        }
    }
}

/// A network's subnet of one family, and what is taken there.
type Own<'a, A> = (&'a Subnet<A, <A as Family>::Net>, &'a mut Addresses<A>);

/// Takes an address of one family: the one that is asked for, the one that it had before, or the next of the first subnet that has one.
fn place<'a, A: Family + 'a>(
    network: &Network,
    own: impl Iterator<Item = Own<'a, A>>,
    (asked, earlier): (Option<A>, Option<A>),
) -> Result<Option<Place<A, A::Net>>> {
    let name = || network.name.clone();
    let mut own: Vec<Own<'_, A>> = own.collect();
    let mut taken = None;
    if let Some(asked) = asked {
        taken = Some(take(network, &mut own, asked)?);
    } else if own.is_empty() {
        return Ok(None);
    }
    if let Some(earlier) = earlier.filter(|_| taken.is_none()) {
        taken = take(network, &mut own, earlier).ok();
    }
    let next = || own.iter_mut().find_map(|(subnet, addresses)| Some((addresses.next()?, *subnet)));
    let Some((address, subnet)) = taken.or_else(next) else {
        return Err(Error::NoAddress { network: name(), subnets: names(&own) });
    };
    let gateway = subnet.way_out().filter(|_| !network.internal);
    Ok(Some(Place { address, subnet: subnet.subnet, gateway }))
}

/// Takes one particular address.
fn take<'a, A: Family>(
    network: &Network,
    own: &mut [Own<'a, A>],
    address: A,
) -> Result<(A, &'a Subnet<A, A::Net>)> {
    let name = || network.name.clone();
    if own.is_empty() {
        let address = address.into();
        return Err(Error::NoFamily { network: name(), family: A::NAME, address });
    }
    let subnets = names(own);
    let Some((subnet, addresses)) = own.iter_mut().find(|(_, addresses)| addresses.has(address))
    else {
        return Err(Error::Outside { address: address.into(), network: name(), subnets });
    };
    if !address.is_host(subnet.subnet) {
        let subnet = subnet.subnet.into();
        return Err(Error::NotAHost { address: address.into(), network: name(), subnet });
    }
    if !addresses.take(address) {
        return Err(Error::AddressTaken { address: address.into(), network: name() });
    }
    Ok((address, *subnet))
}

fn names<A: Family>(own: &[Own<'_, A>]) -> String {
    let all: Vec<String> = own.iter().map(|(subnet, _)| subnet.subnet.to_string()).collect();
    all.join(", ")
}

/// A locally administered address that nobody else of the network has: of IPv4 addresses each is one endpoint's, and so are the last bits
/// of most of IPv6's; where they are not, and where there are no addresses, the endpoint's id gives it.
fn mac_for(
    id: &EndpointId,
    (ipv4, ipv6): (Option<Place4>, Option<Place6>),
    others: &HashMap<EndpointId, Endpoint>,
) -> [u8; 6] {
    let of = |[a, b, c, d]: [u8; 4]| [0x02, 0x42, a, b, c, d];
    if let Some(place) = ipv4 {
        return of(place.address.octets());
    }
    let by_address = ipv6.map(|place| {
        let [.., a, b, c, d] = place.address.octets();
        of([a, b, c, d])
    });
    let text = id.as_str().as_bytes();
    let by_id = text.chunks_exact(4).map(|it| of([it[0], it[1], it[2], it[3]]));
    let is_free = |mac: &[u8; 6]| others.values().all(|other| other.mac != *mac);
    by_address.into_iter().chain(by_id).find(is_free).unwrap_or_else(|| of([0; 4]))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    use gantry_db::Db;

    use super::*;
    use crate::{Config, CreateOptions};

    #[test]
    fn who_asks_how_full_a_network_is_waits_for_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config {
            default_bridge: false,
            default_network: CreateOptions::default(),
            users_bridge: None,
            remote: None,
            forwards: false,
            pools: Vec::new(),
            mtu: 1500,
            sysctl: dir.path().to_owned(),
        };
        let db = Arc::new(Db::open(&dir.path().join("meta.db")).unwrap());
        let networks = Networks::open(config, db).unwrap();
        let text = r#"{"id":"0101010101010101010101010101010101010101010101010101010101010101","name":"mine",
            "driver":"bridge","created_at":"1970-01-01T00:00:00Z","ipv4":{"subnet":"10.0.0.0/29","range":null,"gateway":"10.0.0.1",
            "auxiliary":{}},"internal":false,"attachable":false,"options":{},"labels":{}}"#;
        let network: Network = serde_json::from_str(text).unwrap();
        let mut busy = networks.state();
        busy.insert(Live::new(network.clone()));
        let place = Place {
            address: Ipv4Addr::new(10, 0, 0, 2),
            subnet: "10.0.0.0/29".parse().unwrap(),
            gateway: None,
        };
        busy.get_mut(&network.id).unwrap().keep(Some(place), None);
        let (sender, told) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| sender.send(networks.usage(&network)).unwrap());
            // As while a device is made.
            let usage = told.recv_timeout(Duration::from_secs(30)).unwrap();
            assert_eq!(usage[0].1, Usage { in_use: 4, available: 4 });
        });
        drop(busy);
    }

    #[test]
    fn hardware_addresses_differ() {
        let place = |text: &str| Place6 {
            address: text.parse().unwrap(),
            subnet: "fd00::/64".parse().unwrap(),
            gateway: None,
        };
        let mut others = HashMap::new();
        let mut macs = Vec::new();
        for (number, ipv6) in
            [(1, Some("fd00::5")), (2, Some("fd00::1:0:0:5")), (3, None), (4, None)]
        {
            let id = EndpointId::from_bytes([number; 32]);
            let ipv6 = ipv6.map(place);
            let mac = mac_for(&id, (None, ipv6), &others);
            assert!(!macs.contains(&mac), "{mac:x?} of {macs:x?}");
            macs.push(mac);
            let network_id = NetworkId::from_bytes([9; 32]);
            let (network_name, device) = ("six".to_owned(), "eth0".to_owned());
            let endpoint = Endpoint {
                id: id.clone(),
                network_id,
                network_name,
                ipv4: None,
                ipv6,
                mac,
                device,
                ports: Vec::new(),
            };
            others.insert(id, endpoint);
        }
        assert_eq!(macs[0], [0x02, 0x42, 0, 0, 0, 5]);
    }
}
