//! `import`: an image out of a root file system.

use std::io::Read;

use gantry_images::{ImportOptions, Loaded};
use gantry_types::ImageReference;

use super::intake::intake;
use super::unpack;
use crate::engine::Engine;
use crate::{Result, housekeeping};

/// What the new image is called and says.
#[derive(Debug, Clone, Default)]
pub struct ImportRequest {
    /// Repository and tag as the API has them; an image without a name may be made.
    pub repository: String,
    pub tag: String,
    pub message: String,
    /// Dockerfile instructions for its configuration.
    pub changes: Vec<String>,
    /// `os/arch[/variant]`; the host's when empty.
    pub platform: Option<String>,
}

/// Makes an image of a tar archive, plain or compressed; returns its id.
pub async fn import(
    engine: &Engine,
    archive: impl Read + Send + 'static,
    request: ImportRequest,
) -> Result<String> {
    let reference = super::tag::reference(&request.repository, &request.tag)?;
    let importing = engine.clone();
    let loaded = intake(move || take_in(&importing, archive, request, reference)).await?;
    let id = loaded.id.to_string();
    unpack::unpack(engine, vec![loaded]).await?;
    housekeeping::flush_soon(engine);
    Ok(id)
}

fn take_in(
    engine: &Engine,
    archive: impl Read + Send,
    request: ImportRequest,
    reference: Option<ImageReference>,
) -> Result<Loaded> {
    let platform = request.platform.as_deref().filter(|text| !text.is_empty());
    let options = ImportOptions {
        reference,
        message: request.message,
        changes: request.changes,
        created: gantry_sys::clock::now(),
        platform: platform.map(super::resolve::parse_platform).transpose()?,
    };
    Ok(engine.images.import(archive, options)?)
}
