//! From an image's blobs to extracted layers, and the record last: nobody sees an image that cannot run.

use std::collections::HashSet;

use gantry_images::{Image, Loaded};
use gantry_types::Digest;

use crate::Result;
use crate::blocking::block;
use crate::engine::{CONTAINERS, Engine};

/// Extracts the layers that are not here yet and records the images, all of them or, on failure, none. Layers that
/// only these images would have used go again then.
pub(super) async fn unpack(engine: &Engine, loaded: Vec<Loaded>) -> Result<Vec<Image>> {
    let mut pins = Vec::with_capacity(loaded.len());
    for image in &loaded {
        let chain = image.layers.iter().map(|layer| layer.diff_id.clone()).collect();
        pins.push(engine.image_changes.pin(chain).await);
    }
    let unpacking = engine.clone();
    let recorded = block(move || {
        let recorded = unpack_all(&unpacking, &loaded);
        drop(pins);
        recorded
    })
    .await;
    if recorded.is_err() {
        collect_now(engine).await;
    }
    recorded
}

/// Removes layers that nobody needs: after an image that did not come in whole.
pub(super) async fn collect_now(engine: &Engine) {
    let layers_may_go = engine.image_changes.removing().await;
    let engine = engine.clone();
    block(move || {
        collect(&engine);
        drop(layers_may_go);
    })
    .await;
}

fn unpack_all(engine: &Engine, loaded: &[Loaded]) -> Result<Vec<Image>> {
    let mut unpacked = Vec::with_capacity(loaded.len());
    for image in loaded {
        unpacked.push((image, layers(engine, image)?));
    }
    let recorded = engine.images.record_all(&unpacked)?;
    Ok(recorded.into_iter().map(|recorded| recorded.image).collect())
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

/// Removes layers that no image and no container needs, while [`super::Changes::removing`] is held. A failure is not
/// worth one: the next removal tries again.
pub(super) fn collect(engine: &Engine) {
    let live = || -> Result<HashSet<Vec<Digest>>> {
        let mut live: HashSet<Vec<Digest>> = engine.images.chains()?.into_iter().collect();
        // The records and not the registry, which lacks containers that could not be restored. One that cannot be read
        // may need any layer: then all of them stay.
        let containers = engine.db.read(|tx| CONTAINERS.list(tx))?;
        live.extend(containers.into_iter().map(|(_, record)| record.image.chain));
        live.extend(engine.image_changes.pinned());
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
