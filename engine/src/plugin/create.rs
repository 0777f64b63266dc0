//! `plugin create`: a plugin of a root file system and a configuration, as an archive.

use std::io::Read;

use super::{new_id, parse_name, tell};
use crate::Result;
use crate::engine::Engine;
use crate::image::intake;

/// Makes a plugin of an archive with `config.json` and `rootfs/`, which may be compressed. It is not enabled.
pub async fn create(
    engine: &Engine,
    name: &str,
    archive: impl Read + Send + 'static,
) -> Result<()> {
    let name = parse_name(name)?;
    let reserved = engine.managed_plugins.reserve(&name)?;
    let engine = engine.clone();
    // As long as a client sends.
    intake(move || {
        let record = engine.managed_plugins.create((&new_id()?, name), archive)?;
        tell(&engine, "create", &record);
        drop(reserved);
        Ok(())
    })
    .await
}
