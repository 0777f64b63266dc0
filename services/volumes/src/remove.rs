//! Removing a volume: its directory is renamed, its row goes, then its files.

use gantry_types::error_chain;

use crate::mounting::unmount_now;
use crate::open::TRASH;
use crate::state::State;
use crate::volume::VOLUMES;
use crate::{Error, Result, Volume, VolumeName, Volumes};

impl Volumes {
    /// Removes a volume that nobody uses. `users` tells who does: it is asked while no new user can come.
    ///
    /// # Errors
    /// There is none of that name, or it is in use.
    pub fn remove(&self, name: &str, users: impl Fn(&VolumeName) -> Vec<String>) -> Result<Volume> {
        let no_such = || Error::NoSuchVolume(name.to_owned());
        let name: VolumeName = name.parse().map_err(|_| no_such())?;
        let (volume, trash) = {
            let mut state = self.state();
            let volume = state.volumes.get(&name).cloned().ok_or_else(no_such)?;
            refuse_users(&state, &name, users(&name))?;
            let trash = self.forget(&mut state, &volume)?;
            (volume, trash)
        };
        self.empty(trash, &name);
        Ok(volume)
    }

    /// Undoes a volume in the making, which nobody can have come to use. One that cannot be undone stays refused to all, and
    /// goes at the next start.
    pub(crate) fn discard(&self, volume: &Volume) {
        let forgotten = self.forget(&mut self.state(), volume);
        match forgotten {
            Ok(trash) => self.empty(trash, &volume.name),
            Err(error) => {
                tracing::warn!(error = error_chain(&error), volume = %volume.name, "cannot undo a volume");
            }
        }
    }

    /// What cannot be removed now goes at the next start.
    fn empty(&self, trash: Option<String>, name: &VolumeName) {
        if let Some(trash) = trash
            && let Err(error) = self.dirs.remove(&trash)
        {
            tracing::warn!(error = error_chain(&error), volume = %name, "cannot remove a volume's files");
        }
    }

    fn forget(&self, state: &mut State, volume: &Volume) -> Result<Option<String>> {
        let name = &volume.name;
        let mut trash = None;
        if volume.is_local() {
            unmount_now(&self.dirs, name)?;
            state.trash += 1;
            let away = format!("{TRASH}{}-{}", std::process::id(), state.trash);
            let from = self.dirs.of(name);
            match std::fs::rename(&from, self.dirs.root.join(&away)) {
                Ok(()) => trash = Some(away),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::store("remove", from)(error)),
            }
        }
        self.db.write(|tx| VOLUMES.remove(tx, name.as_str()))?;
        state.volumes.remove(name);
        state.users.remove(name);
        Ok(trash)
    }
}

fn refuse_users(state: &State, name: &VolumeName, mut users: Vec<String>) -> Result<()> {
    if users.is_empty() && state.is_pinned(name) {
        users.push("a container that is being made".to_owned());
    }
    if users.is_empty() {
        return Ok(());
    }
    Err(Error::InUse { name: name.clone(), users: users.join(", ") })
}
