//! `remove`: names, and with the last name the image and the layers that nobody else uses.

use gantry_api::image::DeleteItem;
use gantry_images::{ImageId, ImageUser, Removed};

use super::{resolve, told, unpack};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;

/// What a removal may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemoveOptions {
    /// Although stopped containers use it, or it has several names.
    pub force: bool,
    /// It goes only if it is for each of these, `os/architecture[/variant]`.
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
        for platform in &options.platforms {
            resolve::of_platform(&engine, &text, Some(platform))?;
        }
        let options = gantry_images::RemoveOptions { force: options.force };
        let image = engine.images.resolve(&text)?;
        let removed = engine.images.remove(&text, options, |id| users(&engine, id))?;
        told::removed(&engine, &image.id, &removed);
        unpack::collect(&engine);
        drop(layers_may_go);
        Ok(removed.into_iter().map(to_api).collect())
    })
    .await
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
