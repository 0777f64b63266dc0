//! The managed plugins that listen: where, and what for. They need no question before the first: their configuration says what they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gantry_types::ImageReference;

use crate::find::Address;
use crate::{Known, Plugins, exchange};

/// A managed plugin that listens.
#[derive(Debug, Clone)]
pub struct Running {
    /// What it is called, with its tag.
    pub name: ImageReference,
    pub socket: PathBuf,
    /// What it can be asked for; see [`crate::managed::kinds`].
    pub kinds: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Table(Mutex<BTreeMap<ImageReference, Known>>);

impl Table {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ImageReference, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, name: &str) -> Option<Known> {
        let table = self.lock();
        if table.is_empty() {
            return None;
        }
        table.get(&name.parse::<ImageReference>().ok()?).cloned()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.lock().keys().map(ImageReference::familiar).collect()
    }
}

/// Whether a managed plugin listens at its socket.
pub fn listens(socket: &Path) -> bool {
    exchange::connect_managed(socket, Duration::from_secs(1)).is_ok()
}

impl Plugins {
    /// From now on it is found by its name, with its tag or without where that is `latest`, before any file is.
    pub fn add(&self, running: Running) {
        let known = Known { address: Address::Managed(running.socket), implements: running.kinds };
        self.running.lock().insert(running.name, known);
    }

    /// From now on it is not found.
    pub fn take_away(&self, name: &ImageReference) {
        self.running.lock().remove(name);
    }
}
