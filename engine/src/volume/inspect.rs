//! `volume inspect`: everything about one volume.

use gantry_api::volume::Volume;

use super::{document, driver};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;

/// Tells everything about the volume of that name.
pub async fn inspect(engine: &Engine, name: &str) -> Result<Volume> {
    let volume = engine.volumes.find(name)?;
    let shown = document(engine, &volume);
    if volume.is_local() {
        return Ok(shown);
    }
    let engine = engine.clone();
    let told = block(move || driver::told(&engine, &volume)).await?;
    let mountpoint = told.mountpoint.unwrap_or(shown.mountpoint);
    Ok(Volume { mountpoint, status: told.status.unwrap_or_default(), ..shown })
}
