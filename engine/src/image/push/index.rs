//! An index with all that it lists: when that is here, a push sends it as it came.

use gantry_images::Image;
use gantry_oci::image::{Index, Manifest, media_type};
use gantry_registry_client::Document;

use super::blobs::Push;
use super::document;
use crate::Result;
use crate::engine::Engine;
use crate::image::manifests;

/// An index, and the manifests that have to be there before it.
pub(super) struct Whole {
    pub(super) index: Document,
    manifests: Vec<(Document, Manifest)>,
}

/// The index of an image, when all that it lists is here. `family` is the image for all platforms that are.
pub(super) fn whole(engine: &Engine, family: &[Image]) -> Result<Option<Whole>> {
    let Some(blob) = family.first().and_then(|first| first.index.as_ref()) else {
        return Ok(None);
    };
    let Some(index) = manifests::document::<Index>(engine, blob) else { return Ok(None) };
    let mut listed = Vec::new();
    for entry in &index.manifests {
        let is_here = family.iter().any(|image| image.manifest.digest == entry.digest)
            || entry.attests().is_some() && manifests::statement_bytes(engine, entry).is_some();
        let manifest = manifests::document::<Manifest>(engine, entry).filter(|_| is_here);
        let Some(manifest) = manifest else { return Ok(None) };
        let mut document = document(engine, entry)?;
        if document.media_type.is_empty() {
            let own = manifest.media_type.as_deref();
            own.unwrap_or(media_type::OCI_MANIFEST).clone_into(&mut document.media_type);
        }
        listed.push((document, manifest));
    }
    Ok(Some(Whole { index: document(engine, blob)?, manifests: listed }))
}

impl Push<'_> {
    /// Sends what an index lists, and last the index itself.
    pub(super) fn whole(&self, whole: &Whole, tag: &str) -> Result<()> {
        for (document, manifest) in &whole.manifests {
            let pushed = self.blobs(manifest)?;
            self.engine.images.remember_places(&pushed.places(self.reference))?;
            self.repository.put_manifest(document.digest.as_str(), document)?;
        }
        self.put(tag, &whole.index)
    }
}
