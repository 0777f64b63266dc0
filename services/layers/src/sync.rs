//! Flushing layers to the disk, off everybody's way.

use crate::row::{Key, LAYERS, LayerRow};
use crate::state::Shared;
use crate::{Error, Layers, Result};

impl Layers {
    /// Flushes all new layers to the disk and records that they survive a crash of the machine. It
    /// happens by itself a few seconds after a layer came; call it before the machine goes down.
    pub fn sync(&self) -> Result<()> {
        self.shared.sync()
    }

    /// Removes what is in the trash now. It happens by itself in the background.
    pub fn empty_trash(&self) -> Result<()> {
        self.shared.empty_trash(|| false)
    }
}

impl Shared {
    pub(crate) fn sync(&self) -> Result<()> {
        let unsynced: Vec<(Key, u64)> = self
            .state()
            .rows
            .iter()
            .filter(|(_, row)| !row.synced)
            .map(|(key, row)| (key.clone(), row.number))
            .collect();
        if unsynced.is_empty() {
            return Ok(());
        }
        let path = &self.dirs.layers.path;
        rustix::fs::syncfs(&self.dirs.layers.fd)
            .map_err(|error| Error::store("flush", path, error))?;
        // The lock keeps a removal from coming between the row and its record; it is short.
        let mut state = self.state();
        let flushed = unsynced.into_iter().filter_map(|(key, number)| {
            let row = state.rows.get(&key).filter(|row| row.number == number)?;
            Some((key, LayerRow { synced: true, ..row.clone() }))
        });
        let flushed: Vec<(Key, LayerRow)> = flushed.collect();
        self.db.write(|tx| {
            flushed.iter().try_for_each(|(key, row)| LAYERS.put(tx, key.as_str(), row))
        })?;
        // Only now: whoever reads here that a layer is on the disk may let go of its archive.
        state.rows.extend(flushed);
        Ok(())
    }
}
