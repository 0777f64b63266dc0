//! The bundle's `exits` file: every end of a process is written there before anyone hears of it.

use crate::error::Error;
use gantry_shim_protocol::EXITS_FILE;
use gantry_shim_protocol::exit::ExitRecord;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Appends one record.
pub(crate) fn append(bundle: &Path, record: &ExitRecord) -> Result<(), Error> {
    let path = bundle.join(EXITS_FILE);
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)
        .map_err(Error::file("open", &path))?;
    // One write: a record is whole or not there.
    file.write_all(record.to_line().as_bytes()).map_err(Error::file("write", path))
}
