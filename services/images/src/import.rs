//! Making an image of a plain root file system: the archive becomes its one layer.

pub(crate) mod changes;
mod words;

use std::io::Read;

use gantry_archive::{Compression, Hashing, Limits, as_layer, decompress};
use gantry_oci::image::{
    ContainerConfig, Descriptor, History, ImageConfig, Manifest, Platform, RootFs, media_type,
};
use gantry_types::{Algorithm, Digest, ImageReference, Timestamp};
use serde::Serialize;

use crate::blobs::{BlobWriter, Staged};
use crate::load::contents::{Contents, compression, input_error};
use crate::load::host_platform;
use crate::load::plan::{Planned, id_of};
use crate::{Error, Images, Loaded, Result};

/// Bytes in an imported archive as it comes in.
const MAX_BYTES: u64 = 256 << 30;

/// What the image is to be beside its root file system.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Its name, if it gets one.
    pub reference: Option<ImageReference>,
    /// Dockerfile instructions that set its configuration: `CMD`, `ENTRYPOINT`, `ENV`, `EXPOSE`,
    /// `HEALTHCHECK`, `LABEL`, `ONBUILD`, `STOPSIGNAL`, `USER`, `VOLUME`, `WORKDIR`.
    pub changes: Vec<String>,
    /// A remark for its history.
    pub message: String,
    /// What it runs on; this machine by default.
    pub platform: Option<Platform>,
    /// When it is made.
    pub created: Timestamp,
}

impl Images {
    /// Reads the archive of a root file system, plain or compressed, and makes an image of it. That
    /// it is an archive shows when the caller extracts the layer.
    pub fn import(&self, reader: impl Read + Send, options: ImportOptions) -> Result<Loaded> {
        // What is wrong with the request is said before gigabytes come in.
        let mut container_config = ContainerConfig::default();
        changes::apply_all(&mut container_config, &options.changes)?;
        let mut reader = as_layer(reader, &Limits::default()).map_err(Error::Archive)?;
        let mut writer = BlobWriter::new(&self.store, Algorithm::Sha256)?;
        writer.append_all(&mut reader, MAX_BYTES, input_error, None)?;
        let layer = writer.finish();
        let kind = compression(&layer)?;
        let diff_id = match kind {
            Compression::Plain => layer.digest.clone(),
            Compression::Gzip | Compression::Zstd => uncompressed_digest(&layer)?,
        };
        let kind = match kind {
            Compression::Plain => media_type::OCI_LAYER,
            Compression::Gzip => media_type::OCI_LAYER_GZIP,
            Compression::Zstd => media_type::OCI_LAYER_ZSTD,
        };
        let blob = Descriptor::new(kind, layer.digest.clone(), layer.size_bytes);
        let config = ImageConfig {
            created: Some(options.created.to_string()),
            platform: options.platform.unwrap_or_else(host_platform),
            config: container_config,
            rootfs: RootFs { diff_ids: vec![diff_id.clone()], ..RootFs::default() },
            history: vec![History {
                created: Some(options.created.to_string()),
                comment: options.message,
                ..History::default()
            }],
            ..ImageConfig::default()
        };
        let mut contents = Contents::empty(&self.store);
        contents.stage(layer);
        let config_bytes = encode(&config, "image configuration")?;
        let (digest, size) = contents.stage_bytes(&config_bytes)?;
        let config_blob = Descriptor::new(media_type::OCI_CONFIG, digest, size);
        let manifest = Manifest::new(config_blob.clone(), vec![blob.clone()]);
        let (digest, size) = contents.stage_bytes(&encode(&manifest, "manifest")?)?;
        let plan = Planned {
            others: Vec::new(),
            id: id_of(&config_bytes),
            references: options.reference.into_iter().collect(),
            manifest: Descriptor::new(media_type::OCI_MANIFEST, digest, size),
            config,
            config_blob,
            layers: vec![(diff_id, blob)],
        };
        self.commit(plan, &mut contents)
    }
}

fn uncompressed_digest(layer: &Staged) -> Result<Digest> {
    let plain = decompress(layer.open()?, &Limits::default()).map_err(Error::Archive)?;
    let mut hashing = Hashing::new(plain, Algorithm::Sha256);
    std::io::copy(&mut hashing, &mut std::io::sink()).map_err(input_error)?;
    Ok(hashing.digest())
}

/// A document that we made, as bytes.
pub(crate) fn encode(document: &impl Serialize, what: &'static str) -> Result<Vec<u8>> {
    serde_json::to_vec(document).map_err(|source| Error::InvalidDocument {
        name: "the new image".to_owned(),
        what,
        source,
    })
}
