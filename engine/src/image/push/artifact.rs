//! What is no image on its way to a registry: a manifest that was made for it, with blobs that are here.

use gantry_api::image::ProgressMessage;
use gantry_oci::image::Manifest;
use gantry_registry_client::{Access, Document, is_listed};
use tokio::sync::mpsc;

use super::PushRequest;
use super::blobs::Push;
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::image::intake::intake;
use crate::image::teller::Teller;

/// Pushes a manifest under the request's name; layers that are plain here are compressed on their way.
pub(crate) async fn push_artifact(
    engine: &Engine,
    request: PushRequest,
    manifest: Manifest,
    progress: mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    let engine = engine.clone();
    intake(move || {
        let PushRequest { reference, compression, credentials, .. } = request;
        let teller = Teller::new(progress);
        let registries = engine.live.registries();
        let push = Push {
            engine: &engine,
            repository: registries.repository(&reference, credentials, Access::Push),
            teller: &teller,
            domain: reference.domain(),
            path: reference.path(),
            reference: &reference,
            compression,
            gives_foreign: is_listed(reference.domain(), &engine.live().nondistributable),
        };
        let pushed = push.blobs(&manifest)?;
        let manifest = pushed.manifest(&manifest).unwrap_or(manifest);
        let bytes = serde_json::to_vec(&manifest)
            .map_err(|error| Error::invalid(format!("write a manifest: {error}")))?;
        let kind = manifest.media_type.as_deref().unwrap_or_default();
        push.put(reference.tag().unwrap_or("latest"), &Document::new(kind, bytes))?;
        Ok(engine.images.remember_places(&pushed.places(&reference))?)
    })
    .await
}
