//! What a run leaves behind: a shim, a cgroup, a bundle. Removed after an end in order, and found again after a crash.

use std::path::Path;
use std::time::Duration;

use gantry_shims::{Error, Shim, Shims};
use gantry_types::error_chain;
use rustix::mount::{UnmountFlags, unmount as unmount_at};

use super::shared_memory::SHM;
use crate::cgroups;
use crate::engine::Engine;
use crate::record::ContainerRecord;

/// Ends what is left of a task and its shim. Every part may be gone already.
pub(crate) fn take_down(engine: &Engine, shim: &Shim, record: &ContainerRecord) {
    shim.dismiss();
    cgroups::reap(engine, &cgroups::path_of(engine, record));
}

/// Removes the bundle of a run that is over, or never came to be.
pub(crate) fn remove_bundle(bundle: &Path) {
    unmount(bundle);
    if let Err(error) = std::fs::remove_dir_all(bundle)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(error = error_chain(&error), path = %bundle.display(), "cannot remove a bundle");
    }
}

/// Where something may be mounted in a bundle: the root, for another runtime, and the memory that is shared.
const MOUNT_POINTS: [&str; 2] = ["rootfs", SHM];

/// Takes away what a daemon or a shim that died has left mounted: what is below is not the bundle's.
pub(crate) fn unmount(bundle: &Path) {
    for name in MOUNT_POINTS {
        unmount_all(&bundle.join(name));
    }
}

/// Takes away what is mounted at one place: there may be several, one on the other.
pub(crate) fn unmount_all(place: &Path) {
    let flags = UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
    while unmount_at(place, flags).is_ok() {}
}

/// Takes down a run that nobody knows of any more, if its bundle is there: the daemon died while it started or ended.
pub(crate) fn clear(engine: &Engine, id: &str, cgroup: &str) {
    let bundle = engine.settings.bundle(id);
    if !bundle.exists() {
        return;
    }
    tracing::info!(id, "taking down what an earlier run left behind");
    if let Some(shim) = find_shim(&engine.shims, &bundle, id) {
        shim.dismiss();
    }
    cgroups::reap(engine, cgroup);
    remove_bundle(&bundle);
}

/// The shim of a bundle, or `None` when it is gone for certain.
///
/// A connection can fail for other reasons (too many open files, a full backlog); it is tried again for a while, because
/// a running container must not be taken for a dead one.
pub(crate) fn find_shim(shims: &Shims, bundle: &Path, id: &str) -> Option<Shim> {
    const ATTEMPTS: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(100);
    for _ in 0..ATTEMPTS {
        match shims.connect(bundle, id) {
            Ok(shim) => return Some(shim),
            Err(error) if is_gone(&error) => return None,
            Err(error) => {
                tracing::warn!(
                    error = error_chain(&error),
                    id,
                    "cannot reach a shim; trying again"
                );
                std::thread::sleep(PAUSE);
            }
        }
    }
    None
}

/// Whether nobody listens at the shim's socket.
fn is_gone(error: &Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    matches!(error, Error::Connect { source, .. } if matches!(source.kind(), ConnectionRefused | NotFound))
}

#[cfg(test)]
mod tests {
    use gantry_oci::runtime::Spec;
    use rustix::mount::mount_bind;

    use super::*;
    use crate::container::launch::write_bundle;
    use crate::rollback::Rollback;

    #[test]
    fn what_is_mounted_in_a_bundle_outlives_its_undo() {
        let folder = tempfile::TempDir::new().unwrap();
        let (root, bundle) = (folder.path().join("root"), folder.path().join("bundle"));
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("file"), b"kept").unwrap();
        let mut rollback = Rollback::new();
        write_bundle(&bundle, &Spec::default(), &mut rollback).unwrap();
        let place = bundle.join("rootfs");
        std::fs::create_dir(&place).unwrap();
        mount_bind(&root, &place).unwrap();
        drop(rollback);
        let is_gone = !bundle.exists();
        unmount_all(&place);
        assert!(is_gone && root.join("file").exists());
    }
}
