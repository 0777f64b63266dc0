//! Examining the store: rows against directories, rows in memory against those in the database. It changes nothing.
//!
//! Others go on working meanwhile: what they are in the middle of may look like a fault for a moment. Whoever asks looks twice.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;

use gantry_erofs::Image;
use gantry_types::{Digest, Fault};

use crate::row::{Key, LAYERS, LayerRow};
use crate::writable::{UPPER, WORK};
use crate::{Format, Layers, Result};

const GET_AGAIN: &str = "restart the daemon, then pull or load its images again";
const REMOVE_AND_GET: &str = "remove the images that have it, then pull or load them again";
const RESTART: &str = "it goes when the daemon is started again";

/// What was looked at, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Extracted layers.
    pub layers: u64,
    /// Bytes in their files.
    pub bytes: u64,
    /// Layers that may still be in memory only.
    pub unsynced: u64,
    /// Writable layers of containers.
    pub writable: u64,
    /// Layers on their way in.
    pub coming: u64,
    /// Directories that are about to be removed from the disk.
    pub going: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// How far an image is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Superblock,
    Inodes,
}

impl Layers {
    /// Examines the store.
    pub fn check(&self) -> Result<Checked> {
        let dirs = &self.shared.dirs;
        // Directories first: a layer that comes in meanwhile has its row then.
        let mut on_disk = dirs.numbered()?;
        let stored = self.shared.db.read(|tx| LAYERS.list(tx))?;
        let mut known: BTreeMap<Key, LayerRow> =
            self.shared.state().rows.iter().map(|(key, row)| (key.clone(), row.clone())).collect();
        let mut checked = Checked {
            coming: dirs.ingest.names()?.len() as u64,
            going: dirs.trash.names()?.len() as u64,
            ..Checked::default()
        };
        for (key, row) in stored {
            checked.layers += 1;
            checked.bytes = checked.bytes.saturating_add(row.size_bytes);
            checked.unsynced += u64::from(!row.synced);
            on_disk.remove(&row.number.to_string());
            let object = format!("layer {key}");
            if !self.has_files(&row) {
                checked.faults.push(Fault::damage(
                    object.clone(),
                    "its files are not there",
                    GET_AGAIN,
                ));
            }
            if let Some(fault) = self.damage(&row, &object, Depth::Superblock) {
                checked.faults.push(fault);
            }
            match known.remove(&Key::stored(key)) {
                Some(in_memory) if in_memory.number == row.number => {}
                _ => checked.faults.push(Fault::damage(
                    object,
                    "the daemon does not know of its record",
                    "restart the daemon",
                )),
            }
        }
        for key in known.into_keys() {
            let object = format!("layer {}", key.as_str());
            checked.faults.push(Fault::damage(object, "its record is gone", GET_AGAIN));
        }
        for name in on_disk {
            let object = dirs.layers.path_of(&name).display().to_string();
            checked.faults.push(Fault::waste(object, "no layer's record names it", RESTART));
        }
        self.check_writable(&mut checked)?;
        Ok(checked)
    }

    /// The layers that none of these chains (diffIDs, lowest first) needs, each with its size in bytes.
    pub fn unneeded(&self, live: &HashSet<Vec<Digest>>) -> Vec<(Digest, u64)> {
        let needed = crate::collect::needed(live);
        let state = self.shared.state();
        let idle = state.rows.iter().filter(|(key, _)| !needed.contains(key));
        idle.map(|(_, row)| (row.diff_id.clone(), row.size_bytes)).collect()
    }

    /// Reads every name and inode of the layers that are images, as long as `on_layer` says to go on. The content of
    /// files is known to nobody but whoever has the layers' archives.
    pub fn check_content(&self, on_layer: impl Fn() -> bool) -> Vec<Fault> {
        let rows: Vec<(Key, LayerRow)> =
            self.shared.state().rows.iter().map(|(key, row)| (key.clone(), row.clone())).collect();
        let faults = rows.iter().take_while(|_| on_layer()).filter_map(|(key, row)| {
            let fault = self.damage(row, &format!("layer {}", key.as_str()), Depth::Inodes)?;
            // One that was removed meanwhile is no fault.
            self.shared.state().rows.contains_key(key).then_some(fault)
        });
        faults.collect()
    }

    /// What is wrong with a layer's image. That it is not there is told elsewhere.
    fn damage(&self, row: &LayerRow, object: &str, depth: Depth) -> Option<Fault> {
        if row.format != Format::Erofs {
            return None;
        }
        let file = File::open(self.shared.dirs.data(row.number, row.format)).ok()?;
        let examined = Image::open(file).and_then(|image| match depth {
            Depth::Superblock => Ok(()),
            Depth::Inodes => image.check().map(drop),
        });
        let error = examined.err()?;
        Some(Fault::damage(object, error.to_string(), REMOVE_AND_GET))
    }

    fn has_files(&self, row: &LayerRow) -> bool {
        self.shared.dirs.has(row.number, row.format)
    }

    fn check_writable(&self, checked: &mut Checked) -> Result<()> {
        let room = &self.shared.dirs.writable;
        for id in room.names()? {
            checked.writable += 1;
            for part in [UPPER, WORK] {
                let name = format!("{id}/{part}");
                if room.open_dir(&name).is_err() && room.open_dir(&id).is_ok() {
                    let object = room.path_of(&name).display().to_string();
                    checked.faults.push(Fault::damage(
                        object,
                        "a container's directory is not there",
                        "remove the container",
                    ));
                }
            }
        }
        Ok(())
    }
}
