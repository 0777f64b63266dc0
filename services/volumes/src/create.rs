//! Making a volume: the row first, then its directory; a row without one goes when the daemon starts again.

use std::collections::BTreeMap;

use gantry_types::Timestamp;

use crate::volume::VOLUMES;
use crate::{Error, LOCAL, Pins, Result, Volume, VolumeName, Volumes, local};

/// What a volume is to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateOptions {
    /// [`LOCAL`], or the name of a plugin; empty is the local one for new volumes, and any for those that are there.
    pub driver: String,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

impl Volumes {
    /// Makes a volume, or finds the one that is there; the second tells whether it is new.
    ///
    /// # Errors
    /// One of that name has another driver, or its files are still on their way, or the options are none that the local
    /// driver has.
    pub fn create(
        &self,
        name: &VolumeName,
        options: CreateOptions,
        now: Timestamp,
    ) -> Result<(Volume, bool)> {
        let mut pins = self.pins();
        self.create_pinned(name, options, now, &mut pins)
    }

    /// [`Volumes::create`], and keeps the volume from going as long as `pins` is there.
    ///
    /// # Errors
    /// Those of [`Volumes::create`].
    pub fn create_pinned(
        &self,
        name: &VolumeName,
        options: CreateOptions,
        now: Timestamp,
        pins: &mut Pins,
    ) -> Result<(Volume, bool)> {
        self.create_marked(name, options, (now, false), pins)
    }

    /// Keeps a volume that is there from going as long as `pins` is there.
    ///
    /// # Errors
    /// There is none of that name, or its files are still on their way.
    pub(crate) fn pin_existing(&self, name: &str, pins: &mut Pins) -> Result<Volume> {
        let no_such = || Error::NoSuchVolume(name.to_owned());
        let name: VolumeName = name.parse().map_err(|_| no_such())?;
        let mut state = self.state();
        let volume = state.volumes.get(&name).cloned().ok_or_else(no_such)?;
        if volume.is_in_the_making {
            return Err(Error::InTheMaking(name));
        }
        state.pin(&name);
        pins.add(name);
        Ok(volume)
    }

    /// A new volume has the mark of one in the making, when it is to have it, from the first moment.
    pub(crate) fn create_marked(
        &self,
        name: &VolumeName,
        options: CreateOptions,
        (now, is_in_the_making): (Timestamp, bool),
        pins: &mut Pins,
    ) -> Result<(Volume, bool)> {
        let mut state = self.state();
        if let Some(there) = state.volumes.get(name).cloned() {
            if there.is_in_the_making {
                return Err(Error::InTheMaking(name.clone()));
            }
            if !options.driver.is_empty() && options.driver != there.driver {
                return Err(Error::OtherDriver { name: name.clone(), driver: there.driver });
            }
            state.pin(name);
            pins.add(name.clone());
            return Ok((there, false));
        }
        if state.moved.contains(name) {
            return Err(Error::Moved(name.clone()));
        }
        let driver = if options.driver.is_empty() { LOCAL.to_owned() } else { options.driver };
        if driver == LOCAL {
            local::check(name, &options.options)?;
        }
        let volume = Volume {
            name: name.clone(),
            created_at: now,
            driver,
            options: options.options,
            labels: options.labels,
            plugin_path: String::new(),
            is_in_the_making,
            moves_from: None,
        };
        self.db.write(|tx| VOLUMES.put(tx, name.as_str(), &volume))?;
        if volume.is_local()
            && let Err(error) = self.dirs.make_volume(name)
        {
            self.db.write(|tx| VOLUMES.remove(tx, name.as_str()))?;
            return Err(error);
        }
        state.volumes.insert(name.clone(), volume.clone());
        state.pin(name);
        pins.add(name.clone());
        Ok((volume, true))
    }

    /// Notes where a plugin says that its volume is.
    pub fn set_plugin_path(&self, name: &VolumeName, path: &str) -> Result<()> {
        let mut state = self.state();
        let Some(volume) = state.volumes.get(name).filter(|it| it.plugin_path != path) else {
            return Ok(());
        };
        let volume = Volume { plugin_path: path.to_owned(), ..volume.clone() };
        self.db.write(|tx| VOLUMES.put(tx, name.as_str(), &volume))?;
        state.volumes.insert(name.clone(), volume);
        Ok(())
    }
}
