//! `volume ls`: one row per volume, by name.

use std::collections::HashSet;

use gantry_api::volume::VolumeList;
use gantry_types::Filters;

use super::document;
use crate::Result;
use crate::engine::Engine;
use crate::patterns::Patterns;

const FILTERS: [&str; 4] = ["dangling", "driver", "label", "name"];

/// Lists volumes.
pub fn list(engine: &Engine, filters: &Filters) -> Result<VolumeList> {
    filters.check_keys(&FILTERS)?;
    let dangling = filters.flag("dangling")?;
    let used = if dangling.is_some() { used_names(engine) } else { HashSet::new() };
    let names = Patterns::of(filters, "name");
    let mut volumes = engine.volumes.list();
    volumes.retain(|volume| {
        filters.has_labels("label", &volume.labels)
            && filters.allows("driver", |text| volume.driver == *text)
            && names.allow(volume.name.as_str())
            && dangling.is_none_or(|wanted| wanted != used.contains(volume.name.as_str()))
    });
    let volumes = volumes.iter().map(|volume| document(engine, volume)).collect();
    Ok(VolumeList { volumes, warnings: Vec::new() })
}

/// The names of volumes that some container has.
fn used_names(engine: &Engine) -> HashSet<String> {
    let snapshots = engine.containers.snapshots();
    let mounts = snapshots.iter().flat_map(|one| &one.record.plan.mounts);
    mounts.filter_map(|mount| Some(mount.volume()?.name_text().to_owned())).collect()
}
