//! `export`: all files of a container as an archive.

use super::announce;
use crate::Result;
use crate::archive_stream::{self, Pieces};
use crate::engine::Engine;

/// An archive of the container's files, without what is mounted in it, piece by piece. A failure after the first piece
/// is the last one. The container may be running.
pub async fn export(engine: &Engine, container: &str) -> Result<Pieces> {
    let record = engine.snapshot(container)?.record;
    announce::tell(engine, &record, "export");
    let engine = engine.clone();
    archive_stream::start("container-export", move |opening| {
        let files = engine.layers.look_at_container(record.id.as_str(), &record.image.chain)?;
        Ok(files.archive(opening.begin())?)
    })
    .await
}
