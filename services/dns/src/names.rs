//! Who has which name in which network. Changes are seen by the next question; nothing is cached anywhere.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// A container's place in one network: what it is called there, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The network's id; two places with the same one see each other.
    pub network: String,
    /// Its name: `web.lan` means `web` in the network `lan`.
    pub network_name: String,
    /// Every name it answers to there, in any case. The first one is told to who asks for its address's name.
    pub names: Vec<String>,
    pub addresses: Vec<IpAddr>,
    /// What it serves, for questions after services.
    pub ports: Vec<ServicePort>,
}

/// A port that a container says it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServicePort {
    pub number: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: &'static str,
}

/// The networks' names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    networks: HashMap<String, Network>,
    /// By container: the networks it has places in.
    members: HashMap<String, Vec<String>>,
}

/// One network's.
#[derive(Debug, Default)]
struct Network {
    name: Vec<u8>,
    names: HashMap<Vec<u8>, Vec<Arc<Place>>>,
    addresses: HashMap<IpAddr, Arc<Place>>,
    members: HashMap<String, Arc<Place>>,
}

impl Names {
    /// Makes these the places of a container, in place of those that it had.
    pub(crate) fn set(&mut self, container: &str, places: Vec<Place>) {
        self.remove(container);
        if places.is_empty() {
            return;
        }
        let networks = places.iter().map(|place| place.network.clone()).collect();
        self.members.insert(container.to_owned(), networks);
        for place in places {
            let network = self.networks.entry(place.network.clone()).or_default();
            network.name = key(&place.network_name);
            let place = Arc::new(place);
            for name in keys(&place) {
                network.names.entry(name).or_default().push(Arc::clone(&place));
            }
            for address in &place.addresses {
                network.addresses.insert(*address, Arc::clone(&place));
            }
            network.members.insert(container.to_owned(), place);
        }
    }

    fn remove(&mut self, container: &str) {
        for id in self.members.remove(container).unwrap_or_default() {
            let Some(network) = self.networks.get_mut(&id) else { continue };
            let Some(place) = network.members.remove(container) else { continue };
            for name in keys(&place) {
                if let Some(places) = network.names.get_mut(&name) {
                    places.retain(|other| !Arc::ptr_eq(other, &place));
                    if places.is_empty() {
                        network.names.remove(&name);
                    }
                }
            }
            for address in &place.addresses {
                if network.addresses.get(address).is_some_and(|it| Arc::ptr_eq(it, &place)) {
                    network.addresses.remove(address);
                }
            }
            if network.members.is_empty() {
                self.networks.remove(&id);
            }
        }
    }

    /// Those who have a name in a network.
    pub(crate) fn named(&self, network: &str, name: &[u8]) -> &[Arc<Place>] {
        let places = self.networks.get(network).and_then(|network| network.names.get(name));
        places.map_or(&[], Vec::as_slice)
    }

    /// Who has an address in a network.
    pub(crate) fn addressed(&self, network: &str, address: IpAddr) -> Option<&Arc<Place>> {
        self.networks.get(network)?.addresses.get(&address)
    }

    /// Whether a network is called so.
    pub(crate) fn is_called(&self, network: &str, name: &[u8]) -> bool {
        self.networks.get(network).is_some_and(|network| network.name == name)
    }
}

/// A name as questions have it.
pub(crate) fn key(name: &str) -> Vec<u8> {
    name.trim_end_matches('.').to_ascii_lowercase().into_bytes()
}

/// Each name once: a container may be called the same by itself and by its user.
fn keys(place: &Place) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = place.names.iter().map(|name| key(name)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| !key.is_empty());
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(network: &str, names: &[&str], address: [u8; 4]) -> Place {
        Place {
            network: network.to_owned(),
            network_name: format!("{network}-name"),
            names: names.iter().map(ToString::to_string).collect(),
            addresses: vec![address.into()],
            ports: Vec::new(),
        }
    }

    #[test]
    fn places_come_change_and_go() {
        let mut names = Names::default();
        names.set("one", vec![place("n", &["Web", "all", "web"], [10, 0, 0, 1])]);
        names.set("two", vec![place("n", &["db", "all"], [10, 0, 0, 2])]);
        assert_eq!(names.named("n", b"web").len(), 1, "once, in any case");
        assert_eq!(names.named("n", b"all").len(), 2);
        assert!(names.named("other", b"all").is_empty());
        assert_eq!(names.addressed("n", [10, 0, 0, 2].into()).unwrap().names[0], "db");
        assert!(names.is_called("n", b"n-name"));
        // Another one with the same address, and the old one goes: the address is the new one's.
        names.set("three", vec![place("n", &["x"], [10, 0, 0, 1])]);
        names.set("one", vec![place("m", &["web"], [10, 1, 0, 1])]);
        assert!(names.named("n", b"web").is_empty());
        assert_eq!(names.named("m", b"web").len(), 1);
        assert_eq!(names.addressed("n", [10, 0, 0, 1].into()).unwrap().names[0], "x");
        for container in ["one", "two", "three"] {
            names.set(container, Vec::new());
        }
        assert!(names.networks.is_empty() && names.members.is_empty());
    }
}
