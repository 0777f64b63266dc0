//! From an image's blobs to extracted layers, and the record last: nobody sees an image that cannot run.

use std::collections::HashSet;

use gantry_images::{Image, Loaded};
use gantry_types::Digest;

use crate::Result;
use crate::engine::Engine;

/// Extracts the layers that are not here yet and records the image. On failure, the layers that only this image would
/// have used go again. Call it with the engine's `image_changes` held.
pub(super) fn unpack(engine: &Engine, loaded: &Loaded) -> Result<Image> {
    let recorded = layers(engine, loaded)
        .and_then(|size_bytes| Ok(engine.images.record(loaded, size_bytes)?.image));
    if recorded.is_err() {
        collect(engine);
    }
    recorded
}

/// The size of all layers.
fn layers(engine: &Engine, loaded: &Loaded) -> Result<u64> {
    let chain: Vec<Digest> = loaded.layers.iter().map(|layer| layer.diff_id.clone()).collect();
    let mut size_bytes: u64 = 0;
    for (depth, layer) in loaded.layers.iter().enumerate() {
        let parents = &chain[..depth];
        let info = match engine.layers.find(&layer.diff_id, parents)? {
            Some(info) => info,
            None => engine.layers.apply(&layer.diff_id, parents, layer.open()?)?,
        };
        size_bytes = size_bytes.saturating_add(info.size_bytes);
    }
    Ok(size_bytes)
}

/// Removes layers that no image and no container needs. A failure is not worth one: the next removal tries again.
pub(super) fn collect(engine: &Engine) {
    let live = || -> Result<HashSet<Vec<Digest>>> {
        let mut live: HashSet<Vec<Digest>> = engine.images.chains()?.into_iter().collect();
        let used = engine.containers.snapshots();
        live.extend(used.into_iter().map(|snapshot| snapshot.record.image.chain.clone()));
        Ok(live)
    };
    let collected = live().and_then(|live| Ok(engine.layers.collect(&live)?));
    if let Err(error) = collected {
        tracing::warn!(
            error = gantry_types::error_chain(&error),
            "cannot remove layers that nobody uses"
        );
    }
}
