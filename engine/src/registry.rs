//! The containers of this daemon by id and by name. Names are reserved here, so two creates cannot share one.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gantry_types::{ContainerId, ContainerName};
use tokio::sync::{mpsc, watch};

use crate::container::task::Command;
use crate::error::Error;
use crate::record::Snapshot;

/// The way to one container: commands go in, snapshots come out.
#[derive(Clone)]
pub(crate) struct Handle {
    pub commands: mpsc::Sender<Command>,
    pub snapshots: watch::Receiver<Snapshot>,
}

impl Handle {
    /// What is known now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.snapshots.borrow().clone()
    }
}

#[derive(Default)]
struct Maps {
    by_id: BTreeMap<ContainerId, Handle>,
    by_name: HashMap<ContainerName, ContainerId>,
}

/// All containers.
#[derive(Default)]
pub(crate) struct Registry {
    maps: Mutex<Maps>,
    changes: AtomicU64,
}

impl Registry {
    fn maps(&self) -> MutexGuard<'_, Maps> {
        // Every change below is complete in itself, so a panic elsewhere leaves nothing half done.
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `name` for `id`, or says who has it.
    pub(crate) fn reserve(&self, name: &ContainerName, id: &ContainerId) -> Result<(), Error> {
        let mut maps = self.maps();
        if let Some(owner) = maps.by_name.get(name) {
            return Err(Error::NameInUse { name: name.clone(), owner: owner.to_string() });
        }
        maps.by_name.insert(name.clone(), id.clone());
        Ok(())
    }

    /// Gives a reserved name back.
    pub(crate) fn release(&self, name: &ContainerName) {
        self.maps().by_name.remove(name);
    }

    /// Adds a container whose name is reserved.
    pub(crate) fn insert(&self, id: ContainerId, handle: Handle) {
        self.maps().by_id.insert(id, handle);
        self.changed();
    }

    /// Forgets a container and frees its name.
    pub(crate) fn remove(&self, id: &ContainerId, name: &ContainerName) {
        let mut maps = self.maps();
        maps.by_id.remove(id);
        maps.by_name.remove(name);
        self.changed();
    }

    /// The container that `text` means: a full id, a name with or without a slash before it, or the beginning of one
    /// id only, in this order.
    pub(crate) fn find(&self, text: &str) -> Result<Handle, Error> {
        let maps = self.maps();
        if let Some(handle) = text.parse().ok().and_then(|id: ContainerId| maps.by_id.get(&id)) {
            return Ok(handle.clone());
        }
        let named = text.parse().ok().and_then(|name: ContainerName| maps.by_name.get(&name));
        if let Some(handle) = named.and_then(|id| maps.by_id.get(id)) {
            return Ok(handle.clone());
        }
        let mut matching = maps.by_id.iter().filter(|(id, _)| id.as_str().starts_with(text));
        match (text.is_empty(), matching.next(), matching.next()) {
            (false, Some((_, handle)), None) => Ok(handle.clone()),
            (false, Some(_), Some(_)) => Err(Error::AmbiguousId(text.to_owned())),
            _ => Err(Error::NoSuchContainer(text.to_owned())),
        }
    }

    /// A snapshot of every container.
    pub(crate) fn snapshots(&self) -> Vec<Snapshot> {
        self.maps().by_id.values().map(Handle::snapshot).collect()
    }

    /// Counts a change of what snapshots show, once it can be seen there.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// How many changes there were. As long as this stays the same, so do the snapshots.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }
}
