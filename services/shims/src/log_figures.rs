//! What a shim counts of its container's log.

use gantry_shim_protocol::LOG_FIGURES_FILE;
use gantry_shim_protocol::log_figures::LogFigures;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What it has counted so far; where nothing was to be counted there is no file.
pub(crate) fn read(bundle: &Path) -> LogFigures {
    let mut text = String::new();
    let read = File::open(bundle.join(LOG_FIGURES_FILE))
        .and_then(|file| file.take(LogFigures::BYTES as u64).read_to_string(&mut text));
    read.map_or_else(|_| LogFigures::default(), |_| LogFigures::parse(&text))
}

/// The same, which nobody finds there afterwards.
pub(crate) fn take(bundle: &Path) -> LogFigures {
    let figures = read(bundle);
    let removed = std::fs::remove_file(bundle.join(LOG_FIGURES_FILE));
    if removed.is_ok() { figures } else { LogFigures::default() }
}
