//! Another name for a volume. The row goes first and remembers where the directory is, until that has followed.

use gantry_db::WriteTx;
use gantry_types::error_chain;

use crate::dirs::{Dirs, flush_dir};
use crate::volume::{ANONYMOUS, VOLUMES};
use crate::{Error, Pins, Result, Volume, VolumeName, Volumes};

impl Volumes {
    /// Renames a volume of the local driver that no running container uses. `users` tells who does, and `records` writes one
    /// name for another in what the caller has of it, in the same transaction. As long as `pins` is there, nobody makes a
    /// volume of the old name, for those who know it by that may not have heard yet.
    ///
    /// # Errors
    /// There is none of that name, another has the new one, or it is in use.
    pub fn rename(
        &self,
        (from, to): (&str, &VolumeName),
        users: impl Fn(&VolumeName) -> Vec<String>,
        records: impl Fn(&WriteTx<'_>, &VolumeName, &VolumeName) -> gantry_db::Result<()>,
        pins: &mut Pins,
    ) -> Result<Volume> {
        let mut state = self.state();
        let no_such = || Error::NoSuchVolume(from.to_owned());
        let name: VolumeName = from.parse().map_err(|_| no_such())?;
        let volume = state.volumes.get(&name).cloned().ok_or_else(no_such)?;
        if !volume.is_local() {
            return Err(Error::NotLocal(name));
        }
        if state.volumes.contains_key(to) {
            return Err(Error::NameTaken(to.clone()));
        }
        let mut users = users(&name);
        if users.is_empty() && state.is_pinned(&name) {
            users.push("a container that is being made".to_owned());
        }
        if !users.is_empty() {
            let users = users.join(", ");
            return Err(Error::Busy { action: "rename", name, users });
        }
        let mut renamed =
            Volume { name: to.clone(), moves_from: Some(name.clone()), ..volume.clone() };
        renamed.labels.remove(ANONYMOUS);
        self.db.write(|tx| {
            VOLUMES.remove(tx, name.as_str())?;
            VOLUMES.put(tx, to.as_str(), &renamed)?;
            records(tx, &name, to)
        })?;
        if let Err(error) = move_dir(&self.dirs, &name, to) {
            self.db.write(|tx| {
                VOLUMES.remove(tx, to.as_str())?;
                VOLUMES.put(tx, name.as_str(), &volume)?;
                records(tx, to, &name)
            })?;
            return Err(error);
        }
        renamed.moves_from = None;
        // It has its new name by now. A row that still says from where it came does no harm.
        if let Err(error) = self.db.write(|tx| VOLUMES.put(tx, to.as_str(), &renamed)) {
            tracing::warn!(error = error_chain(&error), volume = %to, "cannot note the end of a volume's rename; the next start does");
        }
        state.volumes.remove(&name);
        state.pin(to);
        pins.add(to.clone());
        state.moved.insert(name.clone());
        pins.moved(name);
        state.volumes.insert(to.clone(), renamed.clone());
        Ok(renamed)
    }
}

pub(crate) fn move_dir(dirs: &Dirs, from: &VolumeName, to: &VolumeName) -> Result<()> {
    let path = dirs.of(from);
    std::fs::rename(&path, dirs.of(to)).map_err(Error::store("rename", path))?;
    flush_dir(&dirs.root)
}
