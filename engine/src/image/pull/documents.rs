//! From a name to the documents of one image: index, manifest, configuration.

use gantry_images::Step;
use gantry_oci::image::{ImageConfig, Manifest, Platform};
use gantry_registry_client::{Document, Repository};
use gantry_types::{Digest, ImageReference};

use super::elsewhere;
use crate::Result;
use crate::error::Error;
use crate::image::teller::Teller;

/// Indexes in indexes.
const MAX_DEPTH: usize = 4;

/// All that says what an image is.
pub(super) struct Documents {
    /// The digest of what the name leads to: of the index, where there is one.
    pub(super) resolved: Digest,
    /// The indexes on the way, the outermost first.
    pub(super) indexes: Vec<Document>,
    /// The manifest as it came.
    pub(super) manifest: Document,
    /// The same, read.
    pub(super) parsed: Manifest,
    /// The configuration as it came.
    pub(super) config: Vec<u8>,
    read: ImageConfig,
}

impl Documents {
    /// The layers' diffIDs, the lowest first.
    pub(super) fn chain(&self) -> &[Digest] {
        &self.read.rootfs.diff_ids
    }

    /// The id that the image will have.
    pub(super) fn image_id(&self) -> String {
        self.parsed.config.digest.to_string()
    }
}

/// Decides about the digests on the way from a name to its image: of the index, where there is one, and of the manifest.
type Judge<'a> = dyn Fn(&[Digest]) -> Result<()> + 'a;

/// Asks the registry for them. Nothing but manifests is asked for before `judge` has let the image in, and they are not
/// asked for again: what is judged is what is taken.
pub(super) fn fetch(
    repository: &Repository,
    reference: &ImageReference,
    platform: Option<&Platform>,
    teller: &Teller,
    judge: &Judge<'_>,
) -> Result<Documents> {
    let wanted = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.unwrap_or("latest").to_owned(),
    };
    let first = repository.manifest(&wanted)?;
    teller.say(&wanted, format!("Pulling from {}", reference.path()));
    let resolved = first.digest.clone();
    let mut indexes = Vec::new();
    let (manifest, parsed) = descend(repository, first, reference, platform, &mut indexes)?;
    let digests = indexes.iter().chain([&manifest]).map(|document| document.digest.clone());
    judge(&digests.collect::<Vec<_>>())?;
    let config = elsewhere::config(repository, &parsed.config)?;
    let read = serde_json::from_slice(&config).map_err(|source| {
        let name = parsed.config.digest.to_string();
        gantry_images::Error::InvalidDocument { name, what: "image configuration", source }
    })?;
    Ok(Documents { resolved, indexes, manifest, parsed, config, read })
}

fn descend(
    repository: &Repository,
    mut document: Document,
    reference: &ImageReference,
    platform: Option<&Platform>,
    indexes: &mut Vec<Document>,
) -> Result<(Document, Manifest)> {
    let name = reference.familiar();
    for _ in 0..MAX_DEPTH {
        match Step::read(&document.media_type, &document.bytes, &name, platform)? {
            Step::Image(manifest) => return Ok((document, *manifest)),
            Step::Descend(entry) => {
                let listed = elsewhere::manifest(repository, &entry)?;
                indexes.push(std::mem::replace(&mut document, listed));
            }
        }
    }
    Err(Error::invalid(format!("{name} is an index of indexes deeper than {MAX_DEPTH} levels")))
}
