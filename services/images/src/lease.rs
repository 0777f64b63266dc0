//! Leases: what keeps blobs that no record mentions yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantry_types::Digest;

use crate::blobs::Store;

/// Keeps some blobs alive as long as it lives. When the last lease of a blob goes and no image has
/// it, the blob goes too.
#[derive(Debug)]
pub struct Lease {
    store: Arc<Store>,
    digests: Vec<Digest>,
}

impl Lease {
    pub(crate) fn none(store: &Arc<Store>) -> Self {
        Self { store: Arc::clone(store), digests: Vec::new() }
    }

    /// Keeps what `other` kept.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.digests.append(&mut other.digests);
    }

    /// Keeps `digest` too. It must be called before the blob is renamed into its place, so that
    /// there is no moment in which a sweep could take it.
    pub(crate) fn add(&mut self, digest: &Digest) {
        self.store.leases.add(digest);
        self.digests.push(digest.clone());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        for digest in &self.digests {
            self.store.leases.release(digest);
            if let Err(error) = self.store.sweep(digest) {
                // The blob stays until the store is opened again.
                tracing::warn!(%digest, %error, "cannot remove a blob that nobody uses");
            }
        }
    }
}

/// How many leases each blob has. In memory only: when the store is opened, nobody holds any.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    counts: Mutex<HashMap<Digest, usize>>,
}

impl Leases {
    /// Nobody takes or gives up a lease while the guard lives.
    pub(crate) fn freeze(&self) -> Frozen<'_> {
        Frozen { counts: self.counts.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    fn add(&self, digest: &Digest) {
        *self.freeze().counts.entry(digest.clone()).or_insert(0) += 1;
    }

    fn release(&self, digest: &Digest) {
        let mut frozen = self.freeze();
        if let Some(count) = frozen.counts.get_mut(digest) {
            *count -= 1;
            if *count == 0 {
                frozen.counts.remove(digest);
            }
        }
    }
}

/// See [`Leases::freeze`].
pub(crate) struct Frozen<'a> {
    counts: MutexGuard<'a, HashMap<Digest, usize>>,
}

impl Frozen<'_> {
    /// How many leases a blob has.
    pub(crate) fn count(&self, digest: &Digest) -> usize {
        self.counts.get(digest).copied().unwrap_or(0)
    }
}
