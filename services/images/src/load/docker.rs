//! The docker-archive format: `manifest.json` names configurations, layers and tags by path.
//! `repositories` and the `json` and `VERSION` files beside legacy layers say nothing new.

use gantry_oci::image::{ArchiveManifest, Descriptor, Manifest, media_type};
use gantry_types::{Digest, ImageReference};

use super::MAX_IMAGES;
use super::contents::{Contents, parse, read_document};
use super::plan::{Planned, check_layer, id_of, parse_config};
use crate::blobs::Staged;
use crate::import::encode;
use crate::{Error, Result};

pub(super) const MANIFEST: &str = "manifest.json";

/// Reads and checks everything that `manifest.json` points to.
pub(super) fn plan(contents: &mut Contents) -> Result<Vec<Planned>> {
    let entries = manifest(contents)?;
    entries.iter().map(|entry| plan_one(contents, entry)).collect()
}

/// The entries of `manifest.json`.
pub(super) fn manifest(contents: &Contents) -> Result<Vec<ArchiveManifest>> {
    let bytes = read_document(contents.at(MANIFEST)?, MANIFEST)?;
    let entries: Vec<ArchiveManifest> = parse(&bytes, MANIFEST, "docker-archive manifest")?;
    if entries.len() > MAX_IMAGES {
        return Err(Error::OverLimit {
            what: "the number of images in the archive".to_owned(),
            limit: format!("{MAX_IMAGES} images"),
        });
    }
    Ok(entries)
}

/// The names in an entry.
pub(super) fn references(entry: &ArchiveManifest) -> Result<Vec<ImageReference>> {
    let parse = |text: &String| {
        let reference: ImageReference = text.parse().map_err(|error| {
            Error::InvalidArchive(format!("the name {text:?} in {MANIFEST}: {error}"))
        })?;
        if reference.digest().is_some() {
            return Err(Error::InvalidArchive(format!(
                "the name {text:?} in {MANIFEST} has a digest where a tag is needed"
            )));
        }
        Ok(reference)
    };
    entry.repo_tags.iter().map(parse).collect()
}

fn plan_one(contents: &mut Contents, entry: &ArchiveManifest) -> Result<Planned> {
    let references = references(entry)?;
    let staged = contents.at(&entry.config)?;
    check_name(&entry.config, staged)?;
    let bytes = read_document(staged, &entry.config)?;
    let config_blob =
        Descriptor::new(media_type::OCI_CONFIG, staged.digest.clone(), staged.size_bytes);
    let config = parse_config(&bytes, &entry.config, entry.layers.len())?;
    let mut layers = Vec::with_capacity(entry.layers.len());
    for (path, diff_id) in entry.layers.iter().zip(&config.rootfs.diff_ids) {
        let staged = contents.at(path)?;
        if path.starts_with("blobs/") {
            check_name(path, staged)?;
        }
        let kind = check_layer(staged, diff_id, path)?;
        let descriptor = Descriptor::new(kind, staged.digest.clone(), staged.size_bytes);
        layers.push((diff_id.clone(), descriptor));
    }
    // The format has no manifest: one is made, so that every image has one.
    let blobs = layers.iter().map(|(_, descriptor)| descriptor.clone()).collect();
    let document = Manifest::new(config_blob.clone(), blobs);
    let (digest, size) = contents.stage_bytes(&encode(&document, "manifest")?)?;
    let manifest = Descriptor::new(media_type::OCI_MANIFEST, digest, size);
    let id = id_of(&bytes);
    Ok(Planned { id, references, manifest, others: Vec::new(), config, config_blob, layers })
}

/// `<hex>.json`, `sha256:<hex>` and `blobs/sha256/<hex>` claim a digest, which is checked. The names
/// of legacy layers claim none, or that of the uncompressed layer, which is checked anyway.
fn check_name(path: &str, staged: &Staged) -> Result<()> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let algorithm = staged.digest.algorithm().as_str();
    let stem = name.strip_suffix(".json").unwrap_or(name);
    let stem = stem.strip_prefix("sha256:").unwrap_or(stem);
    match format!("{algorithm}:{stem}").parse::<Digest>() {
        Ok(expected) if expected != staged.digest => Err(Error::DigestMismatch {
            name: path.to_owned(),
            expected,
            actual: staged.digest.clone(),
        }),
        _ => Ok(()),
    }
}
