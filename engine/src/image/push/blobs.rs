//! The blobs of an image on their way to a registry: several at once.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use gantry_archive::Compression;
use gantry_images::Place;
use gantry_oci::image::{Descriptor, Manifest, media_type};
use gantry_registry_client::{Document, Repository, Uploaded};
use gantry_types::{Digest, ImageReference};

use super::counted::Counted;
use crate::Result;
use crate::engine::Engine;
use crate::image::teller::Teller;

/// One image's push.
pub(super) struct Push<'a> {
    pub(super) engine: &'a Engine,
    pub(super) repository: Repository,
    pub(super) teller: &'a Teller,
    pub(super) domain: &'a str,
    pub(super) path: &'a str,
    /// The name that is pushed.
    pub(super) reference: &'a ImageReference,
    /// For layers that are plain.
    pub(super) compression: Compression,
    /// Whether this registry may have layers that others must not distribute.
    pub(super) gives_foreign: bool,
}

/// What became of the blobs.
pub(super) struct Pushed {
    /// Each blob of the manifest here, and as it is there.
    blobs: Vec<(Descriptor, Descriptor)>,
}

impl Pushed {
    /// The manifest with the layers as they are there; none when they are the same.
    pub(super) fn manifest(&self, manifest: &Manifest) -> Option<Manifest> {
        let mut changed = manifest.clone();
        for layer in &mut changed.layers {
            let there = self.blobs.iter().find(|(here, _)| here.digest == layer.digest);
            if let Some((_, there)) = there {
                layer.media_type.clone_from(&there.media_type);
                layer.digest = there.digest.clone();
                layer.size = there.size;
            }
        }
        (changed != *manifest).then_some(changed)
    }

    /// Where the blobs can be found from now on.
    pub(super) fn places(&self, reference: &ImageReference) -> Vec<(Digest, Place)> {
        let place = |(here, there): &(Descriptor, Descriptor)| {
            (here.digest.clone(), super::place(reference, there))
        };
        self.blobs.iter().map(place).collect()
    }
}

impl Push<'_> {
    /// Sends what the manifest points to.
    pub(super) fn blobs(&self, manifest: &Manifest) -> Result<Pushed> {
        let mut blobs: Vec<&Descriptor> = Vec::new();
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            if !blobs.iter().any(|known| known.digest == blob.digest) {
                blobs.push(blob);
            }
        }
        for layer in &manifest.layers {
            self.teller.layer(&layer.digest, layer.size).say("Preparing");
        }
        let (next, failed, pushed) = (AtomicUsize::new(0), Mutex::new(None), Mutex::new(vec![]));
        let at_once = self.engine.live.settings().max_concurrent_uploads;
        thread::scope(|scope| {
            for _ in 0..at_once.max(1).min(blobs.len()) {
                scope.spawn(|| {
                    while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if lock(&failed).is_some() {
                            break;
                        }
                        match self.blob(blob, **blob == manifest.config) {
                            Ok(there) => lock(&pushed).push(((*blob).clone(), there)),
                            Err(error) => drop(lock(&failed).get_or_insert(error)),
                        }
                    }
                });
            }
        });
        if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        Ok(Pushed { blobs: pushed.into_inner().unwrap_or_else(PoisonError::into_inner) })
    }

    /// Sees to it that a tag leads to a document.
    pub(super) fn put(&self, tag: &str, document: &Document) -> Result<()> {
        // To put what is there makes registries write, and those refuse it that never let a tag change.
        if self.repository.has_manifest(tag, document) {
            return Ok(());
        }
        Ok(self.repository.put_manifest(tag, document)?)
    }

    /// Sees to it that a blob is there; how it is called there.
    fn blob(&self, blob: &Descriptor, is_config: bool) -> Result<Descriptor> {
        let say = |status: &str| {
            if !is_config {
                self.teller.layer(&blob.digest, blob.size).say(status);
            }
        };
        let is_foreign = media_type::is_foreign_layer(&blob.media_type) && !blob.urls.is_empty();
        if is_foreign && !self.gives_foreign {
            say("Skipped foreign layer");
            return Ok(blob.clone());
        }
        if let Some(kind) = self.compressed_type(blob).filter(|_| !is_config) {
            return self.plain_layer(blob, kind, &say);
        }
        let origin = self.origin(&blob.digest, |place| place.blob.digest == blob.digest)?;
        let uploaded = self.send(blob, origin.as_ref(), is_config)?;
        say(&status(uploaded, origin.as_ref()));
        Ok(blob.clone())
    }

    /// A layer that is plain here and compressed there: mostly it was there before.
    fn plain_layer(&self, blob: &Descriptor, kind: &str, say: &dyn Fn(&str)) -> Result<Descriptor> {
        let is_same = |place: &Place| place.blob.media_type == kind;
        let places = self.engine.images.places(&blob.digest)?;
        if let Some(known) = places.into_iter().find(is_same) {
            let origin = self.origin(&blob.digest, is_same)?;
            let path = origin.as_ref().map(|place| place.path.as_str());
            let found =
                self.with(path, |repository| repository.take_over(&known.blob.digest, path));
            if let Some(found) = found? {
                say(&status(found, origin.as_ref()));
                return Ok(known.blob);
            }
        }
        let there = self.send_compressed(blob, kind)?;
        say("Pushed");
        Ok(there)
    }

    fn send(&self, blob: &Descriptor, origin: Option<&Place>, is_config: bool) -> Result<Uploaded> {
        let images = &self.engine.images;
        let open = |from| {
            let content = images.open_blob(&blob.digest).map_err(io::Error::other)?;
            let told = (!is_config).then(|| (self.teller.clone(), blob.clone()));
            Counted::of_blob(content, from, told)
        };
        let path = origin.map(|place| place.path.as_str());
        let sent = self
            .with(path, |repository| repository.upload_blob(&blob.digest, blob.size, path, &open));
        Ok(sent?)
    }

    /// Uses the repository with the right to take blobs over from `path`.
    fn with<T>(&self, path: Option<&str>, work: impl FnOnce(&Repository) -> T) -> T {
        match path {
            Some(path) => work(&self.repository.mounting_from(path)),
            None => work(&self.repository),
        }
    }

    /// Another repository of the same registry where the blob was seen.
    fn origin(&self, here: &Digest, which: impl Fn(&Place) -> bool) -> Result<Option<Place>> {
        let elsewhere =
            |place: &Place| place.domain == self.domain && place.path != self.path && which(place);
        Ok(self.engine.images.places(here)?.into_iter().find(elsewhere))
    }

    /// The type that a plain layer gets by being compressed; none for what stays as it is.
    fn compressed_type(&self, blob: &Descriptor) -> Option<&'static str> {
        match (blob.media_type.as_str(), self.compression) {
            (_, Compression::Plain) => None,
            (media_type::OCI_LAYER, Compression::Gzip) => Some(media_type::OCI_LAYER_GZIP),
            (media_type::OCI_LAYER, Compression::Zstd) => Some(media_type::OCI_LAYER_ZSTD),
            // Docker's own manifests know no other compression.
            (media_type::DOCKER_LAYER, _) => Some(media_type::DOCKER_LAYER_GZIP),
            _ => None,
        }
    }
}

fn status(uploaded: Uploaded, origin: Option<&Place>) -> String {
    match (uploaded, origin) {
        (Uploaded::Existed, _) => "Layer already exists".to_owned(),
        (Uploaded::Mounted, Some(place)) => format!("Mounted from {}", place.path),
        (Uploaded::Mounted, None) | (Uploaded::Sent, _) => "Pushed".to_owned(),
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
