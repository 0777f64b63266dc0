//! Writable layers: an upper and a work directory for each container.

use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use gantry_types::Digest;
use rustix::fs::{Gid, Mode, Uid, fchmod, fchown};
use rustix::io::Errno;

use crate::state::Shared;
use crate::{Error, Layers, Result, quota, spares};

/// Overlayfs's upper directory, in a writable layer: short, for the sake of mount options.
pub(crate) const UPPER: &str = "u";
/// Overlayfs's work directory.
pub(crate) const WORK: &str = "w";

/// Bytes in an id.
const LONGEST_ID: usize = 128;

/// An id is a directory's name.
pub(crate) fn check_id(id: &str) -> Result<()> {
    let is_valid =
        (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_valid {
        return Ok(());
    }
    Err(Error::InvalidId { id: id.chars().take(LONGEST_ID).collect() })
}

impl Layers {
    /// Makes the writable layer of a container whose image has the layers `chain` (diffIDs, lowest
    /// first). Its root looks like the image's.
    ///
    /// # Errors
    /// A layer is not here, or the id is in use. Nothing is left then.
    pub fn prepare(&self, id: &str, chain: &[Digest]) -> Result<()> {
        self.prepare_with(id, chain, None)
    }

    /// [`Layers::prepare`] for a layer that may hold so many bytes, and no more.
    ///
    /// # Errors
    /// Besides those of [`Layers::prepare`]: [`Error::NoQuota`].
    pub fn prepare_with(
        &self,
        id: &str,
        chain: &[Digest],
        limit_bytes: Option<NonZeroU64>,
    ) -> Result<()> {
        check_id(id)?;
        if limit_bytes.is_some() {
            self.can_limit()?;
        }
        // All of the chain must be here, and not only what the root needs.
        let model = self.root_model(chain)?;
        let model = std::fs::metadata(model.path())
            .map_err(|error| Error::store("read", model.path(), error))?;
        let Shared { dirs, spares, quotas, .. } = self.shared.as_ref();
        let room = &dirs.writable;
        let failed = |error: Errno| Error::store("make", &room.path_of(id), error);
        let taken = match limit_bytes {
            // Only what is made in it later belongs to a project.
            Some(limit) => {
                spares::make(room, id, || quotas.limit(room, id, limit))?;
                Ok(true)
            }
            None => spares.take(dirs, id),
        };
        match taken {
            Ok(true) => {}
            Ok(false) => spares::make(room, id, || Ok(()))?,
            Err(Errno::EXIST) => return Err(Error::Exists { id: id.to_owned() }),
            Err(error) => return Err(failed(error)),
        }
        self.janitor.make_spares_soon();
        let filled = || -> Result<(), Errno> {
            let upper = room.open_dir(&format!("{id}/{UPPER}"))?;
            let (uid, gid) = (Uid::from_raw(model.uid()), Gid::from_raw(model.gid()));
            fchown(&upper, Some(uid), Some(gid))?;
            fchmod(&upper, Mode::from_raw_mode(model.mode()))
        };
        if let Err(error) = filled() {
            quota::lift(room, id);
            room.remove(id)?;
            return Err(failed(error));
        }
        Ok(())
    }

    /// Whether writable layers can be kept to a size.
    ///
    /// # Errors
    /// [`Error::NoQuota`] says what is missing, and how to get it.
    pub fn can_limit(&self) -> Result<()> {
        quota::check(&self.shared.dirs.writable)
    }

    /// What a writable layer may hold; `None` is without limit, or there is no such layer.
    pub fn limit(&self, id: &str) -> Option<NonZeroU64> {
        quota::limit_of(&self.shared.dirs.writable, id)
    }

    /// Whether a container has a writable layer here.
    pub fn container_exists(&self, id: &str) -> bool {
        check_id(id).is_ok() && self.shared.dirs.writable.open_dir(id).is_ok()
    }

    /// The ids of all writable layers, for the caller to find those that belong to nobody.
    pub fn containers(&self) -> Vec<String> {
        self.shared.dirs.writable.names().unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot list the writable layers");
            Vec::new()
        })
    }

    /// Bytes that a container has written: those in its upper directory's files.
    ///
    /// # Errors
    /// There is no such writable layer, or it cannot be read.
    pub fn size(&self, id: &str) -> Result<u64> {
        let dir = self.open_upper(id)?;
        gantry_archive::tree::size(dir.as_fd())
            .map_err(|source| Error::Tree { action: "measure a writable layer", source })
    }

    /// Removes a writable layer: at once out of sight, its files soon after. One that is not there is
    /// fine. Nothing may have it mounted.
    pub fn remove(&self, id: &str) -> Result<()> {
        // What lies in our directory under any other name came from elsewhere, and may go, too.
        if id.is_empty() || id.contains('/') || matches!(id, "." | "..") {
            return Err(Error::InvalidId { id: id.chars().take(LONGEST_ID).collect() });
        }
        let dirs = &self.shared.dirs;
        // While the directory says which it is: what is left in the trash counts for nobody.
        quota::lift(&dirs.writable, id);
        if dirs.throw_away(&dirs.writable, id)? {
            self.janitor.empty_trash_soon();
        }
        Ok(())
    }

    /// The same for a directory of the caller's on the store's file system: to unlink even a few files takes longer than
    /// anybody should wait. One that is not there is fine.
    pub fn throw_away(&self, dir: &Path) -> Result<()> {
        if self.shared.dirs.throw_away_other(dir)? {
            self.janitor.empty_trash_soon();
        }
        Ok(())
    }
}
