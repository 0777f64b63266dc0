//! `prune`: containers that do not run.

use gantry_api::container::ContainersPruned;
use gantry_types::{ErrorKind, Filters, error_chain};

use super::inspect::written_bytes;
use super::remove::{RemoveOptions, remove};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::events::{Event, Kind};
use crate::record::ContainerRecord;

const FILTERS: [&str; 3] = ["until", "label", "label!"];

/// Removes all containers that do not run and fit `filters`.
pub async fn prune(engine: &Engine, filters: Filters) -> Result<ContainersPruned> {
    filters.check_keys(&FILTERS)?;
    let until = filters.moment("until", gantry_sys::clock::now())?;
    let goes = |record: &ContainerRecord| {
        !record.state.is_active()
            && until.is_none_or(|until| record.created_at <= until)
            && filters.allows_labels(&record.plan.config.labels)
    };
    let mut pruned = ContainersPruned::default();
    for snapshot in engine.containers.snapshots() {
        let record = snapshot.record;
        if !goes(&record) {
            continue;
        }
        let id = record.id.to_string();
        let (measuring, measured) = (engine.clone(), id.clone());
        let bytes = block(move || written_bytes(&measuring, &measured)).await?;
        match remove(engine, &id, RemoveOptions::default()).await {
            Ok(()) => {
                pruned.containers_deleted.push(id);
                let bytes = u64::try_from(bytes).unwrap_or(0);
                pruned.space_reclaimed = pruned.space_reclaimed.saturating_add(bytes);
            }
            // Somebody started it, or was faster.
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {
                tracing::debug!(error = error_chain(&error), id, "not pruned");
            }
            // One that stays is no reason to keep the others, or quiet about those that went.
            Err(error) => tracing::warn!(error = error_chain(&error), id, "cannot be pruned"),
        }
    }
    engine.events.tell(Event::pruned(Kind::Container, pruned.space_reclaimed));
    Ok(pruned)
}
