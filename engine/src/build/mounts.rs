//! What a command of a build sees beside its root, as mounts of its container.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use gantry_api::mount::{ImageOptions, Mount, TmpfsOptions};
use gantry_build::RunMount;
use gantry_types::ContainerId;
use rustix::fs::{FileType, fstat};

use super::caches::{self, Taken};
use super::ssh::Relay;
use super::workshop::Bench;
use super::{chain, secrets};
use crate::engine::Engine;
use crate::error::Error;
use crate::plan::{ContainerPlan, MountSource, Relabel};
use crate::volume::use_by;
use crate::{Result, selinux};

/// The mounts of one command, and what has to be there as long as it runs.
#[derive(Default)]
pub(super) struct LaidOut {
    pub(super) mounts: Vec<Mount>,
    /// Chains of the mounts that are directories in layers, by what these mounts call them.
    chains: Vec<Vec<gantry_types::Digest>>,
    relays: Vec<Relay>,
}

/// Makes what the mounts need. What is for this command alone lies below the folder of its secrets, or in the build's room.
pub(super) fn lay_out(
    bench: &Bench<'_>,
    id: &ContainerId,
    mounts: &[RunMount],
    caches: &Taken<'_>,
) -> Result<LaidOut> {
    let mut laid_out = LaidOut::default();
    for (number, mount) in mounts.iter().enumerate() {
        let place = secrets::folder(bench.engine, id).join(number.to_string());
        let made = match mount {
            RunMount::Held { place, target, is_read_only, is_copied } => {
                let path = if *is_copied { copied(bench, place)? } else { use_by::path_of(place) };
                bind(&path, target, *is_read_only)
            }
            RunMount::Merged { layers, path, target } => {
                laid_out.chains.push(chain(layers));
                image(laid_out.chains.len() - 1, path, target)
            }
            RunMount::Cache { id, target, is_read_only, .. } => {
                let path = cache(bench.engine, mount, caches.name_of(id))?;
                bind(&path, target, *is_read_only)
            }
            RunMount::Memory { target, size_limit } => memory(target, *size_limit),
            RunMount::Secret { content, target, owned } => {
                secrets::write(&place, content, *owned)?;
                bind(&place, target, true)
            }
            RunMount::Agent { id, target, owned } => {
                laid_out.relays.push(Relay::start(bench.agent(id)?, &place, *owned)?);
                bind(&place, target, false)
            }
        };
        laid_out.mounts.push(made);
    }
    Ok(laid_out)
}

impl LaidOut {
    /// Tells the plan which layers its mounts of layers mean.
    pub(super) fn complete(&self, plan: &mut ContainerPlan) {
        for mount in &mut plan.mounts {
            let MountSource::Image(image) = &mut mount.source else { continue };
            let number = image.reference.strip_prefix(LAYERS).and_then(|text| text.parse().ok());
            if let Some(chain) = number.and_then(|number: usize| self.chains.get(number)) {
                image.chain.clone_from(chain);
            }
        }
    }
}

/// Where SELinux labels files, secrets and sockets are the command's own; what else there is other commands have as well.
pub(super) fn label(engine: &Engine, id: &ContainerId, plan: &ContainerPlan) -> Result<()> {
    let own = secrets::folder(engine, id);
    for mount in &plan.mounts {
        let MountSource::Bind(bind) = &mount.source else { continue };
        let path = Path::new(&bind.path);
        let how = if path.starts_with(&own) { Relabel::Private } else { Relabel::Shared };
        selinux::relabel(path, &plan.security.selinux, how)?;
    }
    Ok(())
}

/// How references of mounts of layers begin, in front of their numbers; no image's name has a blank.
const LAYERS: &str = "layers ";

fn image(number: usize, path: &str, target: &str) -> Mount {
    Mount {
        r#type: "image".to_owned(),
        source: format!("{LAYERS}{number}"),
        target: target.to_owned(),
        image_options: (!path.is_empty()).then(|| ImageOptions { subpath: path.to_owned() }),
        ..Mount::default()
    }
}

fn bind(path: &Path, target: &str, read_only: bool) -> Mount {
    Mount {
        r#type: "bind".to_owned(),
        source: path.to_string_lossy().into_owned(),
        target: target.to_owned(),
        read_only,
        ..Mount::default()
    }
}

fn memory(target: &str, size_limit: Option<u64>) -> Mount {
    Mount {
        r#type: "tmpfs".to_owned(),
        target: target.to_owned(),
        tmpfs_options: size_limit.map(|size| TmpfsOptions {
            size_bytes: i64::try_from(size).unwrap_or(i64::MAX),
            ..TmpfsOptions::default()
        }),
        ..Mount::default()
    }
}

/// The directory of a cache, filled when it is new.
fn cache(engine: &Engine, mount: &RunMount, name: &str) -> Result<PathBuf> {
    let RunMount::Cache { id, born, seed, .. } = mount else {
        return Err(Error::invalid("a cache mount was expected"));
    };
    caches::directory(engine, (id, name), *born, &|new| match seed {
        Some(seed) => fill(seed, new),
        None => Ok(()),
    })
}

/// A copy of a file or a directory, in the build's room: it goes with the build.
fn copied(bench: &Bench<'_>, place: &OwnedFd) -> Result<PathBuf> {
    let room = bench.make_scratch()?;
    let path = room.join("copy");
    let failed = || Error::file("copy a mount to", &path);
    let stat = fstat(place).map_err(|error| failed()(error.into()))?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        fs::create_dir(&path).map_err(failed())?;
        fill(place, &path)?;
        return Ok(path);
    }
    // The place was opened without reading; what it is, is known.
    let mut from = File::open(format!("/proc/self/fd/{}", place.as_raw_fd())).map_err(failed())?;
    let metadata = from.metadata().map_err(failed())?;
    let mut to = File::create_new(&path).map_err(failed())?;
    io::copy(&mut from, &mut to).map_err(failed())?;
    chown(&path, Some(metadata.uid()), Some(metadata.gid())).map_err(failed())?;
    let mode = fs::Permissions::from_mode(metadata.mode() & 0o7777);
    fs::set_permissions(&path, mode).map_err(failed())?;
    Ok(path)
}

/// Fills an empty directory with what is in another one.
fn fill(from: &OwnedFd, path: &Path) -> Result<()> {
    let to = File::open(path).map_err(Error::file("open", path))?;
    gantry_archive::copy(from.as_fd(), to.as_fd())
        .map(drop)
        .map_err(|source| Error::Build(gantry_build::Error::Archive(source)))
}
