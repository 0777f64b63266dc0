//! The documents of the images that a build gives, and what is told of them.

use std::collections::BTreeMap;

use gantry_archive::{Compression, Limits, decompress};
use gantry_build::Layer;
use gantry_images::{Lease, Loaded, NewImage};
use gantry_oci::image::{Descriptor, Platform, media_type};
use gantry_types::{Algorithm, Digest, ImageReference};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::wanted::{Annotation, Level};
use super::{Output, Results};
use crate::Result;
use crate::build::BuildRequest;
use crate::engine::Engine;
use crate::error::Error;
use crate::image;

/// Makes the images of an output under these names.
pub(super) fn make(
    engine: &Engine,
    results: &Results,
    request: &BuildRequest,
    (output, names): (&Output, &[ImageReference]),
) -> Result<Vec<Loaded>> {
    // What is stated about a manifest is stated about the one that registries get.
    let is_attested = results.predicates.iter().any(|some| !some.is_empty());
    // So is what is named by it.
    let is_known = is_attested || output.is_known_by_digest();
    let default = if is_known { Compression::Gzip } else { Compression::Plain };
    let is_as_said = is_known || output.level.is_some() || output.recompresses;
    let compression = match output.form {
        // A push compresses what it sends.
        super::Form::Image { is_pushed: true } if !is_as_said => Compression::Plain,
        super::Form::Image { is_pushed: true } => output.compression.unwrap_or(Compression::Gzip),
        _ => output.compression.unwrap_or(default),
    };
    let packing = Packing { compression, level: output.level, is_forced: output.recompresses };
    let annotations: Vec<&Annotation> =
        request.annotations.iter().chain(&output.annotations).collect();
    let on = |level: Level, platform: &Platform| -> BTreeMap<String, String> {
        let all = annotations.iter().filter(|note| note.is_on(level, platform));
        all.map(|note| (note.key.clone(), note.value.clone())).collect()
    };
    let mut leases = Vec::new();
    let mut images = Vec::with_capacity(results.built.len());
    for (number, built) in results.built.iter().enumerate() {
        let platform = &built.config.platform;
        images.push(NewImage {
            layers: compressed(engine, &built.layers, packing, &mut leases)?,
            predicates: results.predicates.get(number).cloned().unwrap_or_default(),
            annotations: on(Level::Manifest, platform),
            descriptor_annotations: on(Level::ManifestDescriptor, platform),
            config: built.config.clone(),
        });
    }
    let host = image::host_platform();
    let made = engine.images.make_all(images, on(Level::Index, &host), names)?;
    drop(leases);
    Ok(made)
}

/// What becomes of the archives of layers.
#[derive(Debug, Clone, Copy)]
pub(in crate::build) struct Packing {
    compression: Compression,
    level: Option<u32>,
    /// Also of those that are compressed already.
    is_forced: bool,
}

impl From<Compression> for Packing {
    fn from(compression: Compression) -> Self {
        Self { compression, level: None, is_forced: false }
    }
}

/// Each layer's diffID and blob: plain ones compressed where that is wanted, and others made so where that is forced.
pub(in crate::build) fn compressed(
    engine: &Engine,
    all: &[Layer],
    packing: Packing,
    leases: &mut Vec<Lease>,
) -> Result<Vec<(Digest, Descriptor)>> {
    let Packing { compression, level, is_forced } = packing;
    let kind = match compression {
        Compression::Plain => media_type::OCI_LAYER,
        Compression::Zstd => media_type::OCI_LAYER_ZSTD,
        Compression::Gzip => media_type::OCI_LAYER_GZIP,
    };
    let mut layers = Vec::with_capacity(all.len());
    for layer in all {
        let is_plain = layer.blob.media_type == media_type::OCI_LAYER;
        let stays = if is_plain { compression == Compression::Plain } else { !is_forced };
        let blob = if stays {
            layer.blob.clone()
        } else {
            let there = engine.images.open_blob(&layer.blob.digest)?;
            let plain = decompress(there, &Limits::default())
                .map_err(|source| Error::Build(gantry_build::Error::Archive(source)))?;
            let writer = engine.images.blob_writer(Algorithm::Sha256)?;
            let packed = image::pack(plain, writer, (compression, level))?;
            leases.push(packed.lease);
            Descriptor::new(kind, packed.digest, packed.size_bytes)
        };
        layers.push((layer.diff_id.clone(), blob));
    }
    Ok(layers)
}

/// The names that an image has by its digest.
pub(super) fn names_by_digest(
    output: &Output,
    names: &[ImageReference],
    loaded: &[Loaded],
) -> Result<Vec<ImageReference>> {
    let Some(first) = loaded.first() else { return Ok(Vec::new()) };
    let digest = &first.index.as_ref().unwrap_or(&first.manifest).digest;
    let by = &output.by_digest;
    let nameless = by.nameless.iter().filter(|_| names.is_empty());
    let named = names.iter().filter(|_| by.alone || by.as_well);
    named.chain(nameless).map(|name| image::digest_name(name, digest)).collect()
}

/// What `--metadata-file` has, by the names that buildx gives it.
pub(super) fn metadata(loaded: &[Loaded], names: &[ImageReference]) -> Value {
    let Some(first) = loaded.first() else { return json!({}) };
    let target = first.index.as_ref().unwrap_or(&first.manifest);
    let mut descriptor = json!({
        "mediaType": target.media_type,
        "digest": target.digest,
        "size": target.size,
    });
    if first.index.is_none() {
        descriptor["platform"] = json!(first.config.platform);
    }
    let mut metadata = json!({
        "containerimage.digest": target.digest,
        "containerimage.config.digest": first.id.digest(),
        "containerimage.descriptor": descriptor,
    });
    if !names.is_empty() {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        metadata["image.name"] = json!(names.join(","));
    }
    metadata
}

/// The id of the image that the first of the results would be.
pub(super) fn id_of(results: &Results) -> Result<Digest> {
    let config = results.built.first().map(|built| serde_json::to_vec(&built.config));
    let config = config.transpose().map_err(|error| Error::invalid(error.to_string()))?;
    Ok(Digest::sha256(Sha256::digest(config.unwrap_or_default()).into()))
}
