//! Extracting a layer: to ingest, checked, moved into place, recorded. In that order, so that a row
//! always names a whole layer.

use std::io::Read;
use std::os::fd::AsFd;
use std::sync::Arc;

use gantry_archive::{Compression, Limits, decompress};
use gantry_types::Digest;

use crate::dirs::Dirs;
use crate::format::{Extracted, Identity, Incoming};
use crate::row::{Key, LAYERS, LayerRow};
use crate::{Error, Format, Layers, Result, view};

/// A layer that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerInfo {
    /// Its diffID.
    pub diff_id: Digest,
    /// Bytes in its files, as Docker counts them.
    pub size_bytes: u64,
}

impl From<&LayerRow> for LayerInfo {
    fn from(row: &LayerRow) -> Self {
        Self { diff_id: row.diff_id.clone(), size_bytes: row.size_bytes }
    }
}

impl Layers {
    /// Whether a layer is here, for use above these parents (diffIDs, lowest first).
    pub fn find(&self, diff_id: &Digest, parents: &[Digest]) -> Result<Option<LayerInfo>> {
        Ok(self.shared.state().find(diff_id, parents).map(LayerInfo::from))
    }

    /// Extracts a layer, unless it is here already. `tar` is plain, gzip or zstd, whatever its media
    /// type said; of a layer that is here, nothing is read. Several may call it at once, for the same
    /// layer, too: it is extracted once, and the others wait.
    ///
    /// `parents` (diffIDs, lowest first) must be here only if the layer depends on them, which is
    /// rare; [`Error::Missing`] tells.
    ///
    /// # Errors
    /// The content is damaged, hostile or another layer's ([`Error::Extract`],
    /// [`Error::WrongContent`]), the disk is full ([`Error::Full`]), or a step failed. Nothing is
    /// left of it then.
    pub fn apply(
        &self,
        diff_id: &Digest,
        parents: &[Digest],
        tar: impl Read + Send,
    ) -> Result<LayerInfo> {
        self.apply_content(diff_id, parents, (tar, false))
    }

    /// [`Layers::apply`] for content that the caller has hashed and keeps from others since then: what is not
    /// compressed is not hashed again when it comes under `digest`, its own.
    pub fn apply_verified(
        &self,
        diff_id: &Digest,
        parents: &[Digest],
        (tar, digest): (impl Read + Send, &Digest),
    ) -> Result<LayerInfo> {
        self.apply_content(diff_id, parents, (tar, digest == diff_id))
    }

    fn apply_content(
        &self,
        diff_id: &Digest,
        parents: &[Digest],
        content: (impl Read + Send, bool),
    ) -> Result<LayerInfo> {
        let _claim = self.shared.claim(diff_id);
        if let Some(info) = self.find(diff_id, parents)? {
            return Ok(info);
        }
        let ingest = self.make_room()?;
        let extracted = self.extract(&ingest, diff_id, parents, content)?;
        let key = if extracted.fixups == 0 || parents.is_empty() {
            Key::plain(diff_id)
        } else {
            Key::above(diff_id, parents)
        };
        self.record(ingest, (key, diff_id), (self.format, &extracted))
    }

    /// A place for a layer on its way.
    pub(crate) fn make_room(&self) -> Result<Ingest> {
        let number = {
            let mut state = self.shared.state();
            state.next_number += 1;
            state.next_number - 1
        };
        Ingest::make(&self.shared.dirs, number)
    }

    /// Puts a layer that is whole where layers are. The caller has claimed it.
    pub(crate) fn record(
        &self,
        ingest: Ingest,
        (key, diff_id): (Key, &Digest),
        (format, extracted): (Format, &Extracted),
    ) -> Result<LayerInfo> {
        let row = LayerRow {
            diff_id: diff_id.clone(),
            number: ingest.number,
            format,
            size_bytes: extracted.size_bytes,
            fixups: extracted.fixups,
            root_given: extracted.root_given,
            root_opaque: extracted.root_opaque,
            boot_id: self.shared.boot_id.clone(),
            synced: false,
            unfit_for_split: false,
        };
        let placed = ingest.place()?;
        self.shared.db.write(|tx| LAYERS.put(tx, key.as_str(), &row))?;
        placed.keep();
        let info = LayerInfo::from(&row);
        self.shared.state().rows.insert(key, row);
        self.janitor.sync_soon();
        Ok(info)
    }

    fn extract(
        &self,
        ingest: &Ingest,
        diff_id: &Digest,
        parents: &[Digest],
        (tar, was_hashed): (impl Read + Send, bool),
    ) -> Result<Extracted> {
        let dirs = &self.shared.dirs;
        let store = &dirs.layers.path;
        let limits = Limits::default();
        let mut plain =
            decompress(tar, &limits).map_err(|error| Error::extract(diff_id, store, error))?;
        let lower = || {
            if parents.is_empty() {
                return Ok(None);
            }
            view::merged(&self.lower(parents)?, dirs).map(Some)
        };
        let is_verified = was_hashed && plain.compression() == Compression::Plain;
        let incoming = Incoming {
            tar: &mut plain,
            identity: if is_verified {
                Identity::Verified(diff_id)
            } else {
                Identity::Claimed(diff_id)
            },
            limits: &limits,
            lower: &lower,
            store,
        };
        let place = ingest.open()?;
        self.format.behaviour().extract(place.as_fd(), incoming)
    }
}

/// A layer on its way: removed again, wherever it is by then, unless it is kept.
#[derive(Debug)]
pub(crate) struct Ingest {
    dirs: Arc<Dirs>,
    number: u64,
    pub(crate) name: String,
    place: Place,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    Ingest,
    Layers,
    Kept,
}

impl Ingest {
    fn make(dirs: &Arc<Dirs>, number: u64) -> Result<Self> {
        let name = number.to_string();
        let failed = |error| Error::store("make", &dirs.ingest.path_of(&name), error);
        dirs.ingest.make(&name, 0o700).map_err(failed)?;
        Ok(Self { dirs: Arc::clone(dirs), number, name, place: Place::Ingest })
    }

    pub(crate) fn open(&self) -> Result<std::os::fd::OwnedFd> {
        let (name, ingest) = (&self.name, &self.dirs.ingest);
        ingest.open_dir(name).map_err(|error| Error::store("open", &ingest.path_of(name), error))
    }

    /// Moves it to where layers are.
    fn place(mut self) -> Result<Self> {
        let (ingest, layers) = (&self.dirs.ingest, &self.dirs.layers);
        ingest
            .hand_over(&self.name, layers, &self.name)
            .map_err(|error| Error::store("move a layer to", &layers.path_of(&self.name), error))?;
        self.place = Place::Layers;
        Ok(self)
    }

    fn keep(mut self) {
        self.place = Place::Kept;
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        let room = match self.place {
            Place::Ingest => &self.dirs.ingest,
            Place::Layers => &self.dirs.layers,
            Place::Kept => return,
        };
        if let Err(error) = room.remove(&self.name) {
            tracing::warn!(%error, "cannot remove a partial layer; the next start tries again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_goes_wherever_it_is() {
        let temp = tempfile::tempdir().unwrap();
        let dirs = Arc::new(Dirs::open(temp.path()).unwrap());
        let is_there = |path: &str| temp.path().join(path).exists();

        let ingest = Ingest::make(&dirs, 5).unwrap();
        assert!(is_there("layers/ingest/5"));
        drop(ingest);
        assert!(!is_there("layers/ingest/5"));

        let placed = Ingest::make(&dirs, 6).unwrap().place().unwrap();
        assert!(is_there("layers/6") && !is_there("layers/ingest/6"));
        drop(placed);
        assert!(!is_there("layers/6"));

        Ingest::make(&dirs, 7).unwrap().place().unwrap().keep();
        assert!(is_there("layers/7"));
    }
}
