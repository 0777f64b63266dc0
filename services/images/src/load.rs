//! Reading image archives: docker-archive and OCI layout, plain or compressed, in one pass.
//!
//! Every file of the archive goes to `ingest/` with its digest taken on the way, whatever the order
//! of entries. Then the documents are read, everything is checked, and only when nothing is wrong
//! the blobs are renamed into the store.

pub(crate) mod contents;
mod docker;
pub(crate) mod layout;
pub(crate) mod plan;
pub(crate) mod platform;
pub(crate) mod tap;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use gantry_oci::image::{Descriptor, ImageConfig, Platform};
use gantry_types::{Digest, ImageReference};

pub use platform::host_platform;
pub use tap::{Tap, TapReader, tap};

use crate::lease::Lease;
use crate::{Error, ImageId, Images, Result};
use contents::Contents;
use plan::Planned;

/// The longest manifest, index or configuration that is read, in bytes: what registries take.
pub(crate) const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// The most layers that overlayfs can stack (`OVL_MAX_STACK` in Linux 6.x).
pub(crate) const MAX_LAYERS: usize = 500;

/// The most images in one archive.
pub(crate) const MAX_IMAGES: usize = 1000;

/// An image whose blobs are in the store, waiting for [`Images::record`].
#[derive(Debug)]
pub struct Loaded {
    /// Its id.
    pub id: ImageId,
    /// The names that the archive gives it. Callers may add others.
    pub references: Vec<ImageReference>,
    /// The manifest blob: the archive's, or one made for it where the format has none.
    pub manifest: Descriptor,
    /// The index that it was chosen from, where there was one.
    pub index: Option<Descriptor>,
    /// Its configuration.
    pub config: ImageConfig,
    /// Its layers, the lowest first.
    pub layers: Vec<LayerBlob>,
    pub(crate) blobs: Vec<(Digest, u64)>,
    /// Keeps the blobs until an image has them.
    pub(crate) _lease: Lease,
}

/// One layer as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerBlob {
    /// The digest that its uncompressed tar must have. For compressed layers it is the archive's
    /// claim, which extraction has to check.
    pub diff_id: Digest,
    /// The digest of the blob.
    pub digest: Digest,
    /// The length of the blob in bytes.
    pub size_bytes: u64,
    /// The type that the manifest claims. The blob's first bytes tell its compression.
    pub media_type: String,
    path: PathBuf,
}

impl LayerBlob {
    pub(crate) fn new(diff_id: Digest, blob: Descriptor, path: PathBuf) -> Self {
        let Descriptor { digest, size, media_type, .. } = blob;
        Self { diff_id, digest, size_bytes: size, media_type, path }
    }

    /// Opens the blob.
    pub fn open(&self) -> Result<File> {
        File::open(&self.path).map_err(|source| Error::io("open", &self.path, source))
    }

    /// Where the blob is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What happens while an archive is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadEvent {
    /// A file of the archive came in whole.
    Read {
        /// Its path in the archive.
        path: String,
        /// Its length.
        size_bytes: u64,
        /// Its digest.
        digest: Digest,
    },
    /// Something in the archive is left out, with the reason.
    Skipped {
        /// What, and why.
        reason: String,
    },
}

/// Who follows the reading of an archive; a closure that takes events does, too.
pub trait LoadWatch {
    /// Something has happened.
    fn event(&mut self, event: LoadEvent);

    /// A file begins, of so many bytes; says where these are wanted as they come. [`LoadEvent::Read`] follows when
    /// all were there.
    fn begins(&mut self, path: &str, size_bytes: u64) -> Option<Tap> {
        let (_, _) = (path, size_bytes);
        None
    }
}

impl<F: FnMut(LoadEvent)> LoadWatch for F {
    fn event(&mut self, event: LoadEvent) {
        self(event);
    }
}

impl Images {
    /// Reads an archive and puts the blobs of its images into the store. Of an image that is there for several platforms,
    /// it takes all that is there whole.
    ///
    /// # Errors
    /// Whatever is wrong with the archive; nothing is left in the store then.
    pub fn load(&self, reader: impl Read + Send, watch: impl LoadWatch) -> Result<Vec<Loaded>> {
        self.load_for(reader, Vec::new(), watch)
    }

    /// [`Images::load`] for some platforms. An image that is there for one platform only is taken whatever that is.
    pub fn load_for(
        &self,
        reader: impl Read + Send,
        wanted: Vec<Platform>,
        mut watch: impl LoadWatch,
    ) -> Result<Vec<Loaded>> {
        let mut contents = Contents::ingest(&self.store, reader, &mut watch)?;
        let planned = if contents.has(layout::INDEX) {
            layout::plan(&contents, wanted, &mut |event| watch.event(event))?
        } else if contents.has(docker::MANIFEST) {
            docker::plan(&mut contents)?
        } else {
            return Err(Error::NoImageInArchive);
        };
        if planned.is_empty() {
            return Err(Error::InvalidArchive("it lists no image".to_owned()));
        }
        planned.into_iter().map(|plan| self.commit(plan, &mut contents)).collect()
    }

    /// Moves the blobs of a checked image into the store.
    pub(crate) fn commit(&self, plan: Planned, contents: &mut Contents) -> Result<Loaded> {
        let mut lease = Lease::none(&self.store);
        let mut blobs: Vec<(Digest, u64)> = Vec::with_capacity(plan.layers.len() + 2);
        let layers = plan.layers.iter().map(|(_, descriptor)| descriptor);
        for descriptor in layers.chain([&plan.config_blob, &plan.manifest]).chain(&plan.others) {
            if !blobs.iter().any(|(digest, _)| *digest == descriptor.digest) {
                contents.commit(&descriptor.digest, &mut lease)?;
                blobs.push((descriptor.digest.clone(), descriptor.size));
            }
        }
        let layers = plan.layers.into_iter().map(|(diff_id, descriptor)| {
            let path = self.store.blob_path(&descriptor.digest);
            LayerBlob::new(diff_id, descriptor, path)
        });
        Ok(Loaded {
            id: plan.id,
            references: plan.references,
            manifest: plan.manifest,
            index: plan.others.into_iter().next(),
            config: plan.config,
            layers: layers.collect(),
            blobs,
            _lease: lease,
        })
    }
}
