//! `load`: images out of an archive.

use std::io::Read;

use gantry_api::image::ProgressMessage;
use gantry_images::LoadEvent;
use tokio::sync::mpsc;

use super::unpack;
use crate::blocking::block;
use crate::engine::Engine;
use crate::{Result, housekeeping};

/// Loads every image of a docker-archive or OCI layout archive, plain or compressed, and tells of each through
/// `progress` as Docker does. `archive` is read on a thread that may block.
pub async fn load(
    engine: &Engine,
    archive: impl Read + Send + 'static,
    progress: mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    let _changing = engine.image_changes.lock().await;
    let loading = engine.clone();
    let loaded = block(move || load_all(&loading, archive, &progress)).await;
    housekeeping::flush_soon(engine);
    loaded
}

fn load_all(
    engine: &Engine,
    archive: impl Read + Send,
    progress: &mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    // A client that no longer listens does not stop a load.
    let tell = |text: String| drop(progress.blocking_send(ProgressMessage::stream(text)));
    let loaded = engine.images.load(archive, |event| match event {
        LoadEvent::Skipped { reason } => tell(format!("{reason}\n")),
        LoadEvent::Read { path, size_bytes } => tracing::debug!(path, size_bytes, "read"),
    })?;
    for image in &loaded {
        let recorded = unpack::unpack(engine, image)?;
        let names =
            image.references.iter().map(|name| format!("Loaded image: {}\n", name.familiar()));
        let told = names.map(&tell).count();
        if told == 0 {
            tell(format!("Loaded image ID: {}\n", recorded.id));
        }
    }
    Ok(())
}
