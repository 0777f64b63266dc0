//! `volume clone`: a new volume with the files of another, which may be in use.

use gantry_api::volume::Volume;

use super::{document, parse, tell};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;

/// Makes the volume `to` with the files of `from`.
pub async fn clone(engine: &Engine, from: &str, to: &str) -> Result<Volume> {
    let to = parse(to)?;
    let (engine, from) = (engine.clone(), from.to_owned());
    block(move || {
        let made = engine.volumes.clone_volume(&from, &to, gantry_sys::clock::now())?;
        tell(&engine, "create", &made);
        Ok(document(&engine, &made))
    })
    .await
}
