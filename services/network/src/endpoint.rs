//! A container's place in a network: its addresses, and the host's ports that lead to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gantry_types::{EndpointId, NetworkId};
use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::addresses::Addresses;
use crate::family::Family;
use crate::network::{Driver, Network, Subnet};
use crate::ports::{self, PortWish, Published};
use crate::publish::{forget_answered_by, has_udp};
use crate::state::Live;
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
        if network.bridge.is_some() {
            self.ready()?;
        }
        if network.ipam.driver.is_empty() {
            return self.enter(id, network.id, wish);
        }
        let mut given = wish.clone();
        self.request_addresses(&network, &mut given)?;
        let entered = self.enter(id, network.id.clone(), &given);
        if entered.is_err() {
            self.release_addresses(&network, (given.address, given.address6));
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
        let wanted = if live.network.internal { &[][..] } else { &wish.ports };
        let options = live.network.bridge.as_ref().map(|it| it.options.clone()).unwrap_or_default();
        let (ports, held) = match ports::bind(wanted, &options, &sctp) {
            Ok(bound) => bound,
            Err(error) => {
                give_back(live, ipv4, ipv6);
                return Err(error);
            }
        };
        let endpoint = Endpoint {
            id: id.clone(),
            network_id,
            network_name: live.network.name.clone(),
            ipv4,
            ipv6,
            mac: wish.mac.unwrap_or_else(|| mac_for(ipv4, ipv6)),
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
            give_back(live, endpoint.ipv4, endpoint.ipv6);
            let is_ours = live.network.bridge.is_some() && live.network.ipam.driver.is_empty();
            remote = (!is_ours).then(|| live.network.clone());
        }
        drop(state);
        if let Some(network) = remote {
            if let Driver::Plugin(plugin) = &network.driver {
                self.unplug_remote(plugin, endpoint);
            }
            self.release_addresses(&network, (endpoint.address4(), endpoint.address6()));
        }
        if was_published && has_udp(endpoint) {
            forget_answered_by(endpoint);
        }
    }

    /// Those who are in a network now.
    pub fn endpoints(&self, network: &Network) -> Vec<Endpoint> {
        let mut state = self.state();
        state
            .get_mut(&network.id)
            .map_or_else(|_| Vec::new(), |live| live.endpoints.values().cloned().collect())
    }
}

fn places(live: &mut Live, wish: &EndpointWish) -> Result<(Option<Place4>, Option<Place6>)> {
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
    let own = network.ipv4.as_ref().zip(live.addresses4.as_mut());
    let ipv4 = place(network, own, (wish.address, wish.earlier))?;
    let own = network.ipv6.as_ref().zip(live.addresses6.as_mut());
    let ipv6 = place(network, own, (wish.address6, wish.earlier6));
    match ipv6 {
        Ok(ipv6) => Ok((ipv4, ipv6)),
        Err(error) => {
            give_back(live, ipv4, None);
            Err(error)
        }
    }
}

/// A network's subnet of one family, and what is taken there.
type Own<'a, A> = Option<(&'a Subnet<A, <A as Family>::Net>, &'a mut Addresses<A>)>;

/// Takes an address of one family: the one that is asked for, the one that it had before, or the next.
fn place<A: Family>(
    network: &Network,
    own: Own<'_, A>,
    (asked, earlier): (Option<A>, Option<A>),
) -> Result<Option<Place<A, A::Net>>> {
    let name = || network.name.clone();
    let Some((subnet, addresses)) = own else {
        return match asked {
            None => Ok(None),
            Some(address) => {
                let address = address.into();
                Err(Error::NoFamily { network: name(), family: A::NAME, address })
            }
        };
    };
    let net = subnet.subnet.into();
    let lies_within = |address: A| net.contains(&address.into());
    let address = match asked {
        None => earlier
            .filter(|it| lies_within(*it) && it.is_host(subnet.subnet) && addresses.take(*it))
            .or_else(|| addresses.next())
            .ok_or(Error::NoAddress { network: name(), subnet: net })?,
        Some(address) if !lies_within(address) => {
            let address = address.into();
            return Err(Error::Outside { address, network: name(), subnet: net });
        }
        Some(address) if !address.is_host(subnet.subnet) => {
            let address = address.into();
            return Err(Error::NotAHost { address, network: name(), subnet: net });
        }
        Some(address) if !addresses.take(address) => {
            return Err(Error::AddressTaken { address: address.into(), network: name() });
        }
        Some(address) => address,
    };
    let gateway = subnet.way_out().filter(|_| !network.internal);
    Ok(Some(Place { address, subnet: subnet.subnet, gateway }))
}

pub(crate) fn give_back(live: &mut Live, ipv4: Option<Place4>, ipv6: Option<Place6>) {
    if let (Some(addresses), Some(place)) = (&mut live.addresses4, ipv4) {
        addresses.free(place.address);
    }
    if let (Some(addresses), Some(place)) = (&mut live.addresses6, ipv6) {
        addresses.free(place.address);
    }
}

/// A locally administered address that nobody else of the network has, because nobody has the same address.
fn mac_for(ipv4: Option<Place4>, ipv6: Option<Place6>) -> [u8; 6] {
    let [a, b, c, d] = match (ipv4, ipv6) {
        (Some(place), _) => place.address.octets(),
        (None, Some(place)) => {
            let [.., a, b, c, d] = place.address.octets();
            [a, b, c, d]
        }
        (None, None) => [0; 4],
    };
    [0x02, 0x42, a, b, c, d]
}
