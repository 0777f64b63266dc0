//! `tag`: another name for an image.

use gantry_types::ImageReference;

use super::told;
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;

/// Gives the image that `source` means the name `repository:tag`.
pub async fn tag(engine: &Engine, source: &str, repository: &str, tag: &str) -> Result<()> {
    let target =
        reference(repository, tag)?.ok_or_else(|| Error::invalid("invalid reference format"))?;
    let (engine, source) = (engine.clone(), source.to_owned());
    block(move || {
        // Should the image go before it has its new name, the store says so.
        let all = engine.images.resolve_all(&source)?;
        engine.images.tag(&all, &target)?;
        told::happened(&engine, "tag", &all[0].id, &target.familiar());
        Ok(())
    })
    .await
}

/// The reference that the API's two parameters spell; none when there is no repository.
pub(crate) fn reference(repository: &str, tag: &str) -> Result<Option<ImageReference>> {
    if repository.is_empty() {
        return Ok(None);
    }
    let invalid = |error: gantry_types::InvalidReference| Error::invalid(error.to_string());
    let text = if tag.is_empty() { repository.to_owned() } else { format!("{repository}:{tag}") };
    Ok(Some(text.parse().map_err(invalid)?))
}
