//! A checked image, before its blobs are in the store; and the checks that both formats share.

use gantry_archive::Compression;
use gantry_oci::image::{Descriptor, ImageConfig, media_type};
use gantry_types::{Algorithm, Digest, ImageReference};

use super::MAX_LAYERS;
use super::contents::{compression, parse};
use crate::blobs::{Hasher, Staged};
use crate::{Error, ImageId, Result};

/// An image of which everything is there and right.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) id: ImageId,
    pub(crate) references: Vec<ImageReference>,
    pub(crate) manifest: Descriptor,
    /// The indexes on the way to it, the outermost first, and then what they have about it.
    pub(crate) others: Vec<Descriptor>,
    pub(crate) config: ImageConfig,
    pub(crate) config_blob: Descriptor,
    /// The diffID and the blob of each layer.
    pub(crate) layers: Vec<(Digest, Descriptor)>,
}

/// The id of the image with that configuration document.
pub(crate) fn id_of(config: &[u8]) -> ImageId {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(config);
    ImageId::of_digest(hasher.finish())
}

/// Reads a configuration and checks it against the number of layers that the manifest lists.
pub(crate) fn parse_config(bytes: &[u8], name: &str, layers: usize) -> Result<ImageConfig> {
    let config: ImageConfig = parse(bytes, name, "image configuration")?;
    let os = config.platform.os.as_str();
    if !matches!(os, "" | "linux") {
        return Err(Error::InvalidImage(format!(
            "{name} is of an image for {os:?}, which cannot run on Linux"
        )));
    }
    if layers > MAX_LAYERS {
        return Err(Error::OverLimit {
            what: format!("the number of layers of {name}"),
            limit: format!("{MAX_LAYERS} layers"),
        });
    }
    let expected = config.rootfs.diff_ids.len();
    if layers != expected {
        return Err(Error::InvalidImage(format!(
            "{name} has {expected} layers, its manifest has {layers}"
        )));
    }
    Ok(config)
}

/// Checks a layer as far as its blob can tell, and says of which type it is. A compressed one is
/// checked by those who extract it.
pub(crate) fn check_layer(staged: &Staged, diff_id: &Digest, name: &str) -> Result<&'static str> {
    Ok(match compression(staged)? {
        Compression::Gzip => media_type::OCI_LAYER_GZIP,
        Compression::Zstd => media_type::OCI_LAYER_ZSTD,
        Compression::Plain => {
            if staged.digest.algorithm() == diff_id.algorithm() && staged.digest != *diff_id {
                return Err(Error::DigestMismatch {
                    name: name.to_owned(),
                    expected: diff_id.clone(),
                    actual: staged.digest.clone(),
                });
            }
            media_type::OCI_LAYER
        }
    })
}
