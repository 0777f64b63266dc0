//! `diff`: which files a container changed.

use gantry_api::container::FileChange;
use gantry_layers::{Change, ChangeKind};

use crate::blocking::block;
use crate::engine::Engine;
use crate::{Result, plan};

/// Lists what the container changed in its image's files, in the order of paths. It may be running.
pub async fn diff(engine: &Engine, container: &str) -> Result<Vec<FileChange>> {
    let record = engine.snapshot(container)?.record;
    let engine = engine.clone();
    block(move || {
        let points = plan::mount_points(&record.plan);
        let points = points.iter().map(String::as_bytes);
        let written =
            engine.layers.look_at_written(record.id.as_str(), &record.image.chain, points)?;
        Ok(written.changes()?.iter().map(to_api).collect())
    })
    .await
}

fn to_api(change: &Change) -> FileChange {
    FileChange {
        path: format!("/{}", String::from_utf8_lossy(&change.path)),
        kind: match change.kind {
            ChangeKind::Modified => 0,
            ChangeKind::Added => 1,
            ChangeKind::Deleted => 2,
        },
    }
}
