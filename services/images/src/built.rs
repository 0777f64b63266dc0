//! Images made here: what they begin from, the layers that builds keep, and the documents that make an image of layers.

use std::io::Read;

use gantry_oci::image::{Descriptor, ImageConfig, Manifest, media_type};
use gantry_types::{Digest, ImageReference};

use crate::import::encode;
use crate::lease::Lease;
use crate::load::contents::{Contents, parse};
use crate::load::plan::{Planned, id_of};
use crate::load::{MAX_DOCUMENT_BYTES, MAX_LAYERS};
use crate::record::{self, IMAGES, ImageRow};
use crate::{Error, ImageId, Images, Loaded, Result};

/// An image that another one begins from, with its blobs kept.
#[derive(Debug)]
pub struct BaseImage {
    /// Its configuration.
    pub config: ImageConfig,
    /// Its layers, the lowest first: diffID and blob.
    pub layers: Vec<(Digest, Descriptor)>,
    _lease: Lease,
}

impl BaseImage {
    /// Fails when no layer can be put on top.
    pub(crate) fn check_room(&self) -> Result<()> {
        if self.layers.len() < MAX_LAYERS {
            return Ok(());
        }
        Err(Error::OverLimit {
            what: "the number of layers".to_owned(),
            limit: format!("{MAX_LAYERS} layers"),
        })
    }
}

impl Images {
    /// What another image needs of this one; its blobs stay as long as this is there.
    ///
    /// # Errors
    /// The image or one of its blobs is not here any more.
    pub fn base(&self, id: &ImageId) -> Result<BaseImage> {
        let row = self.row_of(id)?;
        let mut lease = Lease::none(&self.store);
        for (digest, _) in &row.blobs {
            lease.add(digest);
        }
        // As long as the record is there, nothing of it had gone before the lease.
        self.row_of(id)?;
        let mut bytes = Vec::new();
        let mut file = self.open_blob(&row.manifest.digest)?.take(MAX_DOCUMENT_BYTES);
        let path = self.store.blob_path(&row.manifest.digest);
        file.read_to_end(&mut bytes).map_err(|source| Error::io("read", &path, source))?;
        let manifest: Manifest = parse(&bytes, row.manifest.digest.as_str(), "manifest")?;
        for blob in &manifest.layers {
            if !row.blobs.iter().any(|(digest, _)| *digest == blob.digest) {
                return Err(Error::MissingBlob { what: "layer", digest: blob.digest.clone() });
            }
        }
        let diff_ids = &row.config.rootfs.diff_ids;
        let blobs = manifest.layers.into_iter().map(to_oci);
        let layers = diff_ids.iter().cloned().zip(blobs).collect();
        Ok(BaseImage { config: row.config, layers, _lease: lease })
    }

    /// Makes an image of layers whose blobs are here and kept by the caller, and of a configuration that names them.
    pub fn make(
        &self,
        config: ImageConfig,
        layers: Vec<(Digest, Descriptor)>,
        references: Vec<ImageReference>,
    ) -> Result<Loaded> {
        if layers.len() > MAX_LAYERS {
            return Err(Error::OverLimit {
                what: "the number of layers".to_owned(),
                limit: format!("{MAX_LAYERS} layers"),
            });
        }
        let mut contents = Contents::empty(&self.store);
        for (_, blob) in &layers {
            contents.add_known(&blob.digest, blob.size);
        }
        self.assemble(config, (layers, contents), references)
    }

    /// Writes the documents of an image.
    pub(crate) fn assemble(
        &self,
        config: ImageConfig,
        (layers, mut contents): (Vec<(Digest, Descriptor)>, Contents),
        references: Vec<ImageReference>,
    ) -> Result<Loaded> {
        let config_bytes = encode(&config, "image configuration")?;
        let (digest, size) = contents.stage_bytes(&config_bytes)?;
        let config_blob = Descriptor::new(media_type::OCI_CONFIG, digest, size);
        let blobs = layers.iter().map(|(_, blob)| blob.clone()).collect();
        let manifest = Manifest::new(config_blob.clone(), blobs);
        let (digest, size) = contents.stage_bytes(&encode(&manifest, "manifest")?)?;
        let plan = Planned {
            others: Vec::new(),
            id: id_of(&config_bytes),
            references,
            manifest: Descriptor::new(media_type::OCI_MANIFEST, digest, size),
            config,
            config_blob,
            layers,
        };
        self.commit(plan, &mut contents)
    }

    /// Keeps a blob that is here as long as the lease lives; `None` when it is not here.
    pub fn lease_blob(&self, digest: &Digest) -> Result<Option<Lease>> {
        // Before the look: what is there then, stays.
        let mut lease = Lease::none(&self.store);
        lease.add(digest);
        let path = self.store.blob_path(digest);
        let is_file = path.try_exists().map_err(|source| Error::io("look for", &path, source))?;
        let is_here = is_file || self.store.size_elsewhere(digest).is_some();
        Ok(is_here.then_some(lease))
    }

    /// Keeps a blob for builds to come, until [`Images::release_from_builds`].
    pub fn keep_for_builds(&self, digest: &Digest) -> Result<()> {
        record::keep_for_builds(&self.db, digest)
    }

    /// The blobs that are kept so.
    pub fn kept_for_builds(&self) -> Result<Vec<Digest>> {
        record::kept_for_builds(&self.db)
    }

    /// Lets go of blobs that builds kept; those that no image has go.
    pub fn release_from_builds(&self, digests: &[Digest]) -> Result<()> {
        record::release_from_builds(&self.db, digests)?;
        self.sweep_all(digests);
        Ok(())
    }

    fn row_of(&self, id: &ImageId) -> Result<ImageRow, Error> {
        let row = self.db.read(|tx| IMAGES.get(tx, id.as_str()))?;
        row.ok_or_else(|| Error::NoSuchImage { reference: id.to_string() })
    }
}

/// A layer's descriptor by OCI's name of its type: one manifest has one family's.
fn to_oci(blob: Descriptor) -> Descriptor {
    let media_type = match blob.media_type.as_str() {
        media_type::DOCKER_LAYER => media_type::OCI_LAYER,
        media_type::DOCKER_LAYER_GZIP => media_type::OCI_LAYER_GZIP,
        media_type::DOCKER_FOREIGN_LAYER_GZIP => {
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
        }
        other => other,
    };
    Descriptor { media_type: media_type.to_owned(), ..blob }
}
