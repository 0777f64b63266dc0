//! What is known of cache mounts: by which id builds name each, and when one needed it last.

use std::fs;
use std::os::fd::AsFd;

use gantry_db::Table;
use gantry_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::{COMING, FOLDER, GOING, name_of};
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;

/// By the name of the directory.
const MOUNTS: Table<Mount> = Table::new("build-cache-mounts");

/// One cache mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::build) struct Mount {
    /// What builds call it.
    pub(in crate::build) id: String,
    /// When it was made.
    pub(in crate::build) created: Timestamp,
    /// When a command had it last.
    pub(in crate::build) used: Timestamp,
    /// How many commands have had it.
    #[serde(default)]
    pub(in crate::build) uses: u64,
}

/// A cache mount that is here.
#[derive(Debug, Clone)]
pub(in crate::build) struct Listed {
    /// The name of its directory.
    pub(in crate::build) name: String,
    pub(in crate::build) mount: Mount,
    /// What its files take.
    pub(in crate::build) bytes: u64,
    /// A command has it now.
    pub(in crate::build) is_in_use: bool,
}

/// Notes that a command has a cache mount, which may be new.
pub(super) fn touch(engine: &Engine, id: &str, name: &str) -> Result<()> {
    let now = gantry_sys::clock::now();
    engine.db.write(|tx| {
        let new = || Mount { id: id.to_owned(), created: now, used: now, uses: 0 };
        let mut mount = MOUNTS.get(tx, name)?.unwrap_or_else(new);
        mount.used = now;
        mount.uses += 1;
        Ok(MOUNTS.put(tx, name, &mount)?)
    })
}

/// Forgets those whose directories have gone.
pub(super) fn forget(engine: &Engine, names: &[String]) -> Result<()> {
    engine.db.write(|tx| {
        for name in names {
            MOUNTS.remove(tx, name)?;
        }
        Ok(())
    })
}

/// All that are here, the one that was needed least lately first.
pub(in crate::build) fn list(engine: &Engine) -> Result<Vec<Listed>> {
    let root = engine.settings.data_root.join(FOLDER);
    let entries = match fs::read_dir(&root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::file("list", &root))?,
    };
    let mut listed = Vec::new();
    for entry in entries {
        let name = entry.map_err(Error::file("list", &root))?.file_name();
        let is_whole = |name: &&str| !name.starts_with(GOING) && !name.starts_with(COMING);
        let Some(name) = name.to_str().filter(is_whole) else { continue };
        // One that vanished meanwhile is not here.
        let Ok(opened) = fs::File::open(root.join(name)) else { continue };
        let bytes = gantry_archive::tree::size(opened.as_fd()).unwrap_or_default();
        let mount = engine.db.read(|tx| MOUNTS.get(tx, name))?.unwrap_or_else(|| unnamed(&opened));
        let is_in_use = engine.build_caches.users().contains_key(name);
        listed.push(Listed { name: name.to_owned(), mount, bytes, is_in_use });
    }
    listed.sort_by(|one, other| (one.mount.used, &one.name).cmp(&(other.mount.used, &other.name)));
    Ok(listed)
}

/// One that was made before anything was noted of them.
fn unnamed(opened: &fs::File) -> Mount {
    let modified = opened.metadata().and_then(|metadata| metadata.modified()).ok();
    let since = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let seconds = since.and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or_default();
    let then = Timestamp { seconds, nanos: 0 };
    Mount { id: String::new(), created: then, used: then, uses: 0 }
}

/// The name of the directory that a user means: by the id that builds call it by, or by that name itself.
pub(super) fn find(engine: &Engine, text: &str) -> Option<String> {
    let root = engine.settings.data_root.join(FOLDER);
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let own = if is_hex { Some(text.to_owned()) } else { None };
    let names = [Some(name_of(text)), own];
    names.into_iter().flatten().find(|name| root.join(name).is_dir())
}
