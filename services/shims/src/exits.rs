//! What a shim wrote down about processes that ended, for when it cannot be asked any more.

use crate::ExitNotice;
use gantry_shim_protocol::EXITS_FILE;
use gantry_shim_protocol::exit::ExitRecord;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// More than this of the file's end is not read; a record has about 200 bytes.
const MAX_BYTES: u64 = 16 << 20;

/// How a process ended, by the bundle's `exits` file.
pub(crate) fn find(bundle: &Path, exec_id: &str) -> Option<ExitNotice> {
    let ExitRecord { pid, status, exited_at, .. } = record(bundle, exec_id)?;
    Some(ExitNotice::Exited { pid, status, exited_at })
}

/// The record of one process in that file.
pub(crate) fn record(bundle: &Path, exec_id: &str) -> Option<ExitRecord> {
    let mut text = Vec::new();
    let mut file = File::open(bundle.join(EXITS_FILE)).ok()?;
    // Whoever is asked for ended last: the first process does, and of others nobody asks for long.
    file.seek(SeekFrom::Start(file.metadata().ok()?.len().saturating_sub(MAX_BYTES))).ok()?;
    file.take(MAX_BYTES).read_to_end(&mut text).ok()?;
    ExitRecord::find(&String::from_utf8_lossy(&text), exec_id)
}
