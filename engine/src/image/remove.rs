//! `remove`: names, and with the last name the image and the layers that nobody else uses.

use gantry_api::image::DeleteItem;
use gantry_images::{Image, ImageId, ImageUser, Removed};

use super::{resolve, told, unpack};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;

/// What a removal may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemoveOptions {
    /// Although stopped containers use it, or it has several names.
    pub force: bool,
    /// Only what is for these goes, `os/architecture[/variant]`; all of it where there are none.
    pub platforms: Vec<String>,
}

/// Removes what `text` means; tells what went, in order.
pub async fn remove(
    engine: &Engine,
    text: &str,
    options: RemoveOptions,
) -> Result<Vec<DeleteItem>> {
    let layers_may_go = engine.image_changes.removing().await;
    let (engine, text) = (engine.clone(), text.to_owned());
    block(move || {
        let removed = if options.platforms.is_empty() {
            whole(&engine, &text, options.force)?
        } else {
            for_platforms(&engine, &text, &options)?
        };
        unpack::collect(&engine);
        drop(layers_may_go);
        Ok(removed.into_iter().map(to_api).collect())
    })
    .await
}

fn whole(engine: &Engine, text: &str, force: bool) -> Result<Vec<Removed>> {
    let image = engine.images.resolve(text)?;
    let options = gantry_images::RemoveOptions { force };
    let removed = engine.images.remove(text, options, |id| users(engine, id))?;
    told::removed(engine, &image.id, &removed);
    Ok(removed)
}

/// What is for all platforms that are here goes with its names.
fn for_platforms(engine: &Engine, text: &str, options: &RemoveOptions) -> Result<Vec<Removed>> {
    let all = engine.images.resolve_all(text)?;
    let mut chosen: Vec<&Image> = Vec::new();
    for wanted in &options.platforms {
        let image = resolve::choose(text, &all, &resolve::parse_platform(wanted)?)?;
        if !chosen.contains(&image) {
            chosen.push(image);
        }
    }
    if chosen.len() == all.len() {
        return whole(engine, text, options.force);
    }
    let mut removed = Vec::new();
    for image in chosen {
        let options = gantry_images::RemoveOptions { force: options.force };
        let gone = engine.images.remove_platform(image, options, |id| users(engine, id))?;
        told::removed(engine, &image.id, &gone);
        removed.extend(gone);
    }
    Ok(removed)
}

pub(super) fn to_api(removed: Removed) -> DeleteItem {
    match removed {
        Removed::Untagged(name) => DeleteItem::untagged(name),
        Removed::Deleted(id) => DeleteItem::deleted(id.to_string()),
    }
}

/// The containers of an image.
pub(super) fn users(engine: &Engine, id: &ImageId) -> Vec<ImageUser> {
    let snapshots = engine.containers.snapshots().into_iter();
    let using = snapshots.filter(|snapshot| snapshot.record.image.id == *id.digest());
    using
        .map(|snapshot| ImageUser {
            container: snapshot.record.id.clone(),
            running: snapshot.record.state.is_running(),
        })
        .collect()
}
