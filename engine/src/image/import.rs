//! `import`: an image out of a root file system.

use std::io::Read;

use gantry_images::ImportOptions;
use gantry_types::ImageReference;

use super::unpack;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
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
    let _changing = engine.image_changes.lock().await;
    let importing = engine.clone();
    let imported = block(move || import_now(&importing, archive, request, reference)).await;
    housekeeping::flush_soon(engine);
    imported
}

fn import_now(
    engine: &Engine,
    archive: impl Read + Send,
    request: ImportRequest,
    reference: Option<ImageReference>,
) -> Result<String> {
    let platform = request.platform.as_deref().filter(|text| !text.is_empty());
    let options = ImportOptions {
        reference,
        message: request.message,
        changes: request.changes,
        created: gantry_sys::clock::now(),
        platform: platform.map(super::resolve::parse_platform).transpose()?,
    };
    let loaded = engine.images.import(archive, options).map_err(Error::Images)?;
    Ok(unpack::unpack(engine, &loaded)?.id.to_string())
}
