//! `push`: an image to a registry. What the registry has already is not sent.

mod blobs;
mod compressed;
mod counted;

use std::io::Read;

use gantry_api::image::ProgressMessage;
pub use gantry_archive::Compression;
use gantry_images::{Image, Place};
use gantry_oci::image::Manifest;
pub use gantry_oci::image::Platform;
use gantry_registry_client::{Access, Credentials, Document};
use gantry_types::{Digest, ImageReference};
use tokio::sync::mpsc;

use super::intake::intake;
use super::resolve::check_platform;
use super::teller::Teller;
use super::told;
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use blobs::Push;

/// What to push.
#[derive(Debug, Clone)]
pub struct PushRequest {
    /// The image, by the name that it will have there.
    pub reference: ImageReference,
    /// The platform that the image must be for.
    pub platform: Option<Platform>,
    /// What becomes of layers that are not compressed here. An image that came from a registry stays as it is.
    pub compression: Compression,
    /// For the registry.
    pub credentials: Option<Credentials>,
}

/// Pushes every tag that images here have in the repository that `request` names.
pub async fn push_all(
    engine: &Engine,
    request: PushRequest,
    progress: mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    let (listing, wanted) = (engine.clone(), request.reference.clone());
    let tags = block(move || -> Result<Vec<ImageReference>> {
        let images = listing.images.list()?;
        let all = images.iter().flat_map(|image| &image.references);
        let is_wanted = |name: &&ImageReference| {
            name.digest().is_none() && name.repository() == wanted.repository()
        };
        Ok(all.filter(is_wanted).cloned().collect())
    })
    .await?;
    if tags.is_empty() {
        let repository = request.reference.familiar_repository();
        return Err(Error::NothingToPush { repository });
    }
    for reference in tags {
        push(engine, PushRequest { reference, ..request.clone() }, progress.clone()).await?;
    }
    Ok(())
}

/// Pushes one image and tells how far it is as Docker does.
pub async fn push(
    engine: &Engine,
    request: PushRequest,
    progress: mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    let engine = engine.clone();
    intake(move || push_one(&engine, request, &Teller::new(progress))).await
}

fn push_one(engine: &Engine, request: PushRequest, teller: &Teller) -> Result<()> {
    let PushRequest { reference, platform, compression, credentials } = request;
    let image = engine.images.resolve(&reference.to_string()).map_err(|error| match error {
        gantry_images::Error::NoSuchImage { .. } => {
            Error::NothingToPush { repository: reference.familiar_repository() }
        }
        other => other.into(),
    })?;
    if let Some(wanted) = &platform {
        check_platform(&reference.familiar(), &image.config.platform, wanted)?;
    }
    teller.say("", format!("The push refers to repository [{}]", reference.repository()));
    let document = document(engine, &image)?;
    let name = document.digest.to_string();
    let manifest: Manifest = serde_json::from_slice(&document.bytes).map_err(|source| {
        gantry_images::Error::InvalidDocument { name, what: "manifest", source }
    })?;
    // Its digest is how others know it.
    let came_from_afar =
        image.references.iter().any(|name| name.digest() == Some(&document.digest));
    let push = Push {
        engine,
        repository: engine.registries.repository(&reference, credentials, Access::Push),
        teller,
        domain: reference.domain(),
        path: reference.path(),
        compression: if came_from_afar { Compression::Plain } else { compression },
    };
    let pushed = push.blobs(&manifest)?;
    let document = match pushed.manifest(&manifest) {
        Some(changed) => {
            let bytes = serde_json::to_vec(&changed)
                .map_err(|error| Error::invalid(format!("write a manifest: {error}")))?;
            Document::new(&document.media_type, bytes)
        }
        None => document,
    };
    let tag = reference.tag().unwrap_or("latest");
    push.repository.put_manifest(tag, &document)?;
    engine.images.name_by_digest(&image.id, &digest_name(&reference, &document.digest)?)?;
    engine.images.remember_places(&pushed.places(&reference))?;
    let size = document.bytes.len();
    teller.say("", format!("{tag}: digest: {} size: {size}", document.digest));
    let digest = document.digest.as_str();
    teller.aux(serde_json::json!({ "Tag": tag, "Digest": digest, "Size": size }));
    told::transferred(engine, "push", &reference);
    Ok(())
}

/// The manifest as it is in the store.
fn document(engine: &Engine, image: &Image) -> Result<Document> {
    let mut bytes = Vec::new();
    let path = image.manifest.digest.to_string();
    let mut file = engine.images.open_blob(&image.manifest.digest)?;
    file.read_to_end(&mut bytes).map_err(Error::file("read blob", path))?;
    let media_type = image.manifest.media_type.clone();
    Ok(Document { media_type, digest: image.manifest.digest.clone(), bytes })
}

/// `repository@digest`.
pub(super) fn digest_name(reference: &ImageReference, digest: &Digest) -> Result<ImageReference> {
    let text = format!("{}@{digest}", reference.repository());
    text.parse().map_err(|error| Error::invalid(format!("{text}: {error}")))
}

/// A place in the repository of `reference`.
pub(super) fn place(reference: &ImageReference, blob: &gantry_oci::image::Descriptor) -> Place {
    let (domain, path) = (reference.domain().to_owned(), reference.path().to_owned());
    Place { domain, path, blob: blob.clone() }
}
