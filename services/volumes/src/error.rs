//! The one error type of this crate: what about volumes could not be done.

use std::io;
use std::path::PathBuf;

use gantry_types::ErrorKind;

use crate::{InvalidName, VolumeName};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why. The texts are contract: clients print them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("get {0}: no such volume")]
    NoSuchVolume(String),
    #[error("create {name}: {source}")]
    InvalidName { name: String, source: InvalidName },
    #[error(
        "create {name}: volume {name} already exists with driver {driver}: choose another name"
    )]
    OtherDriver { name: VolumeName, driver: String },
    #[error("the volume {0} exists already: choose another name")]
    NameTaken(VolumeName),
    #[error("the files of volume {0} are still on their way: try again when they are there")]
    InTheMaking(VolumeName),
    #[error("the volume {0} is being renamed: try again when it has its new name")]
    Moved(VolumeName),
    #[error("create {name}: {reason}")]
    InvalidOptions { name: String, reason: String },
    #[error("remove {name}: volume is in use - [{users}]")]
    InUse { name: VolumeName, users: String },
    #[error("cannot {action} volume {name}: it is in use by {users}; stop it first")]
    Busy { action: &'static str, name: VolumeName, users: String },
    #[error(
        "error while mounting volume '{path}': failed to mount local volume: mount {device}:{path}, data: {data}: {source}"
    )]
    Mount { path: PathBuf, device: String, data: String, source: io::Error },
    #[error("unmount the volume {name}")]
    Unmount { name: VolumeName, source: io::Error },
    #[error("find the address of {host} for the volume's option addr")]
    Resolve { host: String, source: io::Error },
    #[error("the path {path:?} cannot be used in the volume {name}")]
    Subpath { name: VolumeName, path: String, source: io::Error },
    #[error("{action} {path}")]
    Store { action: &'static str, path: PathBuf, source: io::Error },
    #[error("no space left to {action} {path}: free some space and try again")]
    Full { action: &'static str, path: PathBuf },
    #[error("{action} the volume {volume}")]
    Files { action: &'static str, volume: VolumeName, source: gantry_archive::Error },
    #[error("{action} {path} into a volume")]
    Fill { action: &'static str, path: PathBuf, source: gantry_archive::Error },
    #[error("the volume {0} belongs to a plugin: its files can only be used by containers")]
    NotLocal(VolumeName),
    #[error(transparent)]
    Database(#[from] gantry_db::Error),
}

impl Error {
    /// A failed operation in the store.
    pub(crate) fn store(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { action, path }
            }
            _ => Self::Store { action, path, source },
        }
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchVolume(_) => ErrorKind::NotFound,
            Self::OtherDriver { .. }
            | Self::NameTaken(_)
            | Self::InTheMaking(_)
            | Self::Moved(_)
            | Self::InUse { .. }
            | Self::Busy { .. } => ErrorKind::Conflict,
            Self::InvalidName { .. } | Self::InvalidOptions { .. } | Self::Subpath { .. } => {
                ErrorKind::InvalidParameter
            }
            Self::NotLocal(_) => ErrorKind::NotImplemented,
            Self::Full { .. } => ErrorKind::StorageFull,
            Self::Files { source, .. } | Self::Fill { source, .. } => source.kind(),
            Self::Mount { .. }
            | Self::Unmount { .. }
            | Self::Resolve { .. }
            | Self::Store { .. } => ErrorKind::Internal,
            Self::Database(error) => error.kind(),
        }
    }
}
