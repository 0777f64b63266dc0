//! Several layers seen as one directory, for those who extract a layer that depends on others. The
//! mount is detached: it has no place in any file tree, and goes with its descriptor.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
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
