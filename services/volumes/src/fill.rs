//! The first content of an empty volume: what the image has at the place where it is mounted.
//!
//! It is copied beside the volume, then gets its name as a whole, and then its entries move in. Whenever the daemon dies,
//! what is not whole goes, and what is whole goes on moving in: the volume is empty or filled, never half. Nothing moves into a
//! mount, so one is filled in place, by its first user only; a failure empties it, and the daemon's death leaves a half.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, PoisonError};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::dirs::{self, Dirs};
use crate::mounting::is_mounted;
use crate::{Error, Result, VolumeName, Volumes};

impl Volumes {
    /// Fills a volume with what is below `from`, an image's directory at `path`, when it is empty, and not mounted for others
    /// than the caller. Returns whether it was.
    ///
    /// # Errors
    /// The files cannot be copied. The volume is empty then.
    pub fn fill(&self, name: &VolumeName, from: BorrowedFd<'_>, path: &Path) -> Result<bool> {
        let turn = self.turn(name);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let data = self.dirs.data(name);
        if !dirs::is_empty(&data)? {
            return Ok(false);
        }
        let failed = |source| Error::Fill { action: "copy", path: path.to_owned(), source };
        if is_mounted(&data)? {
            // Others have found it empty; to them it would fill up by and by, and they may write meanwhile.
            if self.state().users.get(name).is_some_and(|users| users.len() > 1) {
                return Ok(false);
            }
            let into = self.dirs.open_data(name)?;
            return gantry_archive::copy(from, into.as_fd()).map(|_| true).map_err(failed);
        }
        let staging = self.dirs.staging(name);
        dirs::remove_beside(&staging)?;
        dirs::make(&staging, 0o700)?;
        let into = dirs::open_dir(&staging)?;
        if let Err(error) = gantry_archive::copy(from, into.as_fd()) {
            dirs::remove_beside(&staging)?;
            return Err(failed(error));
        }
        let staged = self.dirs.staged(name);
        std::fs::rename(&staging, &staged).map_err(Error::store("rename", staging))?;
        move_in(&self.dirs, name)?;
        Ok(true)
    }

    /// One fills or mounts a volume at a time.
    pub(crate) fn turn(&self, name: &VolumeName) -> Arc<std::sync::Mutex<()>> {
        let mut state = self.state();
        state.turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(state.turns.entry(name.clone()).or_default())
    }
}

/// Ends what a filling left behind when the daemon died in it.
pub(crate) fn recover(store: &Dirs, name: &VolumeName) -> Result<()> {
    let staging = store.staging(name);
    if staging.symlink_metadata().is_ok() {
        dirs::remove_beside(&staging)?;
    }
    if store.staged(name).symlink_metadata().is_ok() { move_in(store, name) } else { Ok(()) }
}

/// Moves whole content into its volume. What a container has made there by now stays.
fn move_in(store: &Dirs, name: &VolumeName) -> Result<()> {
    let (staged, data) = (store.staged(name), store.data(name));
    let entries = std::fs::read_dir(&staged).map_err(Error::store("read", &staged))?;
    for entry in entries {
        let entry = entry.map_err(Error::store("read", &staged))?;
        let to = data.join(entry.file_name());
        match renameat_with(CWD, entry.path(), CWD, &to, RenameFlags::NOREPLACE) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(Error::store("fill", to)(error.into())),
        }
    }
    become_like(&staged, &data).map_err(Error::store("fill", &data))?;
    dirs::remove_beside(&staged)
}

/// Owner, mode and time.
fn become_like(from: &Path, to: &Path) -> std::io::Result<()> {
    let meta = from.symlink_metadata()?;
    let dir = File::open(to)?;
    std::os::unix::fs::fchown(&dir, Some(meta.uid()), Some(meta.gid()))?;
    dir.set_permissions(PermissionsExt::from_mode(meta.mode() & 0o7777))?;
    dir.set_modified(meta.modified()?)
}
