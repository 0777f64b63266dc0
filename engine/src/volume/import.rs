//! `volume import`: a new volume of an archive's files.

use std::io::Read;

use gantry_api::volume::Volume;
use gantry_volumes::CreateOptions;

use super::{document, parse, tell};
use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, blocking};

/// Makes the volume `name` of an archive, which may be compressed. Nothing is left of one that breaks off.
pub async fn import(
    engine: &Engine,
    name: &str,
    archive: impl Read + Send + 'static,
) -> Result<Volume> {
    let name = parse(name)?;
    let engine = engine.clone();
    let (done, made) = tokio::sync::oneshot::channel();
    // As long as a client sends.
    blocking::thread("volume-import", move || {
        let now = gantry_sys::clock::now();
        let result = engine.volumes.import(&name, CreateOptions::default(), now, archive);
        let result = result.map(|volume| {
            tell(&engine, "create", &volume);
            document(&engine, &volume)
        });
        // Nobody may wait for the answer any more.
        drop(done.send(result));
    })?;
    Ok(made.await.map_err(|_| Error::ShuttingDown)??)
}
