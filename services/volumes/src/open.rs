//! Opening: rows and directories are brought together after whatever moment the daemon died at.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use gantry_db::Db;
use gantry_types::{Timestamp, error_chain};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use rustix::io::Errno;

use crate::dirs::Dirs;
use crate::state::State;
use crate::volume::{SCHEMA, VOLUMES};
use crate::{Config, LOCAL, Result, Volume, VolumeName, Volumes, fill};

/// Directories on their way out; no volume's name begins with a dot.
pub(crate) const TRASH: &str = ".trash-";

impl Volumes {
    /// Reads the volumes, ends what was under way, and adopts directories without a row, for files are never given up.
    ///
    /// # Errors
    /// The database or the directories cannot be read.
    pub fn open(config: &Config, db: Arc<Db>) -> Result<Self> {
        db.migrate(&SCHEMA)?;
        let dirs = Dirs::open(&config.root)?;
        let rows = db.read(|tx| VOLUMES.list(tx))?;
        let mut volumes: BTreeMap<VolumeName, Volume> =
            rows.into_iter().map(|(_, volume)| (volume.name.clone(), volume)).collect();
        end_renames(&dirs, &db, &mut volumes)?;
        adopt(&dirs, &db, &mut volumes)?;
        drop_lost(&dirs, &db, &mut volumes)?;
        for volume in volumes.values().filter(|volume| volume.is_local()) {
            if let Err(error) = fill::recover(&dirs, &volume.name) {
                tracing::warn!(error = error_chain(&error), volume = %volume.name, "cannot end the filling of a volume");
            }
        }
        let state = State::new(volumes);
        Ok(Self { dirs, db, state: Arc::new(Mutex::new(state)) })
    }
}

fn end_renames(dirs: &Dirs, db: &Db, volumes: &mut BTreeMap<VolumeName, Volume>) -> Result<()> {
    for volume in volumes.values_mut() {
        let Some(before) = volume.moves_from.take() else { continue };
        if !dirs.of(&volume.name).exists()
            && dirs.of(&before).exists()
            && let Err(error) = crate::rename::move_dir(dirs, &before, &volume.name)
        {
            tracing::warn!(error = error_chain(&error), volume = %volume.name, "cannot end a volume's rename");
            volume.moves_from = Some(before);
            continue;
        }
        db.write(|tx| VOLUMES.put(tx, volume.name.as_str(), volume))?;
    }
    Ok(())
}

/// A row that a power cut took away is made again; trash goes.
fn adopt(dirs: &Dirs, db: &Db, volumes: &mut BTreeMap<VolumeName, Volume>) -> Result<()> {
    for text in dirs.names()? {
        if text.starts_with(TRASH) {
            if let Err(error) = dirs.remove(&text) {
                tracing::warn!(
                    error = error_chain(&error),
                    "cannot remove what is left of a volume"
                );
            }
            continue;
        }
        let Ok(name) = text.parse::<VolumeName>() else { continue };
        if volumes.contains_key(&name) || !dirs.data(&name).is_dir() {
            continue;
        }
        tracing::warn!(volume = %name, "adopting a volume's directory that no row names");
        let volume = Volume {
            created_at: changed_at(&dirs.of(&name)),
            driver: LOCAL.to_owned(),
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
            plugin_path: String::new(),
            is_in_the_making: false,
            moves_from: None,
            name: name.clone(),
        };
        db.write(|tx| VOLUMES.put(tx, name.as_str(), &volume))?;
        volumes.insert(name, volume);
    }
    Ok(())
}

/// Rows whose directory was never made, was on its way out, or has only a part of its files.
fn drop_lost(dirs: &Dirs, db: &Db, volumes: &mut BTreeMap<VolumeName, Volume>) -> Result<()> {
    let is_lost = |volume: &&Volume| {
        volume.is_in_the_making || volume.is_local() && is_gone(&dirs.data(&volume.name))
    };
    let lost: Vec<_> = volumes.values().filter(is_lost).map(|one| one.name.clone()).collect();
    for name in lost {
        if let Err(error) = dirs.remove(name.as_str()) {
            tracing::warn!(error = error_chain(&error), volume = %name, "cannot remove what is left of a volume");
            continue;
        }
        db.write(|tx| VOLUMES.remove(tx, name.as_str()))?;
        volumes.remove(&name);
    }
    Ok(())
}

/// Whether nothing at all is there. The server of what is mounted there isn't asked, and no other failure tells that.
fn is_gone(path: &Path) -> bool {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    match statx(CWD, path, flags, StatxFlags::TYPE) {
        Ok(_) => false,
        Err(Errno::NOENT) => true,
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "cannot look at a volume; it is kept");
            false
        }
    }
}

fn changed_at(path: &Path) -> Timestamp {
    path.metadata().map_or(Timestamp::ZERO, |meta| Timestamp {
        seconds: meta.mtime(),
        nanos: u32::try_from(meta.mtime_nsec()).unwrap_or(0),
    })
}
