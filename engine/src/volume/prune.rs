//! `volume prune`: volumes that no container has; those that somebody named only when all are meant.

use gantry_api::volume::VolumesPruned;
use gantry_types::{ErrorKind, Filters, error_chain};

use super::remove::remove_now;
use super::users;
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::events::{Event, Kind};

const FILTERS: [&str; 3] = ["all", "label", "label!"];

/// Removes them. One that somebody begins to use meanwhile stays.
pub async fn prune(engine: &Engine, filters: Filters) -> Result<VolumesPruned> {
    filters.check_keys(&FILTERS)?;
    let all = filters.flag("all")?.unwrap_or_default();
    let engine = engine.clone();
    block(move || {
        let mut pruned = VolumesPruned::default();
        for volume in engine.volumes.list() {
            let goes = volume.is_local()
                && (all || volume.is_anonymous())
                && filters.allows_labels(&volume.labels)
                && users(&engine, &volume.name, |_| true).is_empty();
            if !goes {
                continue;
            }
            let bytes = engine.volumes.size(&volume).unwrap_or(0);
            match remove_now(&engine, volume.name.as_str()) {
                Ok(()) => {
                    pruned.volumes_deleted.push(volume.name.to_string());
                    pruned.space_reclaimed = pruned.space_reclaimed.saturating_add(bytes);
                }
                Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {
                    tracing::debug!(error = error_chain(&error), volume = %volume.name, "not pruned");
                }
                // One that stays is no reason to keep the others, or quiet about those that went.
                Err(error) => {
                    tracing::warn!(error = error_chain(&error), volume = %volume.name, "cannot be pruned");
                }
            }
        }
        engine.events.tell(Event::pruned(Kind::Volume, pruned.space_reclaimed));
        Ok(pruned)
    })
    .await
}
