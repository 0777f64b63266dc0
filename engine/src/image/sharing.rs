//! Which bytes of images are theirs alone, and which they share.

use std::collections::HashMap;

use gantry_images::Image;
use gantry_types::Digest;

use crate::Result;
use crate::engine::Engine;

/// The layers of all images.
pub(crate) struct Sharing(HashMap<Digest, Layer>);

struct Layer {
    size_bytes: u64,
    images: u32,
}

impl Sharing {
    /// Looks every layer of `images`, which are all that there are, up once.
    pub(crate) fn of(engine: &Engine, images: &[Image]) -> Result<Self> {
        let mut layers: HashMap<Digest, Layer> = HashMap::new();
        for image in images {
            let chain = image.diff_ids();
            for (depth, diff_id) in chain.iter().enumerate() {
                // One that an image has twice is not shared by that.
                if chain[..depth].contains(diff_id) {
                    continue;
                }
                if let Some(layer) = layers.get_mut(diff_id) {
                    layer.images += 1;
                    continue;
                }
                let info = engine.layers.find(diff_id, &chain[..depth])?;
                let size_bytes = info.map_or(0, |info| info.size_bytes);
                layers.insert(diff_id.clone(), Layer { size_bytes, images: 1 });
            }
        }
        Ok(Self(layers))
    }

    /// Bytes of an image's layers that other images have, too.
    pub(crate) fn shared_bytes(&self, image: &Image) -> i64 {
        let shared = image.diff_ids().iter().filter_map(|diff_id| self.0.get(diff_id));
        signed(shared.filter(|layer| layer.images > 1).map(|layer| layer.size_bytes).sum())
    }

    /// Bytes of all layers.
    pub(crate) fn total_bytes(&self) -> i64 {
        signed(self.0.values().map(|layer| layer.size_bytes).sum())
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
