//! Sizes of writable layers: each that has one is a project of the file system's own quotas. The file system is the only
//! record: a directory says which project is its, and a number is free again when nothing is in its project any more.

use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

use gantry_sys::quota;

use crate::dirs::Room;
use crate::{Error, Result};

/// Our numbers: far from those that people write into `/etc/projid`.
const FIRST: u32 = 0x4700_0000;
const COUNT: u32 = 0x0100_0000;
/// How far apart several daemons on one file system begin.
const STRIDE: u32 = 0x1000;

/// The numbers that are given out.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    /// Where to look for the next one. Held while one is taken, so that nobody else takes the same.
    next: Mutex<Option<u32>>,
}

/// Fails unless writable layers in `room` can have a size.
pub(crate) fn check(room: &Room) -> Result<()> {
    let missing = |reason: String| Error::NoQuota { path: room.path.clone(), reason };
    match quota::limits_hold(room.fd.as_fd()) {
        Ok(true) => {}
        Ok(false) | Err(_) => return Err(missing(what_is_missing(room))),
    }
    match quota::project(room.fd.as_fd()) {
        // Nothing could be moved between two projects, to the trash for one.
        Ok(found) if found.is_inherited && found.id != 0 => {
            Err(missing(format!("its directory belongs to the project {} already", found.id)))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(missing(error.to_string())),
    }
}

fn what_is_missing(room: &Room) -> String {
    const EXT4: u64 = 0xef53;
    const XFS: u64 = 0x5846_5342;
    let found = rustix::fs::fstatfs(&room.fd).map_or(0, |found| found.f_type.cast_unsigned());
    let text = match found {
        EXT4 => {
            "it has no project quotas: run `tune2fs -O project,quota` on its unmounted device, mount it with the \
             option prjquota, and have a kernel (5.14 or newer) with CONFIG_QFMT_V2"
        }
        XFS => {
            "it has no project quotas: mount it with the option prjquota (a root file system by rootflags=prjquota on \
             the kernel's command line), and have a kernel (5.14 or newer) with CONFIG_XFS_QUOTA"
        }
        _ => {
            "only ext4, xfs and f2fs have project quotas: put the data root on one that is mounted with prjquota"
        }
    };
    text.to_owned()
}

impl Quotas {
    /// Puts the empty directory `id` into a project of its own that may hold so much.
    pub(crate) fn limit(&self, room: &Room, id: &str, bytes: NonZeroU64) -> Result<()> {
        let failed = |action, error| Error::store(action, &room.path_of(id), error);
        let dir = room.open_dir(id).map_err(|error| failed("open", error.into()))?;
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = next.unwrap_or_else(|| first_of(room));
        let candidates = (0..COUNT).map(|step| FIRST + (begin - FIRST + step) % COUNT);
        for project in candidates {
            let held = quota::holding(room.fd.as_fd(), project)
                .map_err(|error| failed("find a project for", error))?;
            if held != quota::Holding::default() {
                continue;
            }
            // The directory first: wherever this ends, it says what is to be lifted.
            quota::set_project(dir.as_fd(), project)
                .and_then(|()| quota::set_limit(room.fd.as_fd(), project, bytes.get()))
                .map_err(|error| failed("limit the size of", error))?;
            *next = Some(FIRST + (project - FIRST + 1) % COUNT);
            return Ok(());
        }
        Err(failed("limit the size of", std::io::Error::other("every project is in use")))
    }
}

/// Where this store begins to look.
fn first_of(room: &Room) -> u32 {
    let inode = room.path.metadata().map_or(0, |found| found.ino());
    let slots = u64::from(COUNT / STRIDE);
    FIRST + u32::try_from(inode % slots).unwrap_or(0) * STRIDE
}

/// The directory of a writable layer and its project, where it has one of ours.
fn project_of(room: &Room, id: &str) -> Option<(OwnedFd, u32)> {
    let dir = room.open_dir(id).ok()?;
    let found = quota::project(dir.as_fd()).ok()?;
    let is_ours = found.is_inherited && (FIRST..FIRST + COUNT).contains(&found.id);
    is_ours.then_some((dir, found.id))
}

/// What the writable layer may hold.
pub(crate) fn limit_of(room: &Room, id: &str) -> Option<NonZeroU64> {
    let (dir, project) = project_of(room, id)?;
    let held = quota::holding(dir.as_fd(), project).ok()?;
    NonZeroU64::new(held.limit_bytes)
}

/// Gives the project of a writable layer back, if it has one: its number is free when its last file has gone.
pub(crate) fn lift(room: &Room, id: &str) {
    let Some((dir, project)) = project_of(room, id) else { return };
    if let Err(error) = quota::set_limit(dir.as_fd(), project, 0) {
        tracing::warn!(%error, id, project, "cannot lift the limit of a writable layer");
    }
}
