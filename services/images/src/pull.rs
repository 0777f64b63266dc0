//! Taking an image in piece by piece, as a registry gives it. The documents come first; they say which layers to get.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gantry_oci::image::{Descriptor, ImageConfig, Index, Manifest, Platform, media_type};
use gantry_types::{Digest, ImageReference};

use crate::blobs::BlobWriter;
use crate::lease::Lease;
use crate::load::layout::{check_layer_type, parse_index};
use crate::load::plan::{id_of, parse_config};
use crate::load::platform::{choose, host_platform, is_attestation};
use crate::{Error, ImageId, Images, LayerBlob, Loaded, Result};

/// Where the document that a name leads to leads on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It lists several; this one is ours.
    Descend(Box<Descriptor>),
    /// It is the manifest of one image.
    Image(Box<Manifest>),
}

impl Step {
    /// Reads a manifest or index. `kind` is its media type, as far as its origin said so.
    ///
    /// # Errors
    /// It is neither, or it has nothing for `wanted` (by default, for this machine).
    pub fn read(
        kind: &str,
        document: &[u8],
        name: &str,
        wanted: Option<&Platform>,
    ) -> Result<Self> {
        if !is_index(kind, document) {
            let manifest: Manifest = crate::load::contents::parse(document, name, "manifest")?;
            return Self::image(manifest, name);
        }
        let index = parse_index(document, name)?;
        let candidates: Vec<&Descriptor> =
            index.manifests.iter().filter(|entry| !is_attestation(entry)).collect();
        let host = host_platform();
        let wanted = wanted.unwrap_or(&host);
        let chosen = choose(&candidates, wanted).ok_or_else(|| Error::NoManifestForPlatform {
            name: name.to_owned(),
            wanted: wanted.to_string(),
        })?;
        Ok(Self::Descend(Box::new(chosen.clone())))
    }

    fn image(manifest: Manifest, name: &str) -> Result<Self> {
        let kind = manifest.config.media_type.as_str();
        if !media_type::is_config(kind) {
            return Err(Error::NotAnImage { name: name.to_owned(), kind: kind.to_owned() });
        }
        manifest.layers.iter().try_for_each(check_layer_type)?;
        Ok(Self::Image(Box::new(manifest)))
    }
}

/// By the media type, or where that says nothing by what the document has.
fn is_index(kind: &str, document: &[u8]) -> bool {
    if media_type::is_index(kind) || media_type::is_manifest(kind) {
        return media_type::is_index(kind);
    }
    serde_json::from_slice::<Index>(document).is_ok_and(|index| !index.manifests.is_empty())
}

/// An image that is coming in. What came in goes again when this is dropped before [`Incoming::finish`].
#[derive(Debug)]
pub struct Incoming<'a> {
    images: &'a Images,
    id: ImageId,
    manifest: Descriptor,
    config: ImageConfig,
    layers: Vec<(Digest, Descriptor)>,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    lease: Lease,
    blobs: Vec<(Digest, u64)>,
    index: Option<Descriptor>,
}

impl Images {
    /// Begins with the documents of an image. `manifest` is the blob's type and digest, with the parsed document.
    pub fn incoming(
        &self,
        (kind, digest, bytes): (&str, &Digest, &[u8]),
        manifest: &Manifest,
        config: &[u8],
    ) -> Result<Incoming<'_>> {
        let name = digest.as_str();
        let parsed = parse_config(config, name, manifest.layers.len())?;
        let kind = match kind {
            "" => manifest.media_type.as_deref().unwrap_or(media_type::OCI_MANIFEST),
            kind => kind,
        };
        let diff_ids = parsed.rootfs.diff_ids.iter().cloned();
        let incoming = Incoming {
            images: self,
            id: id_of(config),
            manifest: Descriptor::new(kind, digest.clone(), bytes.len() as u64),
            layers: diff_ids.zip(manifest.layers.iter().cloned()).collect(),
            config: parsed,
            held: Mutex::new(Held {
                lease: Lease::none(&self.store),
                blobs: Vec::new(),
                index: None,
            }),
        };
        incoming.take_document(bytes, digest)?;
        incoming.take_document(config, &manifest.config.digest)?;
        Ok(incoming)
    }
}

impl Incoming<'_> {
    /// The id that the image will have.
    pub fn id(&self) -> &ImageId {
        &self.id
    }

    /// What it will be.
    pub fn config(&self) -> &ImageConfig {
        &self.config
    }

    /// The diffID and the blob of each layer, the lowest first.
    pub fn layers(&self) -> &[(Digest, Descriptor)] {
        &self.layers
    }

    /// Keeps an index on the way from the image's name to it; the first one is what the name leads to.
    pub fn keep_index(&self, (kind, digest, bytes): (&str, &Digest, &[u8])) -> Result<()> {
        self.take_document(bytes, digest)?;
        let index = || Descriptor::new(kind, digest.clone(), bytes.len() as u64);
        self.held().index.get_or_insert_with(index);
        Ok(())
    }

    /// Keeps a document that belongs to the image and is none of its parts.
    pub fn keep_document(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        self.take_document(bytes, digest)
    }

    /// Whether the blob is here already, whole; then it stays for this image.
    pub fn has(&self, blob: &Descriptor) -> bool {
        let mut held = self.held();
        // The lease first, so that there is no moment in which a sweep could take it.
        let mut lease = Lease::none(&self.images.store);
        lease.add(&blob.digest);
        let is_here = self.images.store.has(&blob.digest, blob.size);
        if is_here {
            held.lease.merge(lease);
            held.add(&blob.digest, blob.size);
        }
        is_here
    }

    /// A writer for a blob of this image, with what came in before; or none when it is here after all, because
    /// another image brought it in while this one waited.
    pub fn writer(&self, blob: &Descriptor) -> Result<Option<BlobWriter>> {
        let writer = BlobWriter::resume(&self.images.store, &blob.digest, blob.size)?;
        if self.has(blob) {
            drop(writer.finish());
            return Ok(None);
        }
        Ok(Some(writer))
    }

    /// Takes what was written as the blob that the manifest names.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`] when it is another; nothing is left of it then.
    pub fn take(&self, writer: BlobWriter, expected: &Digest) -> Result<()> {
        let staged = writer.finish();
        if staged.digest != *expected {
            return Err(Error::DigestMismatch {
                name: "the blob".to_owned(),
                expected: expected.clone(),
                actual: staged.digest.clone(),
            });
        }
        let size_bytes = staged.size_bytes;
        let mut held = self.held();
        staged.commit(&mut held.lease)?;
        held.add(expected, size_bytes);
        Ok(())
    }

    /// The image as it is recorded, when every layer's blob is here.
    ///
    /// # Errors
    /// [`Error::MissingBlob`] when one is not.
    pub fn finish(self, references: Vec<ImageReference>) -> Result<Loaded> {
        let store = &self.images.store;
        let Held { lease, blobs, index } =
            self.held.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut layers = Vec::with_capacity(self.layers.len());
        for (diff_id, blob) in self.layers {
            if !blobs.iter().any(|(digest, _)| *digest == blob.digest) {
                return Err(Error::MissingBlob { what: "layer", digest: blob.digest });
            }
            let path = store.blob_path(&blob.digest);
            layers.push(LayerBlob::new(diff_id, blob, path));
        }
        let (id, manifest, config) = (self.id, self.manifest, self.config);
        Ok(Loaded { id, references, manifest, index, config, layers, blobs, _lease: lease })
    }

    /// Gives up, in a way that the next one finds the layers that came in whole. A blob that cannot be kept so is not
    /// worth a failure.
    pub fn set_aside(self) {
        let store = &self.images.store;
        let held = self.held();
        let layers = self.layers.iter().map(|(_, blob)| &blob.digest);
        for digest in layers.filter(|digest| held.blobs.iter().any(|(held, _)| held == *digest)) {
            if let Err(error) = store.set_aside(digest) {
                tracing::warn!(%digest, %error, "cannot keep what came in");
            }
        }
    }

    /// Gives up, and leaves nothing for the next one: what this registry gives is not what it should be.
    pub fn discard(self) {
        for (_, blob) in &self.layers {
            if let Err(error) = self.images.store.forget_partial(&blob.digest) {
                tracing::warn!(digest = %blob.digest, %error, "cannot remove what came in");
            }
        }
    }

    fn take_document(&self, bytes: &[u8], digest: &Digest) -> Result<()> {
        let mut writer = BlobWriter::new(&self.images.store, digest.algorithm())?;
        writer.append(bytes)?;
        self.take(writer, digest)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn add(&mut self, digest: &Digest, size_bytes: u64) {
        if !self.blobs.iter().any(|(known, _)| known == digest) {
            self.blobs.push((digest.clone(), size_bytes));
        }
    }
}
