//! What is counted of a process's log, in the bundle, where the daemon reads it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use gantry_logs::{LongLines, Stream};
use gantry_shim_protocol::LOG_FIGURES_FILE;
use gantry_shim_protocol::log_figures::LogFigures;

#[derive(Debug)]
pub(super) struct Figures {
    path: PathBuf,
    file: Option<File>,
    counts: LogFigures,
    lines: [LongLines; 2],
}

impl Figures {
    pub(super) fn new(bundle: &Path) -> Self {
        let path = bundle.join(LOG_FIGURES_FILE);
        Self { path, file: None, counts: LogFigures::default(), lines: Default::default() }
    }

    /// What came went to the log, or did not.
    pub(super) fn wrote(&mut self, stream: Stream, data: &[u8], went_well: bool) {
        let long_lines = self.lines[stream as usize].count(data);
        self.add(LogFigures { long_lines, failed_writes: (!went_well).into(), failed_reads: 0 });
    }

    pub(super) fn failed_read(&mut self) {
        self.add(LogFigures { failed_reads: 1, ..LogFigures::default() });
    }

    fn add(&mut self, more: LogFigures) {
        if more == LogFigures::default() {
            return;
        }
        self.counts += more;
        if self.file.is_none() {
            let mut options = OpenOptions::new();
            self.file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&self.path).ok();
        }
        if let Some(file) = &self.file {
            // Nobody's output waits for a number that cannot be written; the next one says it as well.
            file.write_all_at(self.counts.to_string().as_bytes(), 0).unwrap_or_default();
        }
    }
}
