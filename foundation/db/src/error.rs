//! What can go wrong with the metadata file, each with its kind.

use std::path::{Path, PathBuf};

use gantry_types::ErrorKind;
use rusqlite::ErrorCode;

/// An error of the metadata store; its text names the file or the record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file holds no valid database (any more).
    #[error(
        "metadata file {path} is damaged: restore it from a backup, or move it away to start empty"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// The file failed the integrity check that is made when it is opened.
    #[error(
        "metadata file {path} is damaged ({finding}): restore it from a backup, or move it away to start empty"
    )]
    Unsound {
        /// The file.
        path: PathBuf,
        /// The first finding of the check.
        finding: String,
    },
    /// Another process, most likely another daemon with the same data root, has it open.
    #[error(
        "metadata file {path} is in use by another process: is another gantryd running with this data root?"
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A valid database of some other program.
    #[error("{path} is a database of another program, not Gantry's metadata file")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The layout of the file is newer than this program.
    #[error(
        "metadata file {path} has format {found}, this Gantry knows up to {known}: use a newer Gantry"
    )]
    NewerFile {
        /// The file.
        path: PathBuf,
        /// The format in the file.
        found: u32,
        /// The newest format that we know.
        known: u32,
    },
    /// The records of one owner are newer than this program.
    #[error(
        "{owner} records in {path} have version {found}, this Gantry knows up to {known}: use a newer Gantry"
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Whose records.
        owner: String,
        /// The version in the file.
        found: u32,
        /// The newest version that we know.
        known: u32,
    },
    /// No space is left where the file is.
    #[error("no space left for metadata file {path}: free some space and try again")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Anything else that `SQLite` or the operating system refused.
    #[error("{action} in metadata file {path}")]
    Sqlite {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// A value cannot be written as JSON.
    #[error("encode record {key:?} of table {table}")]
    Encode {
        /// The table.
        table: &'static str,
        /// The record.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A record is not of the shape that its table has.
    #[error("record {key:?} of table {table} has an unknown shape")]
    Decode {
        /// The table.
        table: &'static str,
        /// The record.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
}

impl Error {
    /// The kind by which callers and protocols judge it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Full { .. } => ErrorKind::StorageFull,
            Self::InUse { .. } => ErrorKind::Unavailable,
            Self::Corrupt { .. }
            | Self::Unsound { .. }
            | Self::Foreign { .. }
            | Self::NewerFile { .. }
            | Self::NewerSchema { .. }
            | Self::Sqlite { .. }
            | Self::Encode { .. }
            | Self::Decode { .. } => ErrorKind::Internal,
        }
    }

    pub(crate) fn from_sqlite(action: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { path, source }
            }
            _ => Self::Sqlite { action, path, source },
        }
    }
}
