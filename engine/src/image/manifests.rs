//! What is here of an image, for which platform: the manifests that its index lists, or its only one.

use gantry_api::image::{
    AttestationData, ImageIdentity, ManifestDescriptor, ManifestImage, ManifestPlatform,
    ManifestSize, ManifestSummary, PullIdentity, UnpackedSize,
};
use gantry_images::Image;
use gantry_oci::image::{Descriptor, Index, Manifest, Platform};
use serde::de::DeserializeOwned;

use super::Users;
use crate::engine::Engine;

/// The longest document that is read, in bytes: what registries take.
const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// The longest manifest of an attestation, in bytes.
const MAX_ATTESTATION_BYTES: u64 = 32 << 10;

/// A document of the store; nothing where it is not there or is something else.
pub(super) fn document<T: DeserializeOwned>(engine: &Engine, blob: &Descriptor) -> Option<T> {
    let mut bytes = Vec::new();
    let file = engine.images.open_blob(&blob.digest).ok()?;
    let length = blob.size.min(MAX_DOCUMENT_BYTES);
    std::io::Read::read_to_end(&mut std::io::Read::take(file, length), &mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// What the image's index lists.
pub(super) fn index(engine: &Engine, image: &Image) -> Option<Index> {
    document(engine, image.index.as_ref()?)
}

/// Where the image's name leads: to its index, or to its only manifest.
pub(super) fn target(image: &Image) -> ManifestDescriptor {
    described(image.index.as_ref().unwrap_or(&image.manifest))
}

/// Tells of all manifests of an image. `family` is what is here of it: first what its name leads to, then what is for other
/// platforms. `identity` asks for where each is from. Blocks.
pub(super) fn of(
    engine: &Engine,
    family: &[&Image],
    users: &Users,
    identity: bool,
) -> Vec<ManifestSummary> {
    let summary = |image: &&Image| present(image, users, identity);
    let index = family.first().and_then(|first| index(engine, first));
    let Some(index) = index else { return family.iter().map(summary).collect() };
    let mut told: Vec<ManifestSummary> = Vec::new();
    for entry in &index.manifests {
        told.push(match family.iter().find(|image| image.manifest.digest == entry.digest) {
            Some(image) => summary(image),
            None => absent(engine, entry),
        });
    }
    // What indexes in the index list.
    for image in family {
        let digest = image.manifest.digest.as_str();
        if !told.iter().any(|known| known.id == digest) {
            told.push(summary(image));
        }
    }
    told
}

fn present(image: &Image, users: &Users, identity: bool) -> ManifestSummary {
    ManifestSummary {
        id: image.manifest.digest.to_string(),
        descriptor: described(&image.manifest),
        available: true,
        size: ManifestSize {
            content: signed(image.content_bytes),
            total: signed(image.content_bytes.saturating_add(image.size_bytes)),
        },
        kind: "image".to_owned(),
        image_data: Some(ManifestImage {
            platform: platform(&image.config.platform),
            identity: if identity { self::identity(image) } else { None },
            containers: users.ids(image).to_vec(),
            size: UnpackedSize { unpacked: signed(image.size_bytes) },
        }),
        attestation_data: None,
    }
}

/// An entry of an index that is no image here: one for another platform, or something about an image.
fn absent(engine: &Engine, entry: &Descriptor) -> ManifestSummary {
    let mut told = ManifestSummary {
        id: entry.digest.to_string(),
        descriptor: described(entry),
        kind: "unknown".to_owned(),
        ..ManifestSummary::default()
    };
    if let Some(subject) = entry.attests() {
        "attestation".clone_into(&mut told.kind);
        told.attestation_data = Some(AttestationData { r#for: subject.to_owned() });
        let bytes = statement_bytes(engine, entry);
        told.available = bytes.is_some();
        let bytes = signed(bytes.unwrap_or_default());
        told.size = ManifestSize { content: bytes, total: bytes };
    } else if let Some(own) = &entry.platform {
        "image".clone_into(&mut told.kind);
        let image = ManifestImage { platform: platform(own), ..ManifestImage::default() };
        told.image_data = Some(image);
    }
    told
}

/// The manifest of an attestation, unless it is larger than any that builders make: all of them are read for every list.
pub(super) fn attestation(engine: &Engine, entry: &Descriptor) -> Option<Manifest> {
    if entry.size > MAX_ATTESTATION_BYTES {
        return None;
    }
    document(engine, entry)
}

/// What an attestation takes, when all of it is here.
pub(super) fn statement_bytes(engine: &Engine, entry: &Descriptor) -> Option<u64> {
    let manifest = attestation(engine, entry)?;
    let mut bytes = entry.size;
    for blob in manifest.layers.iter().chain([&manifest.config]) {
        engine.images.open_blob(&blob.digest).ok()?;
        bytes = bytes.saturating_add(blob.size);
    }
    Some(bytes)
}

/// The repositories that it came from: those that gave it its names with a digest, and those of which an archive says so.
pub(super) fn identity(image: &Image) -> Option<ImageIdentity> {
    let names = image.references.iter().chain(&image.beside);
    let named = names.filter(|reference| reference.digest().is_some());
    let mut pull: Vec<PullIdentity> =
        named.map(|reference| PullIdentity { repository: reference.repository() }).collect();
    pull.dedup();
    (!pull.is_empty()).then_some(ImageIdentity { pull })
}

fn platform(own: &Platform) -> ManifestPlatform {
    ManifestPlatform {
        architecture: own.architecture.clone(),
        os: own.os.clone(),
        variant: own.variant.clone().unwrap_or_default(),
    }
}

fn described(blob: &Descriptor) -> ManifestDescriptor {
    ManifestDescriptor {
        media_type: blob.media_type.clone(),
        digest: blob.digest.to_string(),
        size: signed(blob.size),
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
