//! What is told of images to those who listen for events.

use gantry_images::{ImageId, Removed};
use gantry_types::ImageReference;

use crate::engine::Engine;
use crate::events::{Event, Kind};

/// Something that happened to an image that is known by its id. `name` is what the event calls it; empty stands for the
/// id again.
pub(crate) fn happened(engine: &Engine, action: &'static str, id: &ImageId, name: &str) {
    let id_text = id.to_string();
    let name = if name.is_empty() { id_text.as_str() } else { name };
    let event = Event::new(Kind::Image, action, id_text.as_str()).with("name", name);
    // An image that is gone has no labels any more.
    let labels = engine.images.get(id).map(|image| image.config.config.labels);
    engine.events.tell(match labels {
        Ok(labels) => event.with_all(&labels),
        Err(_) => event,
    });
}

/// A pull or push, which is told by name.
pub(super) fn transferred(engine: &Engine, action: &'static str, reference: &ImageReference) {
    let event = Event::new(Kind::Image, action, reference.familiar());
    engine.events.tell(event.with("name", reference.familiar_repository()));
}

/// What a removal did to the image with this id.
pub(super) fn removed(engine: &Engine, of: &ImageId, removed: &[Removed]) {
    for one in removed {
        match one {
            Removed::Untagged(_) => happened(engine, "untag", of, ""),
            Removed::Deleted(id) => happened(engine, "delete", id, ""),
        }
    }
}
