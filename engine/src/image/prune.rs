//! `prune`: images that nobody needs.

use gantry_api::image::{DeleteItem, ImagesPruned};
use gantry_images::Image;
use gantry_types::{ErrorKind, Filters, Timestamp, error_chain};

use super::{remove, told, unpack};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::events::{Event, Kind};

const FILTERS: [&str; 4] = ["dangling", "until", "label", "label!"];

/// What is to go.
struct Choice {
    /// Only images without a tag.
    dangling: bool,
    /// Only images that were made by then.
    until: Option<Timestamp>,
    filters: Filters,
}

/// Removes the images that no container uses: those without a tag, or all of them when `filters` says `dangling=false`.
pub async fn prune(engine: &Engine, filters: Filters) -> Result<ImagesPruned> {
    filters.check_keys(&FILTERS)?;
    let choice = Choice {
        dangling: filters.flag("dangling")?.unwrap_or(true),
        until: filters.moment("until", gantry_sys::clock::now())?,
        filters,
    };
    let layers_may_go = engine.image_changes.removing().await;
    let engine = engine.clone();
    block(move || {
        let mut pruned = ImagesPruned::default();
        for image in engine.images.list()?.iter().filter(|image| choice.holds(image)) {
            pruned.images_deleted.extend(remove_one(&engine, image)?);
        }
        pruned.space_reclaimed = unpack::collect(&engine).bytes;
        drop(layers_may_go);
        engine.events.tell(Event::pruned(Kind::Image, pruned.space_reclaimed));
        Ok(pruned)
    })
    .await
}

impl Choice {
    fn holds(&self, image: &Image) -> bool {
        let is_old = |until| image.created().is_some_and(|created| created <= until);
        // What is beside an image for another platform goes with that.
        !image.is_sibling()
            && (!self.dangling || image.repo_tags().is_empty())
            && self.until.is_none_or(is_old)
            && self.filters.allows_labels(&image.config.config.labels)
    }
}

/// Removes an image with all its names. What somebody uses, or has given another name meanwhile, stays.
fn remove_one(engine: &Engine, image: &Image) -> Result<Vec<DeleteItem>> {
    match engine.images.remove_listed(image, |id| remove::users(engine, id)) {
        Ok(removed) => {
            told::removed(engine, &image.id, &removed);
            Ok(removed.into_iter().map(remove::to_api).collect())
        }
        Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {
            tracing::debug!(error = error_chain(&error), image = %image.id, "not pruned");
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}
