//! From an image's chain of layers to directories.

use std::path::PathBuf;

use gantry_types::Digest;

use crate::dirs::EMPTY;
use crate::row::LayerRow;
use crate::state::State;
use crate::{Error, Layers, Result};

impl Layers {
    /// The directories of a chain (diffIDs, lowest first) as overlayfs wants them: topmost first, at
    /// least one.
    pub(crate) fn lower_dirs(&self, chain: &[Digest]) -> Result<Vec<PathBuf>> {
        let state = self.shared.state();
        let mut numbers = Vec::with_capacity(chain.len());
        for row in rows(&state, chain)?.into_iter().rev() {
            numbers.push(row.number);
            // Overlayfs ignores the mark of an opaque directory on a layer's root.
            if row.root_opaque {
                break;
            }
        }
        drop(state);
        if numbers.is_empty() {
            numbers.push(EMPTY);
        }
        Ok(numbers.into_iter().map(|number| self.shared.dirs.files(number)).collect())
    }

    /// The directory of the topmost layer that says what the root looks like.
    pub(crate) fn root_model(&self, chain: &[Digest]) -> Result<PathBuf> {
        let state = self.shared.state();
        let rows = rows(&state, chain)?;
        let topmost = rows.into_iter().rev().find(|row| row.root_given);
        let number = topmost.map_or(EMPTY, |row| row.number);
        Ok(self.shared.dirs.files(number))
    }
}

fn rows<'a>(state: &'a State, chain: &[Digest]) -> Result<Vec<&'a LayerRow>> {
    let mut rows = Vec::with_capacity(chain.len());
    for (depth, diff_id) in chain.iter().enumerate() {
        let row = state
            .find(diff_id, &chain[..depth])
            .ok_or_else(|| Error::Missing { diff_id: diff_id.clone() })?;
        rows.push(row);
    }
    Ok(rows)
}
