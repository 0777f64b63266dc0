//! A volume with the files of another one. Blocks are shared where the file system can.

use std::os::fd::AsFd;

use gantry_types::Timestamp;

use crate::volume::{ANONYMOUS, VOLUMES};
use crate::{CreateOptions, Error, Result, Volume, VolumeName, Volumes, dirs};

impl Volumes {
    /// Makes a new volume with the files and labels of `from`. Containers may be writing meanwhile: each file is
    /// what it was at some moment.
    ///
    /// # Errors
    /// There is no such volume, another has the new name, or the files cannot be copied; nothing is left then.
    pub fn clone_volume(&self, from: &str, to: &VolumeName, now: Timestamp) -> Result<Volume> {
        let mut pins = self.pins();
        let source = self.pin_existing(from, &mut pins)?;
        if !source.is_local() {
            return Err(Error::NotLocal(source.name));
        }
        let mut labels = source.labels.clone();
        labels.remove(ANONYMOUS);
        let driver = source.driver.clone();
        let options = CreateOptions { driver, labels, ..CreateOptions::default() };
        self.make_with(to, options, now, |volumes| {
            let held = volumes.hold(&source.name)?;
            let from = dirs::open_dir(held.path())?;
            let into = volumes.dirs.open_data(to)?;
            gantry_archive::copy(from.as_fd(), into.as_fd()).map(drop).map_err(|error| {
                Error::Files { action: "clone", volume: source.name.clone(), source: error }
            })
        })
    }

    /// Makes a volume that is there whole or not at all.
    pub(crate) fn make_with(
        &self,
        name: &VolumeName,
        options: CreateOptions,
        now: Timestamp,
        work: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<Volume> {
        let mut pins = self.pins();
        let (volume, is_new) = self.create_marked(name, options, (now, true), &mut pins)?;
        if !is_new {
            return Err(Error::NameTaken(name.clone()));
        }
        let done = work(self).and_then(|()| self.is_made(&volume));
        if done.is_err() {
            self.discard(&volume);
        }
        done
    }

    /// From now on it can be used.
    fn is_made(&self, volume: &Volume) -> Result<Volume> {
        let mut state = self.state();
        let made = Volume { is_in_the_making: false, ..volume.clone() };
        self.db.write(|tx| VOLUMES.put(tx, made.name.as_str(), &made))?;
        state.volumes.insert(made.name.clone(), made.clone());
        Ok(made)
    }
}
