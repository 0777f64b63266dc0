//! What can wait until a use case has answered: bringing what it wrote to the disk.

use crate::blocking::block;
use crate::engine::Engine;

/// Flushes layers, blobs and records. Until then they survive the death of the daemon, but not a power cut.
pub(crate) async fn flush(engine: &Engine) {
    let engine = engine.clone();
    block(move || {
        let warn = |what: &str, error: &dyn std::error::Error| {
            tracing::warn!(error = gantry_types::error_chain(error), "cannot flush {what}");
        };
        if let Err(error) = engine.layers.sync() {
            warn("the layers", &error);
        }
        if let Err(error) = engine.images.sync() {
            warn("the images", &error);
        }
        if let Err(error) = engine.db.checkpoint() {
            warn("the database", &error);
        }
    })
    .await;
}

/// The same, later, while the caller goes on.
pub(crate) fn flush_soon(engine: &Engine) {
    let engine = engine.clone();
    tokio::spawn(async move { flush(&engine).await });
}
