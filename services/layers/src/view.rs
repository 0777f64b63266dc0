//! Several layers seen as one directory, for those who extract a layer that depends on others. The
//! mount is detached: it has no place in any file tree, and goes with its descriptor.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use gantry_sys::clone::{Namespaces, unshare};
use rustix::fs::{CWD, Mode, mkdirat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount_change,
    move_mount,
};

use crate::chain::Lower;
use crate::dirs::Dirs;
use crate::{Error, Result};

/// The merged view, read-only, of directories and mounts.
pub(crate) fn merged(lower: &Lower, dirs: &Dirs) -> Result<OwnedFd> {
    let mut all = lower.paths();
    // Overlayfs wants two when there is no upper directory, and none of them twice.
    let empty = dirs.empty();
    if !all.contains(&empty) {
        all.push(empty);
    } else if all.len() == 1 {
        return Ok(File::open(&empty).map_err(|error| Error::store("open", &empty, error))?.into());
    }
    let opened: Vec<File> = all
        .iter()
        .map(|path| File::open(path).map_err(|error| Error::store("open", path, error)))
        .collect::<Result<_>>()?;
    // By descriptor: paths may be longer than fsconfig(2) takes.
    let names: Vec<String> =
        opened.iter().map(|file| format!("/proc/self/fd/{}", file.as_raw_fd())).collect();
    mount(&names).map_err(|error| Error::store("mount the view of", &dirs.layers.path, error))
}

/// The layers with what was written above them, and a place for what is written now. The mount is detached.
pub(crate) fn writable(lower: &Lower, upper: &Path, work: &Path, dirs: &Dirs) -> Result<OwnedFd> {
    let open = |path: &Path| File::open(path).map_err(|error| Error::store("open", path, error));
    let opened: Vec<File> = lower.paths().iter().map(|path| open(path)).collect::<Result<_>>()?;
    let (upper, work) = (open(upper)?, open(work)?);
    let name = |file: &File| format!("/proc/self/fd/{}", file.as_raw_fd());
    let names: Vec<String> = opened.iter().map(name).collect();
    mount_writable(&names, &name(&upper), &name(&work)).map_err(|error| {
        Error::store("mount the files of a container of", &dirs.layers.path, error)
    })
}

/// The same with a place in memory for what is written.
pub(crate) fn scratch(lower: &Lower, dirs: &Dirs) -> Result<OwnedFd> {
    let failed = |error: Errno| Error::store("make room above", &dirs.layers.path, error);
    let room = || -> Result<OwnedFd, Errno> {
        let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&context, "size", "16m")?;
        fsconfig_create(&context)?;
        let room = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
        mkdirat(&room, "u", Mode::from_raw_mode(0o755))?;
        mkdirat(&room, "w", Mode::RWXU)?;
        Ok(room)
    };
    let room = room().map_err(failed)?;
    let path = Path::new("/proc/self/fd").join(room.as_raw_fd().to_string());
    let above = || writable(lower, &path.join("u"), &path.join("w"), dirs);
    match above() {
        // Before Linux 6.15, overlayfs takes no directory of a mount without a place.
        Err(Error::Store { source, .. })
            if source.raw_os_error() == Some(Errno::INVAL.raw_os_error()) =>
        {
            placed(&room, dirs, above)
        }
        made => made,
    }
}

/// Does `work` while a mount has a place, in a mount namespace that goes with its thread; what is mounted above it stays.
fn placed<T: Send>(
    mount: &OwnedFd,
    dirs: &Dirs,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    // Nothing that is above or below it there is looked for by this path.
    let place = &dirs.ingest.path;
    let failed = |error: io::Error| Error::store("mount for a moment at", place, error);
    let attach = || -> io::Result<()> {
        unshare(Namespaces::MOUNT)?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private)?;
        Ok(move_mount(mount, "", CWD, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
    };
    thread::scope(|scope| {
        let all = || attach().map_err(failed).and_then(|()| work());
        let thread = thread::Builder::new().name("layers-room".to_owned()).spawn_scoped(scope, all);
        thread.map_err(failed)?.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn mount_writable(names: &[String], upper: &str, work: &str) -> Result<OwnedFd, Errno> {
    let attempt = |option: &str, values: &[String]| {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        values.iter().try_for_each(|value| fsconfig_set_string(&context, option, &**value))?;
        for (key, value) in [
            ("upperdir", upper),
            ("workdir", work),
            ("index", "off"),
            ("redirect_dir", "off"),
            ("metacopy", "off"),
        ] {
            fsconfig_set_string(&context, key, value)?;
        }
        fsconfig_create(&context)?;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
    };
    match attempt("lowerdir+", names) {
        // As below.
        Err(Errno::INVAL) => attempt("lowerdir", &[names.join(":")]),
        result => result,
    }
}

fn mount(names: &[String]) -> Result<OwnedFd, Errno> {
    match mount_with("lowerdir+", names) {
        // Linux before 6.8 takes all at once only, in 255 bytes: some ten layers. Before 6.5 it says so at the very end.
        Err(Errno::INVAL) => mount_with("lowerdir", &[names.join(":")]),
        result => result,
    }
}

fn mount_with(option: &str, values: &[String]) -> Result<OwnedFd, Errno> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    values.iter().try_for_each(|value| fsconfig_set_string(&context, option, &**value))?;
    fsconfig_set_flag(&context, "ro")?;
    // Else a container's upper directory could not be looked at while the container runs.
    fsconfig_set_string(&context, "index", "off")?;
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}
