//! What a list of containers needs to know of their images, each looked up once.

use std::collections::HashMap;

use gantry_images::Image;
use gantry_types::{Digest, ImageReference};

use crate::engine::Engine;
use crate::record::ContainerRecord;

/// Lookups for the duration of one list.
pub(crate) struct NameCache<'a> {
    engine: &'a Engine,
    by_text: HashMap<String, Option<Image>>,
}

impl<'a> NameCache<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Self { engine, by_text: HashMap::new() }
    }

    fn image(&mut self, text: &str) -> Option<&Image> {
        let engine = self.engine;
        self.by_text
            .entry(text.to_owned())
            .or_insert_with(|| engine.images.resolve(text).ok())
            .as_ref()
    }

    /// The image as the user called it, or its id when that name leads elsewhere by now.
    pub(crate) fn shown(&mut self, record: &ContainerRecord) -> String {
        let name = &record.plan.config.image;
        let id = &record.image.id;
        let same = self.image(name).is_some_and(|image| image.id.digest() == id);
        // A name may keep images for other platforms beside the one that it leads to.
        if same || self.is_beside(id, name) { name.clone() } else { id.to_string() }
    }

    fn is_beside(&mut self, id: &Digest, name: &str) -> bool {
        let Ok(name) = name.parse::<ImageReference>() else { return false };
        self.image(id.as_str()).is_some_and(|image| image.beside.contains(&name))
    }

    /// The bytes of the image's layers; zero when the image is gone.
    pub(crate) fn image_size(&mut self, record: &ContainerRecord) -> i64 {
        let id = record.image.id.to_string();
        self.image(&id).map_or(0, |image| i64::try_from(image.size_bytes).unwrap_or(i64::MAX))
    }

    /// Whether the container was made from the image that `text` means, or from one that stands on its layers.
    pub(crate) fn is_ancestor(&mut self, record: &ContainerRecord, text: &str) -> bool {
        let chain: &[Digest] = &record.image.chain;
        let id = &record.image.id;
        self.image(text).is_some_and(|image| {
            image.id.digest() == id
                || (!image.diff_ids().is_empty() && chain.starts_with(image.diff_ids()))
        })
    }
}
