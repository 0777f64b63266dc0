//! What can go wrong with layers, each with its kind.

use std::io;
use std::path::{Path, PathBuf};

use gantry_types::{Digest, ErrorKind};

/// What every function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the layer store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An archive is not the layer that it is said to be.
    #[error("layer {expected} is damaged: its content has the digest {actual}")]
    WrongContent {
        /// The wanted diffID.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// An archive cannot be extracted.
    #[error("extract layer {diff_id}: {source}")]
    Extract {
        /// The layer.
        diff_id: Digest,
        /// Why.
        source: gantry_archive::Error,
    },
    /// An image's layer is not here.
    #[error("layer {diff_id} is not on this machine: load its image again")]
    Missing {
        /// The layer.
        diff_id: Digest,
    },
    /// The text cannot name a writable layer.
    #[error("invalid id {id:?} for a writable layer: up to 128 letters and digits are needed")]
    InvalidId {
        /// The text.
        id: String,
    },
    /// A writable layer of that id is there already.
    #[error("the writable layer {id} is there already")]
    Exists {
        /// The id.
        id: String,
    },
    /// There is no writable layer of that id.
    #[error("the writable layer {id} is gone")]
    NoWritable {
        /// The id.
        id: String,
    },
    /// The data root's path cannot be used for mounts.
    #[error("the data root {path} cannot be used: its path must be text without a comma")]
    InvalidRoot {
        /// The path.
        path: PathBuf,
    },
    /// Layers shall be images of erofs, and this host has no use for them.
    #[error(
        "the layer format erofs cannot be used here: {reason}; choose \"auto\" or \"directory\" instead"
    )]
    NoErofs {
        /// What was tried, and why it failed.
        reason: String,
    },
    /// A writable layer shall have a size, and the file system has no use for that.
    #[error("a size for writable layers cannot be had on the file system of {path}: {reason}")]
    NoQuota {
        /// The directory of the writable layers.
        path: PathBuf,
        /// What is missing, and how to get it.
        reason: String,
    },
    /// A layer's archive cannot be put together from what is here of it.
    #[error("put the archive of layer {diff_id} together: {source}")]
    Split {
        /// The layer.
        diff_id: Digest,
        /// Why.
        source: io::Error,
    },
    /// A layer's image is not what it was.
    #[error(
        "the layer {path} is damaged: {source}; remove the images that have it, then pull or load them again"
    )]
    Damaged {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        source: gantry_erofs::Error,
    },
    /// The disk is full.
    #[error("no space left on the disk of {path}: free some space and try again")]
    Full {
        /// The store's directory.
        path: PathBuf,
    },
    /// A step on the store's own directories failed.
    #[error("{action} {path}: {source}")]
    Store {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A tree of files cannot be measured or removed.
    #[error("{action}: {source}")]
    Tree {
        /// What was tried.
        action: &'static str,
        /// Why.
        source: gantry_archive::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Db(#[from] gantry_db::Error),
}

impl Error {
    /// The kind by which callers and protocols judge it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::WrongContent { .. }
            | Self::InvalidId { .. }
            | Self::InvalidRoot { .. }
            | Self::NoErofs { .. }
            | Self::NoQuota { .. } => ErrorKind::InvalidParameter,
            Self::Extract { source, .. } | Self::Tree { source, .. } => source.kind(),
            Self::Missing { .. } | Self::NoWritable { .. } => ErrorKind::NotFound,
            Self::Exists { .. } => ErrorKind::Conflict,
            Self::Full { .. } => ErrorKind::StorageFull,
            Self::Store { .. } | Self::Split { .. } | Self::Damaged { .. } => ErrorKind::Internal,
            Self::Db(error) => error.kind(),
        }
    }

    pub(crate) fn store(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        let (path, source) = (path.to_owned(), source.into());
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Store { action, path, source },
        }
    }

    pub(crate) fn split(diff_id: &Digest, store: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path: store.to_owned() }
            }
            _ => Self::Split { diff_id: diff_id.clone(), source },
        }
    }

    pub(crate) fn damaged(path: &Path, source: gantry_erofs::Error) -> Self {
        Self::Damaged { path: path.to_owned(), source }
    }

    pub(crate) fn extract(diff_id: &Digest, store: &Path, source: gantry_archive::Error) -> Self {
        match source.kind() {
            ErrorKind::StorageFull => Self::Full { path: store.to_owned() },
            _ => Self::Extract { diff_id: diff_id.clone(), source },
        }
    }
}
