//! The volumes of a container that is being made: its nameless ones get names, all are made, empty ones take the image's
//! content.

use std::os::fd::AsFd;
use std::path::Path;

use gantry_types::{Digest, error_chain};
use gantry_volumes::{ANONYMOUS, CreateOptions, LOCAL, Pins, VolumeName};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use super::driver;
use super::remove::remove_now;
use crate::engine::Engine;
use crate::error::Error;
use crate::plan::{ContainerPlan, MountPlan, MountSource, VolumesFrom, complete_mounts};
use crate::rollback::Rollback;
use crate::{Result, random};

/// Keeps the volumes of a container from going until its record names them.
pub(crate) struct Made {
    _pins: Pins,
}

/// Adds what other containers and the image bring, and finds the images that are mounted. Blocks.
pub(crate) fn complete(engine: &Engine, plan: &mut ContainerPlan) -> Result<()> {
    let mut inherited = Vec::new();
    for text in &plan.host_config.volumes_from {
        let from = VolumesFrom::parse(text)?;
        let other = engine.snapshot(&from.container)?.record;
        inherited.extend(from.inherit(&other.plan.mounts));
    }
    let nameless = (&plan.config.volumes, plan.host_config.volume_driver.as_str());
    complete_mounts(&mut plan.mounts, inherited, nameless)?;
    for mount in &mut plan.mounts {
        if let MountSource::Image(image) = &mut mount.source
            && image.chain.is_empty()
        {
            // Not that of the container is missing, which clients would fetch.
            let missing = |error: gantry_images::Error| {
                Error::invalid(format!("invalid mount config for type \"image\": {error}"))
            };
            let found = engine.images.resolve(&image.reference).map_err(missing)?;
            image.chain = found.diff_ids().to_vec();
        }
    }
    Ok(())
}

/// Makes the volumes of `plan`, whose image has the layers `chain`, and notes where they are. Blocks.
pub(crate) fn make(
    engine: &Engine,
    plan: &mut ContainerPlan,
    chain: &[Digest],
    rollback: &mut Rollback,
) -> Result<Made> {
    let mut pins = engine.volumes.pins();
    let mut view = None;
    for mount in &mut plan.mounts {
        let MountPlan { target, source: MountSource::Volume(volume), .. } = mount else { continue };
        let name = match &volume.name {
            Some(name) => name.clone(),
            None => VolumeName::anonymous(random::bytes()?),
        };
        let mut labels = volume.labels.clone();
        if volume.anonymous {
            labels.entry(ANONYMOUS.to_owned()).or_default();
        }
        let (driver, options) = (volume.driver.clone(), volume.options.clone());
        let options = CreateOptions { driver, options, labels };
        let (made, is_new) = driver::create(engine, &name, options, &mut pins)?;
        if is_new {
            undo(engine, &name, rollback);
        }
        volume.path = if made.is_local() {
            engine.volumes.path(&name).to_string_lossy().into_owned()
        } else {
            engine.volumes.find(name.as_str())?.plugin_path
        };
        volume.driver = made.driver;
        volume.name = Some(name.clone());
        engine.failpoint("create-volume")?;
        // What lies in a mount would be gone before the container starts.
        if volume.copy
            && volume.subpath.is_empty()
            && volume.driver == LOCAL
            && !engine.volumes.has_mount(&name)
        {
            fill(engine, (&name, target), chain, &mut view)?;
        }
    }
    Ok(Made { _pins: pins })
}

fn undo(engine: &Engine, name: &VolumeName, rollback: &mut Rollback) {
    let undo = (engine.clone(), name.clone());
    rollback.on_failure(move || {
        if let Err(error) = remove_now(&undo.0, undo.1.as_str()) {
            tracing::warn!(error = error_chain(&error), volume = %undo.1, "cannot undo a volume");
        }
    });
}

/// An empty volume takes what the image has at the target, with its owner and mode.
pub(super) fn fill(
    engine: &Engine,
    (name, target): (&VolumeName, &str),
    chain: &[Digest],
    view: &mut Option<std::os::fd::OwnedFd>,
) -> Result<()> {
    let view = match view {
        Some(view) => view,
        none => none.insert(engine.layers.look_at_chain(chain)?),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let below = target.trim_start_matches('/');
    match openat2(&*view, below, flags, Mode::empty(), resolve) {
        Ok(dir) => {
            engine.volumes.fill(name, dir.as_fd(), Path::new(target))?;
            Ok(())
        }
        Err(Errno::NOENT | Errno::LOOP) => Ok(()),
        Err(Errno::NOTDIR) => Err(Error::invalid(format!(
            "cannot mount volume over existing file, file exists {target}"
        ))),
        Err(error) => Err(Error::file("look at the image's", target)(error.into())),
    }
}
