//! `push`: an image to a registry. What the registry has already is not sent.

mod artifact;
mod blobs;
mod compressed;
mod counted;
mod index;
mod list;
mod packed;

use std::io::Read;

use gantry_api::image::ProgressMessage;
pub use gantry_archive::Compression;
use gantry_images::{Image, Place};
pub use gantry_oci::image::Platform;
use gantry_oci::image::{Descriptor, Manifest};
use gantry_registry_client::{Access, Credentials, Document, is_listed};
use gantry_types::{Digest, ImageReference};
use tokio::sync::mpsc;

use super::changes::Pin;
use super::intake::intake;
use super::resolve;
use super::teller::Teller;
use super::told;
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
pub(crate) use artifact::push_artifact;
use blobs::Push;
pub(crate) use compressed::pack;
pub use list::{ListPushRequest, push_list};

/// What to push.
#[derive(Debug, Clone)]
pub struct PushRequest {
    /// The image, by the name that it will have there; one with a digest gets no tag.
    pub reference: ImageReference,
    /// The platform that it is for; all that are here, when that is all that its index lists.
    pub platform: Option<Platform>,
    /// What becomes of layers that are not compressed here. An image that came from a registry stays as it is.
    pub compression: Compression,
    /// For the registry.
    pub credentials: Option<Credentials>,
    /// The registry may be spoken to as those in `insecure-registries` are.
    pub is_insecure: bool,
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
        // Nobody may listen any more.
        drop(progress.send(where_to(&request.reference)).await);
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
    let pins = pins(engine, &request.reference).await;
    let engine = engine.clone();
    intake(move || {
        let pushed = push_one(&engine, request, &Teller::new(progress));
        drop(pins);
        pushed
    })
    .await
}

/// Keeps the layers of what is pushed: an archive may lie nowhere else. That there is no such image is told by others.
async fn pins(engine: &Engine, reference: &ImageReference) -> Vec<Pin> {
    let (resolving, name) = (engine.clone(), reference.to_string());
    let images = block(move || resolving.images.resolve_all(&name).unwrap_or_default()).await;
    let mut pins = Vec::with_capacity(images.len());
    for image in images {
        pins.push(engine.image_changes.pin(image.diff_ids().to_vec()).await);
    }
    pins
}

/// What clients are told first, whatever comes of it.
fn where_to(reference: &ImageReference) -> ProgressMessage {
    let repository = reference.repository();
    ProgressMessage::status("", format!("The push refers to repository [{repository}]"))
}

fn push_one(engine: &Engine, request: PushRequest, teller: &Teller) -> Result<()> {
    let PushRequest { reference, platform, compression, credentials, is_insecure } = request;
    teller.tell(where_to(&reference));
    let all = engine.images.resolve_all(&reference.to_string()).map_err(|error| match error {
        gantry_images::Error::NoSuchImage { .. } => {
            Error::NothingToPush { repository: reference.familiar_repository() }
        }
        other => other.into(),
    })?;
    let image = match &platform {
        Some(wanted) => resolve::choose(&reference.familiar(), &all, wanted)?,
        None => &all[0],
    };
    let whole = if platform.is_none() { index::whole(engine, &all)? } else { None };
    let document = document(engine, &image.manifest)?;
    let name = document.digest.to_string();
    let manifest: Manifest = serde_json::from_slice(&document.bytes).map_err(|source| {
        gantry_images::Error::InvalidDocument { name, what: "manifest", source }
    })?;
    // Its digest is how others know it.
    let came_from_afar =
        image.references.iter().any(|name| name.digest() == Some(&document.digest));
    let registries = super::distribution::registries(engine, &reference, is_insecure);
    let push = Push {
        engine,
        repository: registries.repository(&reference, credentials, Access::Push),
        teller,
        domain: reference.domain(),
        path: reference.path(),
        reference: &reference,
        compression: if came_from_afar || whole.is_some() {
            Compression::Plain
        } else {
            compression
        },
        gives_foreign: is_listed(reference.domain(), &engine.live().nondistributable),
    };
    let tag = place_of(&reference);
    if let Some(whole) = whole {
        push.whole(&whole, tag)?;
        return tell(&push, &all, &whole.index);
    }
    let pushed = push.blobs(&manifest)?;
    let document = match pushed.manifest(&manifest) {
        Some(changed) => {
            let bytes = serde_json::to_vec(&changed)
                .map_err(|error| Error::invalid(format!("write a manifest: {error}")))?;
            Document::new(&document.media_type, bytes)
        }
        None => document,
    };
    push.put(tag, &document)?;
    engine.images.remember_places(&pushed.places(&reference))?;
    if let Some(index) = image.index.as_ref().filter(|_| platform.is_none()) {
        // Some of what the index lists is not here.
        teller.aux(serde_json::json!({
            "manifestPushedInsteadOfIndex": true,
            "originalIndex": index,
            "selectedManifest": image.manifest,
        }));
    }
    tell(&push, std::slice::from_ref(image), &document)
}

/// Tells that the image is there for these platforms, and remembers under which digest.
fn tell(push: &Push<'_>, images: &[Image], document: &Document) -> Result<()> {
    let (engine, reference) = (push.engine, push.reference);
    // What a name keeps for another platform would become an image of its own by that.
    if images.first().is_some_and(|first| !first.is_sibling()) {
        engine.images.name_by_digest(images, &digest_name(reference, &document.digest)?)?;
    }
    let (tag, size) = (place_of(reference), document.bytes.len());
    push.teller.say("", format!("{tag}: digest: {} size: {size}", document.digest));
    let digest = document.digest.as_str();
    push.teller.aux(serde_json::json!({ "Tag": tag, "Digest": digest, "Size": size }));
    told::transferred(engine, "push", reference);
    Ok(())
}

/// Under what a registry has it: a digest, or a tag.
fn place_of(reference: &ImageReference) -> &str {
    let digest = reference.digest().map(Digest::as_str);
    digest.or(reference.tag()).unwrap_or("latest")
}

/// A manifest or index as it is in the store.
fn document(engine: &Engine, blob: &Descriptor) -> Result<Document> {
    let mut bytes = Vec::new();
    let path = blob.digest.to_string();
    let mut file = engine.images.open_blob(&blob.digest)?;
    file.read_to_end(&mut bytes).map_err(Error::file("read blob", path))?;
    Ok(Document { media_type: blob.media_type.clone(), digest: blob.digest.clone(), bytes })
}

/// `repository@digest`.
pub(crate) fn digest_name(reference: &ImageReference, digest: &Digest) -> Result<ImageReference> {
    let text = format!("{}@{digest}", reference.repository());
    text.parse().map_err(|error| Error::invalid(format!("{text}: {error}")))
}

/// A place in the repository of `reference`.
pub(super) fn place(reference: &ImageReference, blob: &Descriptor) -> Place {
    let (domain, path) = (reference.domain().to_owned(), reference.path().to_owned());
    Place { domain, path, blob: blob.clone() }
}
