//! `load`: images out of an archive.

mod staging;

use std::io::Read;
use std::thread;

use gantry_api::image::ProgressMessage;
use gantry_images::{LoadEvent, LoadWatch, Loaded, Tap};
use gantry_oci::image::Platform;
use gantry_types::ImageReference;
use tokio::sync::mpsc;

use super::intake::intake;
use super::{resolve, told, unpack};
use crate::engine::Engine;
use crate::{Result, housekeeping};
pub(crate) use staging::Staging;
use staging::Workshop;

/// Loads every image of a docker-archive or OCI layout archive, plain or compressed, or none of them, and tells of
/// each through `progress` as Docker does. `platform` chooses among several that an image is there for, and is what all of them
/// have to be for; this machine's by default. `archive` is read on a thread that may block.
pub async fn load(
    engine: &Engine,
    archive: impl Read + Send + 'static,
    platform: Option<String>,
    progress: mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    let (loading, telling) = (engine.clone(), progress.clone());
    let wanted = platform.as_deref().map(resolve::parse_platform).transpose()?;
    let (loaded, staged) =
        intake(move || take_in(&loading, archive, wanted.as_ref(), &telling)).await?;
    let lines: Vec<String> = loaded.iter().flat_map(lines).collect();
    let images = unpack::unpack_staged(engine, loaded, staged).await?;
    for image in &images {
        told::happened(engine, "load", &image.id, "");
    }
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
    wanted: Option<&Platform>,
    progress: &mpsc::Sender<ProgressMessage>,
) -> Result<(Vec<Loaded>, Staging)> {
    thread::scope(|scope| {
        let mut watch = Watch { workshop: Workshop::new(engine, scope), progress };
        let loaded = match wanted {
            Some(wanted) => engine.images.load_for(archive, wanted.clone(), &mut watch)?,
            None => engine.images.load(archive, &mut watch)?,
        };
        // Here, where it may take its time, goes what was extracted for nothing.
        for (image, wanted) in loaded.iter().zip(wanted.into_iter().cycle()) {
            let name = image.references.first().map(ImageReference::familiar);
            let name = name.unwrap_or_else(|| image.id.to_string());
            resolve::check_platform(&name, &image.config.platform, wanted)?;
        }
        Ok((loaded, watch.workshop.finish()))
    })
}

struct Watch<'scope, 'env> {
    workshop: Workshop<'scope, 'env>,
    progress: &'env mpsc::Sender<ProgressMessage>,
}

impl LoadWatch for &mut Watch<'_, '_> {
    fn event(&mut self, event: LoadEvent) {
        match event {
            LoadEvent::Skipped { reason } => {
                drop(self.progress.blocking_send(ProgressMessage::stream(format!("{reason}\n"))));
            }
            LoadEvent::Read { path, size_bytes, digest } => {
                tracing::debug!(path, size_bytes, "read");
                self.workshop.came_in(digest);
            }
        }
    }

    fn begins(&mut self, path: &str, size_bytes: u64) -> Option<Tap> {
        self.workshop.begin(path, size_bytes)
    }
}

/// What is told of one image.
fn lines(image: &Loaded) -> Vec<String> {
    if image.references.is_empty() {
        return vec![format!("Loaded image ID: {}\n", image.id)];
    }
    let names = image.references.iter();
    names.map(|name| format!("Loaded image: {}\n", name.familiar())).collect()
}
