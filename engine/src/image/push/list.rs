//! A list of manifests that a client has put together, on its way to the registry that has them: what other repositories there have is
//! mounted, and nothing comes through here but documents.

use gantry_api::image::DistributionPushed;
use gantry_oci::image::{Index, Manifest, media_type};
use gantry_registry_client::{Access, Credentials, Document, Repository};
use gantry_types::{Digest, ImageReference};

use super::{digest_name, place_of};
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::image::distribution::{MAX_DOCUMENTS, parse, registries};
use crate::image::intake::intake;

/// What to push.
#[derive(Debug, Clone)]
pub struct ListPushRequest {
    /// The name that the list will have.
    pub reference: ImageReference,
    /// The list's text.
    pub text: String,
    /// Those of its manifests that other repositories of the registry have, by their digests there.
    pub sources: Vec<ImageReference>,
    /// For the registry.
    pub credentials: Option<Credentials>,
    /// The registry may be spoken to as those in `insecure-registries` are.
    pub is_insecure: bool,
}

/// Brings the manifests over that are elsewhere, and puts the list under its name.
pub async fn push_list(engine: &Engine, request: ListPushRequest) -> Result<DistributionPushed> {
    let index: Index = parse(request.text.as_bytes(), "the list")?;
    let kind = index.media_type.clone().unwrap_or_default();
    if !media_type::is_index(&kind) {
        return Err(Error::invalid(format!("{kind:?} is no type of a list of manifests")));
    }
    let sources = sources(&request, &index)?;
    let registries = registries(engine, &request.reference, request.is_insecure);
    intake(move || {
        let ListPushRequest { reference, text, credentials, .. } = request;
        let target = registries.repository(&reference, credentials.clone(), Access::Push);
        let mut manifests = Vec::with_capacity(sources.len());
        for (source, digest) in sources {
            let from = registries.repository(&source, credentials.clone(), Access::Pull);
            let document = from.manifest(digest.as_str())?;
            mount(&document, &source, &target.mounting_from(source.path()))?;
            target.put_manifest(digest.as_str(), &document)?;
            manifests.push(digest_name(&reference, &digest)?.to_string());
        }
        let list = Document::new(&kind, text.into_bytes());
        target.put_manifest(place_of(&reference), &list)?;
        Ok(DistributionPushed { digest: list.digest.to_string(), manifests })
    })
    .await
}

/// The manifests that are to be brought over.
fn sources(request: &ListPushRequest, index: &Index) -> Result<Vec<(ImageReference, Digest)>> {
    if request.sources.len() > MAX_DOCUMENTS {
        return Err(Error::invalid(format!(
            "{} manifests are to be brought over: {MAX_DOCUMENTS} is the limit",
            request.sources.len()
        )));
    }
    let mut wanted = Vec::with_capacity(request.sources.len());
    for source in &request.sources {
        let digest = source.digest().filter(|it| index.manifests.iter().any(|m| m.digest == **it));
        let Some(digest) = digest else {
            return Err(Error::invalid(format!("the list has no manifest {source}")));
        };
        let (theirs, ours) = (source.domain(), request.reference.domain());
        if theirs != ours {
            return Err(Error::invalid(format!(
                "cannot use source images from a different registry than the target image: {theirs} != {ours}"
            )));
        }
        wanted.push((source.clone(), digest.clone()));
    }
    Ok(wanted)
}

/// Has the registry take a manifest's blobs over into `target`.
fn mount(document: &Document, source: &ImageReference, target: &Repository) -> Result<()> {
    let manifest: Manifest = parse(&document.bytes, document.digest.as_str())?;
    for blob in manifest.layers.iter().chain([&manifest.config]) {
        let is_elsewhere = media_type::is_foreign_layer(&blob.media_type) && !blob.urls.is_empty();
        if !is_elsewhere && target.take_over(&blob.digest, Some(source.path()))?.is_none() {
            return Err(Error::invalid(format!(
                "the registry does not take {} over from {source}: push the image into the list's own repository",
                blob.digest
            )));
        }
    }
    Ok(())
}
