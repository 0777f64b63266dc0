//! Opening the store: rows and directories are compared, and what only one side has goes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use gantry_db::Db;
use gantry_types::Digest;
use rustix::io::Errno;

use crate::dirs::{Dirs, EMPTY};
use crate::format::probe;
use crate::janitor::Janitor;
use crate::row::{Key, LAYERS, LayerRow, SCHEMA};
use crate::spares::Spares;
use crate::state::{Shared, State};
use crate::{Config, Error, Format, Layers, Result, points};

/// What opening the store found to put right.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// Layers that are gone: images that have them are incomplete. Their directory was missing, or
    /// the machine had crashed before they were on the disk for certain.
    pub lost: Vec<Digest>,
    /// Directories that no row knows, left by a process that died.
    pub strays: u64,
}

impl Layers {
    /// Opens the store, or makes an empty one.
    ///
    /// # Errors
    /// The root cannot be used ([`Error::InvalidRoot`]), or a step failed.
    pub fn open(config: Config, db: Arc<Db>) -> Result<Self> {
        let path = Path::new(gantry_sys::boot_id::PATH);
        let boot_id =
            gantry_sys::boot_id::boot_id().map_err(|error| Error::store("read", path, error))?;
        Self::open_in_boot(config, db, boot_id)
    }

    pub(crate) fn open_in_boot(config: Config, db: Arc<Db>, boot_id: String) -> Result<Self> {
        let Config { root, format, points, label } = config;
        let dirs = Dirs::open(&root)?;
        db.migrate(&SCHEMA)?;
        make_empty(&dirs)?;
        points::make(&dirs, points)?;
        let (state, reconciled) = reconcile(&dirs, &db, &boot_id)?;
        let format = choose(format, &dirs)?;
        let spares = Spares::open(&dirs)?;
        let shared = Arc::new(Shared::new((dirs, spares, label), db, boot_id, state));
        let janitor = Janitor::start(Arc::clone(&shared))?;
        let has_trash = !shared.dirs.trash.names()?.is_empty();
        if has_trash {
            janitor.empty_trash_soon();
        }
        janitor.make_spares_soon();
        if shared.state().rows.values().any(|row| !row.synced) {
            janitor.sync_soon();
        }
        Ok(Self { janitor, shared, reconciled, format })
    }

    /// The form of layers that are extracted from now on.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What opening the store found to put right.
    pub fn reconciled(&self) -> &Reconciled {
        &self.reconciled
    }
}

/// The form of new layers: the one that was asked for, or what the host can.
fn choose(asked: Option<Format>, dirs: &Dirs) -> Result<Format> {
    let probed = || {
        let started = std::time::Instant::now();
        let result = probe(dirs);
        tracing::debug!(?result, took = ?started.elapsed(), "tried layers as images of erofs");
        result
    };
    match asked {
        Some(Format::Directory) => Ok(Format::Directory),
        Some(Format::Erofs) => {
            probed().map_err(|reason| Error::NoErofs { reason })?;
            Ok(Format::Erofs)
        }
        None => Ok(probed().map_or(Format::Directory, |()| Format::Erofs)),
    }
}

/// The layer without files. Its mode is the one of a root that no layer speaks about.
fn make_empty(dirs: &Dirs) -> Result<()> {
    let name = EMPTY.to_string();
    let failed = |error: Errno| Error::store("make", &dirs.empty(), error);
    for (name, mode) in
        [(name.clone(), 0o700), (format!("{name}/{}", Format::Directory.data()), 0o755)]
    {
        match dirs.layers.make(&name, mode) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

fn reconcile(dirs: &Dirs, db: &Db, boot_id: &str) -> Result<(State, Reconciled)> {
    let stored = db.read(|tx| LAYERS.list(tx))?;
    let mut on_disk = dirs.numbered()?;
    let mut highest = on_disk.iter().filter_map(|name| name.parse().ok()).max().unwrap_or(EMPTY);
    let mut rows: HashMap<Key, LayerRow> = HashMap::new();
    let mut dropped = Vec::new();
    for (key, row) in stored {
        highest = highest.max(row.number);
        let is_there = dirs.has(row.number, row.format);
        if is_there && (row.synced || row.boot_id == boot_id) {
            on_disk.remove(&row.number.to_string());
            rows.insert(Key::stored(key), row);
        } else {
            dropped.push((key, row.diff_id));
        }
    }
    if !dropped.is_empty() {
        db.write(|tx| dropped.iter().try_for_each(|(key, _)| LAYERS.remove(tx, key).map(drop)))?;
    }
    // Rows first: a directory whose row is still there must not go.
    let mut strays = 0;
    for name in on_disk {
        strays += u64::from(dirs.throw_away(&dirs.layers, &name)?);
    }
    for name in dirs.ingest.names()? {
        strays += u64::from(dirs.throw_away(&dirs.ingest, &name)?);
    }
    let lost = dropped.into_iter().map(|(_, diff_id)| diff_id).collect();
    Ok((State::new(rows, highest + 1), Reconciled { lost, strays }))
}

#[cfg(test)]
mod tests;
