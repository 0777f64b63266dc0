//! From an image's blobs to extracted layers, and the record last: nobody sees an image that cannot run.

use std::collections::HashSet;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use gantry_images::{Blob, Image, Loaded};
use gantry_layers::{Collected, LayerInfo};
use gantry_types::Digest;

use crate::Result;
use crate::blocking::block;
use crate::engine::{CONTAINERS, Engine};
use crate::error::Error;
use crate::image::load::Staging;

/// Extracts the layers that are not here yet and records the images, all of them or, on failure, none. Layers that
/// only these images would have used go again then.
pub(crate) async fn unpack(engine: &Engine, loaded: Vec<Loaded>) -> Result<Vec<Image>> {
    unpack_staged(engine, loaded, Staging::new()).await
}

/// The same, where some blobs have been extracted already.
pub(super) async fn unpack_staged(
    engine: &Engine,
    loaded: Vec<Loaded>,
    staged: Staging,
) -> Result<Vec<Image>> {
    let mut pins = Vec::with_capacity(loaded.len());
    for image in &loaded {
        let chain = image.layers.iter().map(|layer| layer.diff_id.clone()).collect();
        pins.push(engine.image_changes.pin(chain).await);
    }
    let unpacking = engine.clone();
    let recorded = block(move || {
        let recorded = unpack_all(&unpacking, &loaded, staged);
        drop(pins);
        recorded
    })
    .await;
    if recorded.is_err() {
        collect_now(engine).await;
    }
    recorded
}

/// Removes layers that nobody needs: after an image that did not come in whole, also because the daemon died.
pub(crate) async fn collect_now(engine: &Engine) {
    let layers_may_go = engine.image_changes.removing().await;
    let engine = engine.clone();
    block(move || {
        collect(&engine);
        drop(layers_may_go);
    })
    .await;
}

fn unpack_all(engine: &Engine, loaded: &[Loaded], mut staged: Staging) -> Result<Vec<Image>> {
    for layer in loaded.iter().flat_map(|image| &image.layers) {
        // Of what came uncompressed, the digest is the diffID.
        if layer.digest == layer.diff_id
            && let Some(staged) = staged.remove(&layer.digest)
        {
            engine.layers.adopt(staged, &layer.diff_id)?;
        }
    }
    // The rest are no layers.
    drop(staged);
    let mut unpacked = Vec::with_capacity(loaded.len());
    for image in loaded {
        unpacked.push((image, layers(engine, image)?));
    }
    let recorded = engine.images.record_all(&unpacked)?;
    Ok(recorded.into_iter().map(|recorded| recorded.image).collect())
}

/// Extracts what is not here, several layers at once; the size of all of them.
fn layers(engine: &Engine, loaded: &Loaded) -> Result<u64> {
    let chain: Vec<Digest> = loaded.layers.iter().map(|layer| layer.diff_id.clone()).collect();
    let extract = |depth: usize| -> Result<LayerInfo> {
        let (layer, parents) = (&loaded.layers[depth], &chain[..depth]);
        if let Some(info) = engine.layers.find(&layer.diff_id, parents)? {
            return Ok(info);
        }
        // The archive may have gone while another image has the layer lowest; then nobody has looked at what comes out.
        let info = match engine.images.open_blob(&layer.digest)? {
            Blob::File(file) => {
                engine.layers.apply_verified(&layer.diff_id, parents, (file, &layer.digest))?
            }
            elsewhere @ Blob::Elsewhere(_) => {
                engine.layers.apply(&layer.diff_id, parents, elsewhere)?
            }
        };
        Ok(info)
    };
    let next = AtomicUsize::new(0);
    let in_turn = || -> Result<()> {
        loop {
            let depth = next.fetch_add(1, Ordering::Relaxed);
            if depth >= chain.len() {
                return Ok(());
            }
            match extract(depth) {
                // It has to wait for those below it.
                Ok(_) | Err(Error::Layers(gantry_layers::Error::Missing { .. })) => {}
                Err(error) => {
                    // Then the others need not begin another one.
                    next.store(chain.len(), Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    };
    let at_once = thread::available_parallelism().map_or(1, NonZero::get).min(chain.len());
    thread::scope(|scope| {
        let helpers: Vec<_> = (1..at_once).map(|_| scope.spawn(in_turn)).collect();
        let own = in_turn();
        helpers.into_iter().fold(own, |result, helper| match helper.join() {
            Ok(other) => result.and(other),
            Err(panic) => resume_unwind(panic),
        })
    })?;
    let sizes = (0..chain.len()).map(|depth| Ok(extract(depth)?.size_bytes));
    sizes.sum::<Result<u64>>()
}

/// Removes layers that no image and no container needs, while [`super::Changes::removing`] is held. A failure is not
/// worth one: the next removal tries again. Tells what went.
pub(super) fn collect(engine: &Engine) -> Collected {
    try_collect(engine).unwrap_or_else(|error| {
        tracing::warn!(
            error = gantry_types::error_chain(&error),
            "cannot remove layers that nobody uses"
        );
        Collected::default()
    })
}

/// The same, and whether it could be done.
pub(crate) fn try_collect(engine: &Engine) -> Result<Collected> {
    let live = || -> Result<HashSet<Vec<Digest>>> {
        let mut live: HashSet<Vec<Digest>> = engine.images.chains()?.into_iter().collect();
        // The records and not the registry, which lacks containers that could not be restored. One that cannot be read
        // may need any layer: then all of them stay.
        let containers = engine.db.read(|tx| CONTAINERS.list(tx))?;
        live.extend(containers.into_iter().flat_map(|(_, record)| record.chains()));
        live.extend(crate::build::chains(engine)?);
        live.extend(engine.image_changes.pinned());
        Ok(live)
    };
    Ok(engine.layers.collect(&live()?)?)
}
