//! `push`: an image to a registry. What the registry has already is not sent.

use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use gantry_api::image::ProgressMessage;
use gantry_images::Image;
use gantry_oci::image::{Descriptor, Manifest};
use gantry_registry_client::{Access, Credentials, Document, Repository, Uploaded};
use gantry_types::{Digest, ImageReference};
use tokio::sync::mpsc;

use super::intake::intake;
use super::teller::Teller;
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;

/// Blobs on their way at the same time.
const AT_ONCE: usize = 5;

/// What to push.
#[derive(Debug, Clone)]
pub struct PushRequest {
    /// The image, by the name that it will have there.
    pub reference: ImageReference,
    /// For the registry.
    pub credentials: Option<Credentials>,
}

/// Pushes one image and tells how far it is as Docker does.
pub async fn push(
    engine: &Engine,
    request: PushRequest,
    progress: mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    let engine = engine.clone();
    intake(move || {
        let PushRequest { reference, credentials } = request;
        let image = engine.images.resolve(&reference.to_string())?;
        let teller = Teller::new(progress);
        teller.say("", format!("The push refers to repository [{}]", reference.repository()));
        let mut repository = engine.registries.repository(&reference, credentials, Access::Push);
        let origin = origin(&image, &reference);
        if let Some(path) = &origin {
            repository = repository.mounting_from(path);
        }
        let document = document(&engine, &image)?;
        let push = Push { engine: &engine, repository: &repository, teller: &teller, origin };
        push.blobs(&document)?;
        push.manifest(&image, &reference, &document)
    })
    .await
}

/// Another repository of the same registry where the image's blobs are probably.
fn origin(image: &Image, reference: &ImageReference) -> Option<String> {
    let elsewhere = |known: &&ImageReference| {
        known.digest().is_some()
            && known.domain() == reference.domain()
            && known.path() != reference.path()
    };
    image.references.iter().find(elsewhere).map(|known| known.path().to_owned())
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

struct Push<'a> {
    engine: &'a Engine,
    repository: &'a Repository,
    teller: &'a Teller,
    /// Where blobs may be taken over from.
    origin: Option<String>,
}

impl Push<'_> {
    /// Sends what the manifest points to.
    fn blobs(&self, document: &Document) -> Result<()> {
        let name = document.digest.to_string();
        let manifest: Manifest = serde_json::from_slice(&document.bytes).map_err(|source| {
            gantry_images::Error::InvalidDocument { name, what: "manifest", source }
        })?;
        let mut blobs: Vec<&Descriptor> = Vec::new();
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            if !blobs.iter().any(|known| known.digest == blob.digest) {
                blobs.push(blob);
            }
        }
        for layer in &manifest.layers {
            self.teller.layer(&layer.digest, layer.size).say("Preparing");
        }
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
        let lock = || failed.lock().unwrap_or_else(PoisonError::into_inner);
        thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(blobs.len()) {
                scope.spawn(|| {
                    while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if lock().is_some() {
                            break;
                        }
                        if let Err(error) = self.blob(blob, **blob == manifest.config) {
                            lock().get_or_insert(error);
                        }
                    }
                });
            }
        });
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn blob(&self, blob: &Descriptor, is_config: bool) -> Result<()> {
        // Bytes that count themselves would need a lock around the figures; a state per layer is what people look at.
        let told = (!is_config).then(|| self.teller.layer(&blob.digest, blob.size));
        if let Some(told) = &told {
            told.say("Pushing");
        }
        let images = &self.engine.images;
        let open = || -> io::Result<Box<dyn Read + Send>> {
            let file = images.open_blob(&blob.digest).map_err(io::Error::other)?;
            Ok(Box::new(file))
        };
        let origin = self.origin.as_deref();
        let uploaded = self.repository.upload_blob(&blob.digest, blob.size, origin, &open)?;
        if let Some(told) = told {
            told.say(&match (uploaded, origin) {
                (Uploaded::Existed, _) => "Layer already exists".to_owned(),
                (Uploaded::Mounted, Some(origin)) => format!("Mounted from {origin}"),
                (Uploaded::Mounted, None) | (Uploaded::Sent, _) => "Pushed".to_owned(),
            });
        }
        Ok(())
    }

    fn manifest(
        &self,
        image: &Image,
        reference: &ImageReference,
        document: &Document,
    ) -> Result<()> {
        let tag = reference.tag().unwrap_or("latest");
        self.repository.put_manifest(tag, document)?;
        let by_digest = digest_name(reference, &document.digest)?;
        self.engine.images.name_by_digest(&image.id, &by_digest)?;
        let size = document.bytes.len();
        self.teller.say("", format!("{tag}: digest: {} size: {size}", document.digest));
        self.teller.aux(serde_json::json!({
            "Tag": tag, "Digest": document.digest.as_str(), "Size": size,
        }));
        Ok(())
    }
}

/// `repository@digest`.
pub(super) fn digest_name(reference: &ImageReference, digest: &Digest) -> Result<ImageReference> {
    let text = format!("{}@{digest}", reference.repository());
    text.parse().map_err(|error| Error::invalid(format!("{text}: {error}")))
}
