//! Volumes: one file per use case, and how containers use them.

mod clone;
mod create;
pub(crate) mod df;
mod driver;
mod export;
mod for_container;
mod import;
mod inspect;
mod list;
mod prune;
mod remove;
mod rename;
pub(crate) mod use_by;

pub use clone::clone;
pub use create::create;
pub use export::export;
pub(crate) use for_container::{complete, make};
pub use import::import;
pub use inspect::inspect;
pub use list::list;
pub use prune::prune;
pub use remove::remove;
pub(crate) use remove::remove_anonymous;
pub use rename::rename;
pub(crate) use use_by::{give_back, of_running, take};

use std::collections::BTreeMap;

use gantry_api::volume::Volume as Document;
use gantry_types::Timestamp;
use gantry_volumes::{Volume, VolumeName};

use crate::engine::Engine;
use crate::events::{Event, Kind};
use crate::record::ContainerRecord;

/// The volume as lists and `inspect` show it.
fn document(engine: &Engine, volume: &Volume) -> Document {
    let mountpoint = if volume.is_local() {
        engine.volumes.path(&volume.name).to_string_lossy().into_owned()
    } else {
        volume.plugin_path.clone()
    };
    Document {
        created_at: Timestamp { nanos: 0, ..volume.created_at }.to_string(),
        driver: volume.driver.clone(),
        labels: volume.labels.clone(),
        mountpoint,
        name: volume.name.to_string(),
        options: volume.options.clone(),
        scope: "local".to_owned(),
        status: BTreeMap::new(),
        usage_data: None,
    }
}

/// The containers that use a volume, as far as `wanted` goes.
fn users(
    engine: &Engine,
    name: &VolumeName,
    wanted: impl Fn(&ContainerRecord) -> bool,
) -> Vec<String> {
    let snapshots = engine.containers.snapshots();
    let using = snapshots.iter().filter(|one| {
        let mut volumes = one.record.plan.mounts.iter().filter_map(|mount| mount.volume());
        wanted(&one.record) && volumes.any(|volume| volume.name.as_ref() == Some(name))
    });
    using.map(|one| one.record.id.to_string()).collect()
}

fn tell(engine: &Engine, action: &'static str, volume: &Volume) {
    let event = Event::new(Kind::Volume, action, volume.name.as_str());
    engine.events.tell(event.with("driver", &*volume.driver));
}

fn parse(text: &str) -> crate::Result<VolumeName> {
    let invalid = |source| gantry_volumes::Error::InvalidName { name: text.to_owned(), source };
    Ok(text.parse().map_err(invalid)?)
}
