//! What is in memory: every volume, which of them may not go just now, and who uses those that are mounted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Volume, VolumeName, Volumes};

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) volumes: BTreeMap<VolumeName, Volume>,
    /// How many are about to use one.
    pins: HashMap<VolumeName, usize>,
    /// Names that volumes had until just now.
    pub(crate) moved: BTreeSet<VolumeName>,
    /// The users of volumes with a mount.
    pub(crate) users: HashMap<VolumeName, BTreeSet<String>>,
    /// Whose turn it is to fill a volume.
    pub(crate) turns: HashMap<VolumeName, Arc<Mutex<()>>>,
    /// Numbers of directories on their way out.
    pub(crate) trash: u64,
}

impl State {
    pub(crate) fn new(volumes: BTreeMap<VolumeName, Volume>) -> Self {
        Self { volumes, ..Self::default() }
    }

    pub(crate) fn is_pinned(&self, name: &VolumeName) -> bool {
        self.pins.contains_key(name)
    }

    /// Keeps a volume from going.
    pub(crate) fn pin(&mut self, name: &VolumeName) {
        *self.pins.entry(name.clone()).or_default() += 1;
    }

    fn unpin(&mut self, name: &VolumeName) {
        if let Some(count) = self.pins.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.pins.remove(name);
            }
        }
    }
}

/// Keeps volumes from being removed and renamed until it is dropped: whoever is about to use them has no record yet.
#[derive(Debug)]
pub struct Pins {
    state: Arc<Mutex<State>>,
    names: Vec<VolumeName>,
    moved: Vec<VolumeName>,
}

impl Pins {
    pub(crate) fn add(&mut self, name: VolumeName) {
        self.names.push(name);
    }

    pub(crate) fn moved(&mut self, name: VolumeName) {
        self.moved.push(name);
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for name in &self.names {
            state.unpin(name);
        }
        for name in &self.moved {
            state.moved.remove(name);
        }
    }
}

impl Volumes {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Every change is complete in itself, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps nothing yet; see [`Volumes::create_pinned`].
    pub fn pins(&self) -> Pins {
        Pins { state: Arc::clone(&self.state), names: Vec::new(), moved: Vec::new() }
    }
}
