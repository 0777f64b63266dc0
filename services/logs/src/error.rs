//! The one error type of this crate: which file could not be opened, read, written or rotated.

use gantry_types::ErrorKind;
use std::io;
use std::path::PathBuf;

/// A log file that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("open log file {path}")]
    Open { path: PathBuf, source: io::Error },
    #[error("write log file {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("read log file {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("rotate log file {path}")]
    Rotate { path: PathBuf, source: io::Error },
    #[error("remove log file {path}")]
    Remove { path: PathBuf, source: io::Error },
    #[error("watch log file {path}")]
    Watch { path: PathBuf, source: io::Error },
    #[error("compress rotated files of the log {path}")]
    Compress { path: PathBuf, source: io::Error },
}

impl Error {
    /// The sort of failure.
    pub fn kind(&self) -> ErrorKind {
        let (Self::Open { source, .. }
        | Self::Write { source, .. }
        | Self::Read { source, .. }
        | Self::Rotate { source, .. }
        | Self::Remove { source, .. }
        | Self::Compress { source, .. }
        | Self::Watch { source, .. }) = self;
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
            _ => ErrorKind::Internal,
        }
    }
}
