//! The volumes and image mounts of a container that starts: taken before it is made, given back when it has ended.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use gantry_layers::Recipe;
use gantry_types::error_chain;
use gantry_volumes::{CreateOptions, VolumeName};

use super::driver;
use super::for_container::fill;
use crate::engine::Engine;
use crate::error::Error;
use crate::events::{Event, Kind};
use crate::plan::{FoundSource, ImageSource, MountPlan, MountSource, Relabel, VolumeSource};
use crate::record::ContainerRecord;
use crate::rollback::Rollback;
use crate::{Result, selinux};

/// Where the mounts of a container are, good as long as this is there.
#[derive(Default)]
pub(crate) struct Found {
    pub sources: BTreeMap<String, FoundSource>,
    held: Vec<OwnedFd>,
    recipes: Vec<Recipe>,
}

/// Finds everything that the container mounts of volumes and images. Blocks.
pub(crate) fn take(
    engine: &Engine,
    record: &ContainerRecord,
    rollback: &mut Rollback,
) -> Result<Found> {
    let mut found = Found::default();
    for mount in &record.plan.mounts {
        let source = match &mount.source {
            MountSource::Volume(volume) => {
                let source = of_volume(engine, record, (mount, volume), (&mut found, rollback))?;
                label(record, volume, &source)?;
                Some(source)
            }
            MountSource::Image(image) => Some(of_image(engine, record, image, &mut found)?),
            MountSource::Bind(_) | MountSource::Tmpfs { .. } => None,
        };
        if let Some(source) = source {
            found.sources.insert(mount.target.clone(), source);
        }
    }
    Ok(found)
}

fn of_volume(
    engine: &Engine,
    record: &ContainerRecord,
    (mount, volume): (&MountPlan, &VolumeSource),
    (found, rollback): (&mut Found, &mut Rollback),
) -> Result<FoundSource> {
    let Some(name) = &volume.name else {
        return Err(Error::invalid(format!("the volume at {} has no name", mount.target)));
    };
    // One that a power cut took away is there again, empty.
    let again = CreateOptions {
        driver: volume.driver.clone(),
        options: volume.options.clone(),
        labels: volume.labels.clone(),
    };
    let (row, _) = driver::create(engine, name, again, &mut engine.volumes.pins())?;
    let user = record.id.as_str();
    let place = if row.is_local() {
        let path = engine.volumes.mount(name, user)?;
        driver::Place::Path(path.to_string_lossy().into_owned())
    } else {
        driver::mount(engine, &row, user)?
    };
    let undo = (engine.clone(), name.clone(), record.id.to_string());
    rollback.on_failure(move || unmount(&undo.0, &undo.1, &undo.2));
    let has_mount = engine.volumes.has_mount(name);
    if has_mount && volume.copy && volume.subpath.is_empty() {
        fill(engine, (name, &mount.target), &record.image.chain, &mut None)?;
    }
    tell(engine, "mount", record, (mount, volume));
    let mut path = match place {
        driver::Place::Path(path) => path,
        driver::Place::Held(place) => found.hold(place),
    };
    if !volume.subpath.is_empty() {
        let place = engine.volumes.open_subpath(Path::new(&path), name, &volume.subpath)?;
        path = found.hold(place);
    }
    let is_ours = row.is_local() && !has_mount;
    Ok(if is_ours { FoundSource::Path(path) } else { FoundSource::Foreign(path) })
}

/// Where SELinux labels files, a volume's are all containers' unless `Z` makes them this one's.
fn label(record: &ContainerRecord, volume: &VolumeSource, source: &FoundSource) -> Result<()> {
    let (FoundSource::Path(path) | FoundSource::Foreign(path)) = source else { return Ok(()) };
    let (path, labels) = (Path::new(path), &record.plan.security.selinux);
    match Relabel::of(&volume.mode) {
        Some(how) => selinux::relabel(path, labels, how),
        None => selinux::relabel_if_foreign(path, labels),
    }
}

fn of_image(
    engine: &Engine,
    record: &ContainerRecord,
    image: &ImageSource,
    found: &mut Found,
) -> Result<FoundSource> {
    if record.plan.user_namespace.is_some() {
        let image = &image.reference;
        return Err(Error::invalid(format!(
            "the image {image} cannot be mounted in a container with ids of its own: run it with --userns=host"
        )));
    }
    let recipe = engine.layers.recipe_of_chain(&image.chain, &image.subpath)?;
    let mount = recipe.first().cloned();
    found.recipes.push(recipe);
    let mount = mount.ok_or_else(|| Error::invalid("an image without a mount"))?;
    Ok(FoundSource::Mount { kind: mount.kind, options: mount.options })
}

impl Found {
    /// Keeps what is open, and tells where other processes of this mount namespace find it.
    fn hold(&mut self, place: OwnedFd) -> String {
        let path = path_of(&place);
        self.held.push(place);
        path.to_string_lossy().into_owned()
    }
}

/// Where other processes of this mount namespace find what is open here, for as long as it is.
pub(crate) fn path_of(place: &OwnedFd) -> PathBuf {
    // Not the number that this process has for itself: `/proc` may be another pid namespace's.
    let own = std::fs::read_link("/proc/self")
        .unwrap_or_else(|_| PathBuf::from(std::process::id().to_string()));
    PathBuf::from("/proc").join(own).join("fd").join(place.as_raw_fd().to_string())
}

/// After the container's end. Blocks.
pub(crate) fn give_back(engine: &Engine, record: &ContainerRecord) {
    for mount in &record.plan.mounts {
        let MountSource::Volume(volume) = &mount.source else { continue };
        let Some(name) = &volume.name else { continue };
        unmount(engine, name, record.id.as_str());
        tell(engine, "unmount", record, (mount, volume));
    }
}

fn unmount(engine: &Engine, name: &VolumeName, user: &str) {
    match engine.volumes.find(name.as_str()) {
        Ok(volume) if !volume.is_local() => {
            if let Err(error) = driver::unmount(engine, &volume, user) {
                tracing::warn!(error = error_chain(&error), volume = %name, "a plugin keeps a volume mounted");
            }
        }
        _ => engine.volumes.unmount(name, user),
    }
}

/// Which volumes running containers use, for [`gantry_volumes::Volumes::restore`].
pub(crate) fn of_running(records: &[ContainerRecord]) -> Vec<(VolumeName, String)> {
    let running = records.iter().filter(|record| record.state.is_running());
    running
        .flat_map(|record| {
            let volumes = record.plan.mounts.iter().filter_map(MountPlan::volume);
            volumes.filter_map(|volume| Some((volume.name.clone()?, record.id.to_string())))
        })
        .collect()
}

fn tell(
    engine: &Engine,
    action: &'static str,
    record: &ContainerRecord,
    (mount, volume): (&MountPlan, &VolumeSource),
) {
    let mut event = Event::new(Kind::Volume, action, volume.name_text())
        .with("driver", &*volume.driver)
        .with("container", record.id.as_str());
    if action == "mount" {
        event = event
            .with("destination", &*mount.target)
            .with("read/write", (!mount.read_only).to_string())
            .with("propagation", "");
    }
    engine.events.tell(event);
}
