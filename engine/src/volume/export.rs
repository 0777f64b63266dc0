//! `volume export`: a volume's files as an archive.

use crate::Result;
use crate::archive_stream::{self, Pieces};
use crate::engine::Engine;

/// An archive of the volume's files, piece by piece. A failure after the first piece is the last one. Containers may be
/// using the volume.
pub async fn export(engine: &Engine, name: &str) -> Result<Pieces> {
    let (engine, name) = (engine.clone(), name.to_owned());
    archive_stream::start("volume-export", move |opening| {
        Ok(engine.volumes.export(&name, || opening.begin())?)
    })
    .await
}
