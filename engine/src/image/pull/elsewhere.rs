//! Content that need not come from the registry: what a descriptor holds itself, and layers that lie at URLs of their own
//! (image-spec, `descriptor.md`: `data` and `urls`).

use std::io;

use gantry_images::BlobWriter;
use gantry_oci::image::Descriptor;
use gantry_registry_client::{Document, Repository, inline};

use super::layers::Fetch;
use crate::Result;
use crate::image::teller::LayerTeller;

/// A configuration.
pub(super) fn config(repository: &Repository, descriptor: &Descriptor) -> Result<Vec<u8>> {
    match inline(descriptor) {
        Some(bytes) => Ok(bytes),
        None => Ok(repository.document_blob(&descriptor.digest, descriptor.size)?),
    }
}

/// A manifest or an index that an index lists.
pub(super) fn manifest(repository: &Repository, descriptor: &Descriptor) -> Result<Document> {
    match inline(descriptor) {
        Some(bytes) => Ok(Document {
            media_type: descriptor.media_type.clone(),
            digest: descriptor.digest.clone(),
            bytes,
        }),
        None => Ok(repository.manifest(descriptor.digest.as_str())?),
    }
}

impl Fetch<'_> {
    /// Brings in what is missing of a layer, from wherever it is.
    pub(super) fn obtain(
        &self,
        mut writer: BlobWriter,
        blob: &Descriptor,
        told: &mut LayerTeller<'_>,
    ) -> Result<BlobWriter> {
        let had_bytes = writer.size_bytes();
        if let Some(bytes) = inline(blob).filter(|_| had_bytes == 0) {
            writer.append(&bytes)?;
            return Ok(writer);
        }
        if blob.urls.is_empty() || writer.has_parts() || self.repository.has_blob(&blob.digest)? {
            return self.bring_in(writer, blob, told);
        }
        let place = (&blob.digest, blob.urls.as_slice());
        let fetched = self.repository.fetch_elsewhere(place, blob.size, had_bytes, &mut |piece| {
            self.go_on()?;
            writer.append(piece).map_err(io::Error::other)?;
            told.figure("Downloading", writer.size_bytes());
            Ok(())
        });
        match fetched {
            Ok(()) => Ok(writer),
            Err(error) => {
                if !error.may_go_on() {
                    writer.discard();
                }
                Err(error.into())
            }
        }
    }
}
