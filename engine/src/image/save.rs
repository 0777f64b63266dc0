//! `save`: images into an archive.

use super::{resolve, told};
use crate::Result;
use crate::archive_stream::{self, Pieces};
use crate::engine::Engine;
use crate::error::Error;

/// An archive of the images that `names` mean, piece by piece: each for these platforms, which have to be here, or for all
/// that are.
pub async fn save(engine: &Engine, names: Vec<String>, platforms: Vec<String>) -> Result<Pieces> {
    if names.is_empty() {
        return Err(Error::invalid("no image is named: name at least one to save"));
    }
    let engine = engine.clone();
    archive_stream::start("image-save", move |opening| {
        let wanted: Vec<_> = platforms
            .iter()
            .map(|wanted| resolve::parse_platform(wanted))
            .collect::<Result<_>>()?;
        let saving = engine.images.saving(&names, |all| {
            if wanted.is_empty() {
                return Ok(all);
            }
            let name = all[0].repo_tags().into_iter().next();
            let name = name.unwrap_or_else(|| all[0].id.to_string());
            let chosen = wanted.iter().map(|wanted| resolve::choose(&name, &all, wanted));
            chosen.map(Result::<&_, _>::cloned).collect()
        })?;
        let ids: Vec<_> = saving.images().map(|image| image.id.clone()).collect();
        saving.write(opening.begin())?;
        for id in &ids {
            told::happened(&engine, "save", id, "");
        }
        Ok(())
    })
    .await
}
