//! The files of a container that does not run, put together in a mount namespace of a thread's own: its layers,
//! its volumes and binds, the files that the engine writes. All of it goes with the thread.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use gantry_sys::clone::{Namespaces, unshare};
use gantry_sys::mount::{Attributes, Change, set_attributes, set_id_mapping};
use gantry_volumes::{Held, VolumeName};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, chownat, fstat, mkdirat, openat};
use rustix::io::Errno;
use rustix::mount::{
    MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount_change, move_mount,
    open_tree, unmount,
};

use super::ids::owner_on_host;
use super::place::{open_in, within};
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::plan::{MountPlan, MountSource, VolumeSource};
use crate::plugin::open_shown;
use crate::record::ContainerRecord;
use crate::volume::use_by::path_of;

/// Volumes that are mounted on the host as long as this is there.
type HeldVolumes<'a> = BTreeMap<VolumeName, Held<'a>>;

/// Does `work` with the container's root, in a thread that ends afterwards. With `keep`, what is written becomes the container's:
/// then nobody else may have its writable layer.
pub(super) fn with_files<T: Send>(
    engine: &Engine,
    record: &ContainerRecord,
    keep: bool,
    work: impl FnOnce(&OwnedFd) -> Result<T> + Send,
) -> Result<T> {
    // By this thread, which keeps the host's mounts and root: the other one loses both.
    let held = hold_volumes(engine, record)?;
    let name = "container-files";
    std::thread::scope(|scope| {
        let all = || put_together(engine, record, keep, &held).and_then(|root| work(&root));
        let builder = std::thread::Builder::new().name(name.to_owned());
        let thread =
            builder.spawn_scoped(scope, all).map_err(Error::file("start a thread for", name))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn hold_volumes<'a>(engine: &'a Engine, record: &ContainerRecord) -> Result<HeldVolumes<'a>> {
    let mut held = BTreeMap::new();
    for volume in record.plan.mounts.iter().filter_map(MountPlan::volume) {
        if let Some(name) = &volume.name
            && volume.is_local()
            && !held.contains_key(name)
        {
            held.insert(name.clone(), engine.volumes.hold(name)?);
        }
    }
    Ok(held)
}

fn put_together(
    engine: &Engine,
    record: &ContainerRecord,
    keep: bool,
    held: &HeldVolumes<'_>,
) -> Result<OwnedFd> {
    let id = record.id.as_str();
    let chain = &record.image.chain;
    // As in a start: what is the host's must get the same owners.
    let wanted = record.plan.user_namespace.as_ref();
    let namespace = wanted.map(|wanted| engine.user_namespaces.get(wanted)).transpose()?;
    let namespace = namespace.as_deref().map(AsFd::as_fd);
    let files = if keep {
        engine.layers.mount_container(id, chain, namespace)?
    } else {
        engine.layers.scratch_of_container(id, chain, namespace)?
    };
    let failed = |error: Errno| Error::file("mount the files of container", id)(error.into());
    unshare(Namespaces::MOUNT).map_err(Error::file("make a mount namespace for", id))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(failed)?;
    let stage = engine.settings.container_dir(id);
    // Before the directory that they may lie in is covered.
    let own = own_files(engine, record);
    for (target, file, _) in &own {
        map_ids(file, namespace).map_err(Error::file("map the ids of", target))?;
    }
    let mut sources = Vec::new();
    for mount in &record.plan.mounts {
        if let Some(source) = source(engine, mount, (held, namespace), &stage)? {
            sources.push((mount.target.clone(), source, mount.read_only));
        }
    }
    let empty = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&files, "", CWD, &stage, empty).map_err(failed)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, &stage, flags, Mode::empty()).map_err(failed)?;
    // Of what is made to be mounted upon; this thread's root is somebody else there.
    let owner = wanted.map(|wanted| owner_on_host(wanted, (0, 0)));
    for (target, source, read_only) in own.into_iter().chain(sources) {
        attach((root.as_fd(), owner), (&target, &source), read_only)
            .map_err(Error::file("mount in the container's files", &target))?;
    }
    if record.plan.host_config.readonly_rootfs && keep {
        let read_only = Change { set: Attributes::RDONLY, ..Change::default() };
        set_attributes(root.as_fd(), read_only).map_err(Error::file("protect the root of", id))?;
    }
    Ok(root)
}

type Own = (String, OwnedFd, bool);

/// The files that the engine writes into `/etc`.
fn own_files(engine: &Engine, record: &ContainerRecord) -> Vec<Own> {
    let dir = engine.settings.container_dir(record.id.as_str());
    let files = ["resolv.conf", "hostname", "hosts"].into_iter().filter_map(|name| {
        let target = format!("/etc/{name}");
        if record.plan.mounts.iter().any(|mount| mount.target == target) {
            return None;
        }
        Some((target, tree(&dir.join(name), true).ok()?, false))
    });
    files.collect()
}

/// What is mounted, as a mount that has no place yet; `stage` is a directory for those that need one meanwhile. A bind whose
/// source is gone is left out, as is what would be empty.
fn source(
    engine: &Engine,
    mount: &MountPlan,
    (held, namespace): (&HeldVolumes<'_>, Option<BorrowedFd<'_>>),
    stage: &Path,
) -> Result<Option<OwnedFd>> {
    match &mount.source {
        MountSource::Bind(bind) => Ok(tree(Path::new(&bind.path), bind.recursive).ok()),
        MountSource::Tmpfs { .. } => Ok(None),
        MountSource::Volume(volume) => {
            let Some(name) = &volume.name else { return Ok(None) };
            if !volume.is_local() {
                // A plugin mounts for containers that run; what it shows otherwise is all there is.
                return Ok(of_plugin(engine, name, volume).ok());
            }
            let Some(held) = held.get(name) else { return Ok(None) };
            let path = held.path();
            let files = if volume.subpath.is_empty() {
                tree(path, true)
            } else {
                let place = engine.volumes.open_subpath(path, name, &volume.subpath)?;
                clone_of(place.as_fd())
            };
            let namespace = namespace.filter(|_| !engine.volumes.has_mount(name));
            let mapped = files.and_then(|files| map_ids(&files, namespace).map(|()| files));
            mapped.map(Some).map_err(Error::file("mount the volume", path))
        }
        MountSource::Image(image) => {
            let view = engine.layers.mount_chain(&image.chain)?;
            let failed = Error::file("mount the image", &image.reference);
            if image.chain.is_empty() {
                // No mount, but an empty directory.
                return clone_of(view.as_fd()).map(Some).map_err(failed);
            }
            if image.subpath.is_empty() {
                return Ok(Some(view));
            }
            part_of(&view, &image.subpath, stage).map(Some).map_err(failed)
        }
    }
}

/// A plugin's volume, without leaving what is the plugin's.
fn of_plugin(engine: &Engine, name: &VolumeName, volume: &VolumeSource) -> Result<OwnedFd> {
    let failed = || Error::file("mount the volume", &volume.path);
    let mut place = if let Some(place) = open_shown(engine, &volume.driver, &volume.path)? {
        place
    } else {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(CWD, &volume.path, flags, Mode::empty()).map_err(|error| failed()(error.into()))?
    };
    if !volume.subpath.is_empty() {
        place = engine.volumes.open_subpath(&path_of(&place), name, &volume.subpath)?;
    }
    clone_of(place.as_fd()).map_err(failed())
}

/// Files that the engine keeps for containers have the ids that are on the disk; what is the host's keeps the host's.
fn map_ids(files: &OwnedFd, namespace: Option<BorrowedFd<'_>>) -> io::Result<()> {
    namespace.map_or(Ok(()), |namespace| set_id_mapping(files.as_fd(), namespace, false))
}

/// A part of a mount that has no place. It gets one meanwhile: before Linux 6.15, nothing is cloned of a mount without.
fn part_of(view: &OwnedFd, path: &str, stage: &Path) -> io::Result<OwnedFd> {
    let empty = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(view, "", CWD, stage, empty)?;
    let place = open_in(view.as_fd(), within(path.as_bytes()), OFlags::PATH);
    let part = place.map_err(io::Error::from).and_then(|place| clone_of(place.as_fd()));
    unmount(stage, UnmountFlags::DETACH)?;
    part
}

fn tree(path: &Path, recursive: bool) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let flags = if recursive { flags | OpenTreeFlags::AT_RECURSIVE } else { flags };
    Ok(open_tree(CWD, path, flags)?)
}

fn clone_of(place: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    Ok(open_tree(place, "", flags)?)
}

/// Puts a mount at its target, which is made when it is missing.
fn attach(
    (root, owner): (BorrowedFd<'_>, Option<(u32, u32)>),
    (target, source): (&str, &OwnedFd),
    read_only: bool,
) -> io::Result<()> {
    if read_only {
        let all = Change { set: Attributes::RDONLY, recursive: true, ..Change::default() };
        set_attributes(source.as_fd(), all)?;
    }
    let is_dir = FileType::from_raw_mode(fstat(source)?.st_mode) == FileType::Directory;
    let place = match open_in(root, within(target.as_bytes()), OFlags::PATH) {
        Ok(place) => place,
        Err(Errno::NOENT) => make((root, owner), target, is_dir)?,
        Err(error) => return Err(error.into()),
    };
    let empty = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(source, "", &place, "", empty)?)
}

/// Makes a mount's place, as a start would.
fn make(
    (root, owner): (BorrowedFd<'_>, Option<(u32, u32)>),
    target: &str,
    is_dir: bool,
) -> io::Result<OwnedFd> {
    let parts: Vec<&str> = target.split('/').filter(|part| !part.is_empty()).collect();
    let mut path = String::new();
    let mut above = open_in(root, b".", OFlags::PATH)?;
    for (at, part) in parts.iter().enumerate() {
        path = if path.is_empty() { (*part).to_owned() } else { format!("{path}/{part}") };
        let next = match open_in(root, path.as_bytes(), OFlags::PATH) {
            Err(Errno::NOENT) => {
                if is_dir || at + 1 < parts.len() {
                    mkdirat(&above, *part, Mode::from_raw_mode(0o755))?;
                } else {
                    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                    drop(openat(&above, *part, flags, Mode::from_raw_mode(0o644))?);
                }
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let made = openat(&above, *part, flags, Mode::empty())?;
                if let Some((user, group)) = owner {
                    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
                    chownat(&made, "", Some(user), Some(group), AtFlags::EMPTY_PATH)?;
                }
                made
            }
            result => result?,
        };
        above = next;
    }
    rustix::fs::statat(&above, "", AtFlags::EMPTY_PATH)?;
    Ok(above)
}
