//! What can wait until a use case has answered: bringing what it wrote to the disk, and sparing what lies there twice.

pub(crate) mod layer_archives;
pub(crate) mod log_files;

use crate::blocking::block;
use crate::engine::Engine;

/// Flushes layers, blobs and records. Until then they survive the death of the daemon, but not a power cut.
pub(crate) async fn flush(engine: &Engine) {
    let engine = engine.clone();
    block(move || {
        write_all(&engine);
        engine.arrivals.tell();
    })
    .await;
}

/// The same, later, while the caller goes on.
pub(crate) fn flush_soon(engine: &Engine) {
    let engine = engine.clone();
    tokio::spawn(async move { flush(&engine).await });
}

/// Whether all of it is on the disk.
fn write_all(engine: &Engine) -> bool {
    let warn = |what: &str, error: &dyn std::error::Error| {
        tracing::warn!(error = gantry_types::error_chain(error), "cannot flush {what}");
        false
    };
    let layers = engine.layers.sync().map_or_else(|error| warn("the layers", &error), |()| true);
    let images = engine.images.sync().map_or_else(|error| warn("the images", &error), |()| true);
    let records =
        engine.db.checkpoint().map_or_else(|error| warn("the database", &error), |()| true);
    layers && images && records
}
