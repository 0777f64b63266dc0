//! Removing layers that nobody needs. Who needs them, the caller knows.

use std::collections::HashSet;

use gantry_types::Digest;

use crate::row::{Key, LAYERS, LayerRow};
use crate::{Layers, Result};

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Layers.
    pub layers: u64,
    /// Bytes in their files.
    pub bytes: u64,
}

/// The rows that these chains may need.
pub(crate) fn needed(live: &HashSet<Vec<Digest>>) -> HashSet<Key> {
    let mut needed = HashSet::new();
    for chain in live {
        for (depth, diff_id) in chain.iter().enumerate() {
            needed.insert(Key::plain(diff_id));
            if depth > 0 {
                needed.insert(Key::above(diff_id, &chain[..depth]));
            }
        }
    }
    needed
}

impl Layers {
    /// Removes all layers that are in none of these chains (diffIDs, lowest first). The caller sees
    /// to it that no layer is extracted meanwhile for an image that is not in `live` yet.
    pub fn collect(&self, live: &HashSet<Vec<Digest>>) -> Result<Collected> {
        let needed = needed(live);
        self.remove_layers(|key, _| !needed.contains(key))
    }

    /// Removes a layer, in all the forms that it is here in. The caller knows that nobody needs it.
    pub fn remove_layer(&self, diff_id: &Digest) -> Result<Collected> {
        self.remove_layers(|_, row| row.diff_id == *diff_id)
    }

    fn remove_layers(&self, goes: impl Fn(&Key, &LayerRow) -> bool) -> Result<Collected> {
        let diff_ids: HashSet<Digest> = {
            let state = self.shared.state();
            let going = state.rows.iter().filter(|(key, row)| goes(key, row));
            going.map(|(_, row)| row.diff_id.clone()).collect()
        };
        let mut collected = Collected::default();
        for diff_id in diff_ids {
            let removed = self.remove_one(&diff_id, &goes)?;
            collected.layers += removed.layers;
            collected.bytes += removed.bytes;
        }
        if collected.layers > 0 {
            self.janitor.empty_trash_soon();
        }
        Ok(collected)
    }

    /// The row goes first: without a row, a directory is a stray that the next start removes.
    fn remove_one(
        &self,
        diff_id: &Digest,
        goes: &impl Fn(&Key, &LayerRow) -> bool,
    ) -> Result<Collected> {
        let _claim = self.shared.claim(diff_id);
        let going: Vec<(Key, LayerRow)> = {
            let state = self.shared.state();
            let rows = state.rows.iter();
            let going = rows.filter(|(key, row)| row.diff_id == *diff_id && goes(key, row));
            going.map(|(key, row)| (key.clone(), row.clone())).collect()
        };
        let mut collected = Collected::default();
        let dirs = &self.shared.dirs;
        for (key, row) in going {
            let taken = self.shared.state().rows.remove(&key);
            let removed = self.shared.db.write(|tx| LAYERS.remove(tx, key.as_str()));
            if let Err(error) = removed {
                self.shared.state().rows.extend(taken.map(|row| (key, row)));
                return Err(error.into());
            }
            self.shared.mounts.forget(row.number);
            dirs.throw_away(&dirs.layers, &row.number.to_string())?;
            collected.layers += 1;
            collected.bytes = collected.bytes.saturating_add(row.size_bytes);
        }
        Ok(collected)
    }
}
