//! `pull`: an image from a registry. First the documents, which say what the image needs; then all its layers at once,
//! each extracted while it comes in.

mod attestations;
mod documents;
mod elsewhere;
mod layers;
mod ranges;
mod trust;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gantry_api::image::ProgressMessage;
use gantry_oci::image::{Platform, media_type};
use gantry_registry_client::{Access, Credentials};
use gantry_types::{Digest, ErrorKind, ImageReference};
use tokio::sync::mpsc;

use super::intake::intake;
use super::push::{digest_name, place};
use super::resolve::parse_platform;
use super::teller::Teller;
use super::told;
use super::unpack::collect_now;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, housekeeping};
use documents::Documents;
pub(crate) use trust::judge;

/// What to pull.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// The image, with a tag or a digest.
    pub reference: ImageReference,
    /// `os/architecture[/variant]`; this machine's by default.
    pub platform: Option<String>,
    /// For the registry.
    pub credentials: Option<Credentials>,
}

/// Pulls every tag of the repository that `request` names.
pub async fn pull_all(
    engine: &Engine,
    request: PullRequest,
    progress: mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    let name = request.reference.clone();
    let repository =
        engine.live.registries().repository(&name, request.credentials.clone(), Access::Pull);
    let tags = intake(move || Ok(repository.tags()?)).await?;
    for tag in tags {
        let reference = name.with_tag(&tag).map_err(|error| Error::invalid(error.to_string()))?;
        pull(engine, PullRequest { reference, ..request.clone() }, progress.clone()).await?;
    }
    Ok(())
}

/// Pulls one image and tells how far it is as Docker does. Layers that are here are not fetched.
pub async fn pull(
    engine: &Engine,
    request: PullRequest,
    progress: mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    let platform = request.platform.as_deref().filter(|text| !text.is_empty());
    let platform: Option<Platform> = platform.map(parse_platform).transpose()?;
    let reference = request.reference;
    let credentials = request.credentials;
    let repository = engine.live.registries().repository(&reference, credentials, Access::Pull);
    let teller = Teller::new(progress);

    let (judging, asking, asked) = (engine.clone(), teller.clone(), reference.clone());
    let (repository, documents) = intake(move || {
        let judge = |digests: &[Digest]| judge(&judging, &repository, &asked, digests);
        let documents = documents::fetch(&repository, &asked, platform.as_ref(), &asking, &judge)?;
        Ok((repository, documents))
    })
    .await?;
    let resolved = documents.resolved.clone();
    let was_known = is_known(engine, &reference, documents.image_id()).await;

    let pin = engine.image_changes.pin(documents.chain().to_vec()).await;
    let (fetching, telling, name) = (engine.clone(), teller.clone(), reference.clone());
    let fetched = intake(move || {
        let fetched = fetch_and_record(&fetching, &repository, &documents, &name, &telling);
        drop(pin);
        fetched
    })
    .await;
    if fetched.is_err() {
        collect_now(engine).await;
    }
    fetched?;
    housekeeping::flush_soon(engine);
    told::transferred(engine, "pull", &reference);
    let name = reference.familiar();
    let status = if was_known { "Image is up to date for" } else { "Downloaded newer image for" };
    block(move || {
        teller.say("", format!("Digest: {resolved}"));
        teller.say("", format!("Status: {status} {name}"));
    })
    .await;
    Ok(())
}

fn fetch_and_record(
    engine: &Engine,
    repository: &gantry_registry_client::Repository,
    documents: &Documents,
    reference: &ImageReference,
    teller: &Teller,
) -> Result<()> {
    let resolved = documents.resolved.clone();
    let manifest = &documents.manifest;
    let blob = (manifest.media_type.as_str(), &manifest.digest, manifest.bytes.as_slice());
    let incoming = engine.images.incoming(blob, &documents.parsed, &documents.config)?;
    for index in &documents.indexes {
        let kind = match index.media_type.as_str() {
            "" => media_type::OCI_INDEX,
            kind => kind,
        };
        incoming.keep_index((kind, &index.digest, &index.bytes))?;
    }
    let failed = AtomicBool::new(false);
    let fetched = thread::scope(|scope| {
        if !attestations::listed(documents).is_empty() {
            let failed = &failed;
            let is_wanted = move || !failed.load(Ordering::Relaxed) && !teller.is_alone();
            let (repository, incoming) = (repository, &incoming);
            scope.spawn(move || attestations::keep(repository, documents, incoming, is_wanted));
        }
        let fetched = layers::fetch_all(engine, repository, &incoming, teller);
        failed.store(fetched.is_err(), Ordering::Relaxed);
        fetched
    });
    let size_bytes = match fetched {
        Ok(size_bytes) => size_bytes,
        Err(error) => {
            if may_go_on(&error) {
                incoming.set_aside();
            } else {
                incoming.discard();
            }
            return Err(error);
        }
    };
    let layers = incoming.layers().iter().map(|(_, blob)| blob);
    let blobs = layers.chain([&documents.parsed.config]);
    let places: Vec<_> = blobs.map(|blob| (blob.digest.clone(), place(reference, blob))).collect();
    let loaded = incoming.finish(names_to_give(reference, &resolved)?)?;
    engine.images.record(&loaded, size_bytes)?;
    engine.images.remember_places(&places)?;
    Ok(())
}

/// Whether the next pull can go on with what this one brought in: all failures but those of the content.
fn may_go_on(error: &Error) -> bool {
    match error {
        Error::Registry(error) => error.may_go_on(),
        other => matches!(other.kind(), ErrorKind::StorageFull | ErrorKind::Internal),
    }
}

/// The name that was asked for, and the one by digest.
fn names_to_give(reference: &ImageReference, resolved: &Digest) -> Result<Vec<ImageReference>> {
    let by_digest = digest_name(reference, resolved)?;
    if reference.digest().is_some() {
        return Ok(vec![by_digest]);
    }
    Ok(vec![reference.clone(), by_digest])
}

/// Whether a name leads to the image with that id, for whatever platform.
async fn is_known(engine: &Engine, reference: &ImageReference, id: String) -> bool {
    let (engine, name) = (engine.clone(), reference.to_string());
    let all = block(move || engine.images.resolve_all(&name)).await;
    all.is_ok_and(|all| all.iter().any(|image| image.id.as_str() == id))
}
