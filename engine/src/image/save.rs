//! `save`: images into an archive.

use super::{resolve, told};
use crate::Result;
use crate::archive_stream::{self, Pieces};
use crate::engine::Engine;
use crate::error::Error;

/// An archive of the images that `names` mean, piece by piece. `platform` is what all of them have to be for.
pub async fn save(engine: &Engine, names: Vec<String>, platform: Option<String>) -> Result<Pieces> {
    if names.is_empty() {
        return Err(Error::invalid("no image is named: name at least one to save"));
    }
    let engine = engine.clone();
    archive_stream::start("image-save", move |opening| {
        let saving = engine.images.saving(&names)?;
        if let Some(wanted) = &platform {
            let wanted = resolve::parse_platform(wanted)?;
            for image in saving.images() {
                let name = image.repo_tags().into_iter().next();
                let name = name.unwrap_or_else(|| image.id.to_string());
                resolve::check_platform(&name, &image.config.platform, &wanted)?;
            }
        }
        let ids: Vec<_> = saving.images().map(|image| image.id.clone()).collect();
        saving.write(opening.begin())?;
        for id in &ids {
            told::happened(&engine, "save", id, "");
        }
        Ok(())
    })
    .await
}
