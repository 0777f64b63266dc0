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
/// each through `progress` as Docker does. `platforms` choose among several that an image is there for, and each has to be for
/// one of them; without any, all comes in. `archive` is read on a thread that may block.
pub async fn load(
    engine: &Engine,
    archive: impl Read + Send + 'static,
    platforms: Vec<String>,
    progress: mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    let (loading, telling) = (engine.clone(), progress.clone());
    let wanted: Result<Vec<Platform>> =
        platforms.iter().map(|text| resolve::parse_platform(text)).collect();
    let wanted = wanted?;
    let (loaded, staged) = intake(move || take_in(&loading, archive, &wanted, &telling)).await?;
    let mut lines: Vec<String> = loaded.iter().flat_map(lines).collect();
    // An image for several platforms has one name.
    lines.dedup();
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
    wanted: &[Platform],
    progress: &mpsc::Sender<ProgressMessage>,
) -> Result<(Vec<Loaded>, Staging)> {
    thread::scope(|scope| {
        let mut watch = Watch { workshop: Workshop::new(engine, scope), progress };
        let loaded = engine.images.load_for(archive, wanted.to_vec(), &mut watch)?;
        // Here, where it may take its time, goes what was extracted for nothing.
        for image in &loaded {
            let own = &image.config.platform;
            let Some(first) = wanted.first() else { break };
            if wanted.iter().any(|wanted| resolve::is_platform(own, wanted)) {
                continue;
            }
            let name = image.references.first().map(ImageReference::familiar);
            let name = name.unwrap_or_else(|| image.id.to_string());
            resolve::check_platform(&name, own, first)?;
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
