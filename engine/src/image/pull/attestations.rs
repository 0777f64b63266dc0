//! What builders say of an image beside it in its index: how it was made, and of what. This comes along where it is small,
//! and an image without it is whole.

use gantry_images::Incoming;
use gantry_oci::image::{Descriptor, Index, Manifest};
use gantry_registry_client::Repository;
use gantry_types::error_chain;

use super::documents::Documents;
use super::elsewhere;
use crate::Result;

/// Attestations of one image that are taken.
const MAX_ATTESTATIONS: usize = 4;
/// Statements of one attestation that are taken.
const MAX_STATEMENTS: usize = 16;

/// Takes what the index has about the image, as long as that `is_wanted`. What cannot be had is not worth a failure.
pub(super) fn keep(
    repository: &Repository,
    documents: &Documents,
    incoming: &Incoming<'_>,
    is_wanted: impl Fn() -> bool,
) {
    for entry in listed(documents) {
        if let Err(error) = keep_one(repository, &entry, incoming, &is_wanted) {
            let error = error_chain(&error);
            tracing::debug!(attestation = %entry.digest, error, "left out");
        }
    }
}

/// The entries of the index that are about the image.
pub(super) fn listed(documents: &Documents) -> Vec<Descriptor> {
    let index = documents.indexes.last();
    let index: Option<Index> = index.and_then(|one| serde_json::from_slice(&one.bytes).ok());
    let entries = index.into_iter().flat_map(|index| index.manifests);
    let own = entries.filter(|entry| entry.attests() == Some(documents.manifest.digest.as_str()));
    own.take(MAX_ATTESTATIONS).collect()
}

fn keep_one(
    repository: &Repository,
    entry: &Descriptor,
    incoming: &Incoming<'_>,
    is_wanted: &impl Fn() -> bool,
) -> Result<()> {
    if !is_wanted() {
        return Ok(());
    }
    let document = elsewhere::manifest(repository, entry)?;
    let name = document.digest.to_string();
    let manifest: Manifest = serde_json::from_slice(&document.bytes).map_err(|source| {
        gantry_images::Error::InvalidDocument { name, what: "manifest", source }
    })?;
    incoming.keep_document(&document.digest, &document.bytes)?;
    let parts = manifest.layers.iter().take(MAX_STATEMENTS).chain([&manifest.config]);
    for blob in parts.take_while(|_| is_wanted()) {
        incoming.keep_document(&blob.digest, &elsewhere::config(repository, blob)?)?;
    }
    Ok(())
}
