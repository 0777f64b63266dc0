//! What all parts of the store share: the directories, the database, and the rows in memory.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use gantry_db::Db;
use gantry_types::Digest;

use crate::dirs::Dirs;
use crate::mounts::Mounts;
use crate::quota::Quotas;
use crate::row::{Key, LayerRow};
use crate::spares::Spares;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dirs: Arc<Dirs>,
    pub(crate) db: Arc<Db>,
    pub(crate) boot_id: String,
    pub(crate) label: Option<String>,
    pub(crate) mounts: Mounts,
    pub(crate) spares: Spares,
    pub(crate) quotas: Quotas,
    state: Mutex<State>,
    released: Condvar,
}

/// The rows, as they are in the database: there are few, and every start of a container needs some.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) rows: HashMap<Key, LayerRow>,
    /// Layers that somebody extracts or removes.
    busy: HashSet<Digest>,
    pub(crate) next_number: u64,
}

impl State {
    pub(crate) fn new(rows: HashMap<Key, LayerRow>, next_number: u64) -> Self {
        Self { rows, busy: HashSet::new(), next_number }
    }

    /// The row that serves a layer above these parents.
    pub(crate) fn find(&self, diff_id: &Digest, parents: &[Digest]) -> Option<&LayerRow> {
        let plain = self.rows.get(&Key::plain(diff_id));
        match plain {
            Some(row) if row.fixups == 0 || parents.is_empty() => Some(row),
            _ if parents.is_empty() => None,
            _ => self.rows.get(&Key::above(diff_id, parents)),
        }
    }
}

impl Shared {
    pub(crate) fn new(
        (dirs, spares, label): (Dirs, Spares, Option<String>),
        db: Arc<Db>,
        boot_id: String,
        state: State,
    ) -> Self {
        let (mounts, released) = (Mounts::default(), Condvar::new());
        let dirs = Arc::new(dirs);
        let (quotas, state) = (Quotas::default(), Mutex::new(state));
        Self { dirs, db, boot_id, label, mounts, spares, quotas, state, released }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is one step: a panic leaves it sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else works on a layer, and keeps others off it.
    pub(crate) fn claim(&self, diff_id: &Digest) -> Claim<'_> {
        let mut state = self.state();
        while !state.busy.insert(diff_id.clone()) {
            state = self.released.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Claim { shared: self, diff_id: diff_id.clone() }
    }
}

/// The right to work on a layer; given back when dropped.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    shared: &'a Shared,
    diff_id: Digest,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.shared.state().busy.remove(&self.diff_id);
        self.shared.released.notify_all();
    }
}
