//! Extracting a layer before anybody knows which one it is: archives of images say what their files are at their end.

use std::io::Read;
use std::os::fd::AsFd;

use gantry_archive::{Compression, Limits, decompress};
use gantry_types::Digest;

use crate::apply::{Ingest, LayerInfo};
use crate::format::{Extracted, Identity, Incoming};
use crate::row::Key;
use crate::{Error, Layers, Result};

/// An extracted layer that waits for its name; it goes when it is dropped.
#[derive(Debug)]
pub struct Staged {
    ingest: Ingest,
    extracted: Extracted,
}

impl Layers {
    /// Extracts what may be a layer. None of what is compressed, for its diffID would have to be taken here, and none of a
    /// layer that depends on those below it: [`Layers::apply`] is for them.
    ///
    /// # Errors
    /// It is no layer, or a step failed. Nothing is left of it then.
    pub fn stage(&self, tar: impl Read + Send) -> Result<Option<Staged>> {
        let (limits, store) = (Limits::default(), &self.shared.dirs.layers.path);
        let failed = |source| Error::Tree { action: "extract an archive that comes in", source };
        let mut plain = decompress(tar, &limits).map_err(failed)?;
        if plain.compression() != Compression::Plain {
            return Ok(None);
        }
        let ingest = self.make_room()?;
        let place = ingest.open()?;
        let incoming = Incoming {
            tar: &mut plain,
            identity: Identity::Later,
            limits: &limits,
            lower: &|| Ok(None),
            store,
        };
        let extracted = self.format.behaviour().extract(place.as_fd(), incoming)?;
        Ok((extracted.fixups == 0).then_some(Staged { ingest, extracted }))
    }

    /// Makes what was staged a layer, unless that is here already. The caller has seen that what it was extracted from has
    /// the digest `diff_id`, to its last byte.
    pub fn adopt(&self, staged: Staged, diff_id: &Digest) -> Result<LayerInfo> {
        let _claim = self.shared.claim(diff_id);
        if let Some(info) = self.find(diff_id, &[])? {
            return Ok(info);
        }
        let Staged { ingest, extracted } = staged;
        let named = self.format.behaviour().name(ingest.open()?.as_fd(), diff_id);
        let store = &self.shared.dirs.layers.path;
        named.map_err(|error| Error::store("name a layer in", store, error))?;
        self.record(ingest, (Key::plain(diff_id), diff_id), (self.format, &extracted))
    }
}
