//! The networks by name and id, and how full they are, for whoever asks what there is: without the lock that is held while the kernel
//! makes and removes devices.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use gantry_types::NetworkId;

use crate::network::Network;
use crate::state::Taken;
use crate::{Error, Result};

/// A copy of what the state has; changed by the state alone.
#[derive(Debug, Default)]
pub(crate) struct Directory(RwLock<Entries>);

/// Each with its addresses.
type Entries = BTreeMap<NetworkId, (Network, Arc<Mutex<Taken>>)>;

impl Directory {
    pub(crate) fn put(&self, network: Network, addresses: Arc<Mutex<Taken>>) {
        self.write().insert(network.id.clone(), (network, addresses));
    }

    pub(crate) fn addresses(&self, id: &NetworkId) -> Option<Arc<Mutex<Taken>>> {
        self.read().get(id).map(|(_, addresses)| Arc::clone(addresses))
    }

    pub(crate) fn remove(&self, id: &NetworkId) {
        self.write().remove(id);
    }

    /// All of them, by name.
    pub(crate) fn list(&self) -> Vec<Network> {
        let mut all: Vec<Network> =
            self.read().values().map(|(network, _)| network.clone()).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// See [`crate::Networks::find`].
    pub(crate) fn find<T>(&self, text: &str, give: impl FnOnce(&Network) -> T) -> Result<T> {
        let all = self.read();
        let networks = || all.values().map(|(network, _)| network);
        let exact = networks().find(|network| network.id.as_str() == text);
        let named = || networks().find(|network| network.name == text);
        if let Some(network) = exact.or_else(named) {
            return Ok(give(network));
        }
        let begins = |network: &&Network| network.id.as_str().starts_with(text);
        let mut found = networks().filter(|network| !text.is_empty() && begins(network));
        match (found.next(), found.count()) {
            (Some(network), 0) => Ok(give(network)),
            (Some(_), more) => Err(Error::Ambiguous { text: text.to_owned(), count: more + 1 }),
            (None, _) => Err(Error::NoSuchNetwork(text.to_owned())),
        }
    }

    // Each change is one step: a panic leaves nothing half done.
    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
