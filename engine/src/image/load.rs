//! `load`: images out of an archive.

use std::io::Read;

use gantry_api::image::ProgressMessage;
use gantry_images::{LoadEvent, Loaded};
use gantry_types::ImageReference;
use tokio::sync::mpsc;

use super::intake::intake;
use super::{resolve, unpack};
use crate::engine::Engine;
use crate::{Result, housekeeping};

/// Loads every image of a docker-archive or OCI layout archive, plain or compressed, or none of them, and tells of
/// each through `progress` as Docker does. `platform` is what they have to be for. `archive` is read on a thread that may block.
pub async fn load(
    engine: &Engine,
    archive: impl Read + Send + 'static,
    platform: Option<String>,
    progress: mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    let (loading, telling) = (engine.clone(), progress.clone());
    let wanted = platform.as_deref().map(resolve::parse_platform).transpose()?;
    let loaded = intake(move || take_in(&loading, archive, &telling)).await?;
    for (image, wanted) in loaded.iter().zip(wanted.iter().cycle()) {
        let name = image.references.first().map(ImageReference::familiar);
        let name = name.unwrap_or_else(|| image.id.to_string());
        resolve::check_platform(&name, &image.config.platform, wanted)?;
    }
    let lines: Vec<String> = loaded.iter().flat_map(lines).collect();
    unpack::unpack(engine, loaded).await?;
    housekeeping::flush_soon(engine);
    for line in lines {
        // A client that no longer listens does not stop a load.
        drop(progress.send(ProgressMessage::stream(line)).await);
    }
    Ok(())
}

fn take_in(
    engine: &Engine,
    archive: impl Read + Send,
    progress: &mpsc::Sender<ProgressMessage>,
) -> Result<Vec<Loaded>> {
    let loaded = engine.images.load(archive, |event| match event {
        LoadEvent::Skipped { reason } => {
            drop(progress.blocking_send(ProgressMessage::stream(format!("{reason}\n"))));
        }
        LoadEvent::Read { path, size_bytes } => tracing::debug!(path, size_bytes, "read"),
    })?;
    Ok(loaded)
}

/// What is told of one image.
fn lines(image: &Loaded) -> Vec<String> {
    if image.references.is_empty() {
        return vec![format!("Loaded image ID: {}\n", image.id)];
    }
    let names = image.references.iter();
    names.map(|name| format!("Loaded image: {}\n", name.familiar())).collect()
}
