//! What can go wrong with images. Docker's users know many of the texts: they are contract.

use std::io;
use std::path::{Path, PathBuf};

use gantry_types::{Digest, ErrorKind, InvalidReference};

use crate::InvalidImageId;

/// An error of the image store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither a name nor an id leads to an image.
    #[error("No such image: {reference}")]
    NoSuchImage {
        /// The name with its tag, or the id.
        reference: String,
    },
    /// The text is no image reference.
    #[error(transparent)]
    InvalidReference(#[from] InvalidReference),
    /// An image cannot be found under a digest that it does not have.
    #[error("refusing to create a tag with a digest reference")]
    TagWithDigest,
    /// `sha256:…` would be taken for an id.
    #[error("refusing to create an ambiguous tag using digest algorithm as name")]
    AmbiguousTag,
    /// The last name of an image that a container uses.
    #[error(
        "conflict: unable to remove repository reference {reference:?} (must force) - container \
         {container} is using its referenced image {image}"
    )]
    ReferenceInUse {
        /// What the user wrote.
        reference: String,
        /// The short id of the container.
        container: String,
        /// The short id of the image.
        image: String,
    },
    /// The image cannot be deleted, or only by force.
    #[error(
        "conflict: unable to delete {image} ({}) - {reason}",
        if *.forcible { "must be forced" } else { "cannot be forced" }
    )]
    DeleteConflict {
        /// The short id of the image.
        image: String,
        /// Whether force would help.
        forcible: bool,
        /// What stands in the way.
        reason: String,
    },
    /// The archive is no archive, damaged, or breaks a rule of tar.
    #[error("read the image archive")]
    Archive(#[source] gantry_archive::Error),
    /// The receiver of an archive failed, or a blob is not as long as its record says.
    #[error("write the image archive")]
    WriteArchive(#[source] gantry_archive::Error),
    /// The archive holds neither of the formats.
    #[error(
        "the archive holds no image: neither manifest.json (docker-archive) nor index.json (OCI \
         layout) is in it; a plain root file system becomes an image by import"
    )]
    NoImageInArchive,
    /// The archive breaks a rule of its format; the text says which, where.
    #[error("invalid image archive: {0}")]
    InvalidArchive(String),
    /// An image's documents contradict each other, or ask for what there is not.
    #[error("invalid image: {0}")]
    InvalidImage(String),
    /// Something else that registries keep: a chart, a signature.
    #[error("{name} is no runnable image: its configuration is {kind:?}")]
    NotAnImage {
        /// The document.
        name: String,
        /// The type of its configuration.
        kind: String,
    },
    /// The registry has the image for other platforms only.
    #[error("no matching manifest for {wanted} in the manifest list entries of {name}")]
    NoManifestForPlatform {
        /// The image.
        name: String,
        /// The platform that was asked for.
        wanted: String,
    },
    /// A document is not of the shape that it should have.
    #[error("{name} is not a valid {what}")]
    InvalidDocument {
        /// The file in the archive.
        name: String,
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        source: serde_json::Error,
    },
    /// A limit that keeps archives from doing harm.
    #[error("{what} is over the limit of {limit}")]
    OverLimit {
        /// What is too large or too many, and where.
        what: String,
        /// The limit with its unit.
        limit: String,
    },
    /// Content that a document points to is not there.
    #[error("the {what} {digest} is missing in the image archive")]
    MissingBlob {
        /// What it would be.
        what: &'static str,
        /// Its digest.
        digest: Digest,
    },
    /// Content does not have the digest by which it is called.
    #[error("content of {name} has digest {actual}, not {expected}")]
    DigestMismatch {
        /// Where the content came from.
        name: String,
        /// The digest that was promised.
        expected: Digest,
        /// The digest that it has.
        actual: Digest,
    },
    /// Content does not have the size that was promised.
    #[error("content of {name} has {actual} bytes, not {expected}")]
    SizeMismatch {
        /// Where the content came from.
        name: String,
        /// The size that was promised.
        expected: u64,
        /// The size that it has.
        actual: u64,
    },
    /// The archive has images, but none for this machine.
    #[error("no image for {wanted} in the archive: it has {found}")]
    NoMatchingPlatform {
        /// This machine's platform.
        wanted: String,
        /// The platforms in the archive.
        found: String,
    },
    /// A `--change` that is not understood.
    #[error("invalid change {change:?}: {reason}")]
    InvalidChange {
        /// The instruction.
        change: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The caller's stream failed: a broken upload.
    #[error("read the image archive")]
    Input(#[source] io::Error),
    /// No space is left on the disk of the data root.
    #[error("no space left to {action} {path}: free some space and try again")]
    Full {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A record of ours has a key that we never write.
    #[error("record of image {key:?} is damaged")]
    DamagedRecord {
        /// The key.
        key: String,
        /// What is wrong with it.
        source: InvalidImageId,
    },
    /// The metadata store failed.
    #[error(transparent)]
    Db(#[from] gantry_db::Error),
}

impl Error {
    /// The kind by which callers and protocols judge it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchImage { .. } | Self::NoManifestForPlatform { .. } => ErrorKind::NotFound,
            Self::ReferenceInUse { .. } | Self::DeleteConflict { .. } => ErrorKind::Conflict,
            Self::OverLimit { .. } => ErrorKind::TooLarge,
            Self::Full { .. } => ErrorKind::StorageFull,
            Self::Io { .. } | Self::DamagedRecord { .. } => ErrorKind::Internal,
            Self::Db(error) => error.kind(),
            Self::Archive(error) | Self::WriteArchive(error) => error.kind(),
            Self::InvalidReference(_)
            | Self::TagWithDigest
            | Self::AmbiguousTag
            | Self::NoImageInArchive
            | Self::InvalidArchive(_)
            | Self::InvalidImage(_)
            | Self::NotAnImage { .. }
            | Self::InvalidDocument { .. }
            | Self::MissingBlob { .. }
            | Self::DigestMismatch { .. }
            | Self::SizeMismatch { .. }
            | Self::NoMatchingPlatform { .. }
            | Self::InvalidChange { .. }
            | Self::Input(_) => ErrorKind::InvalidParameter,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { action, path }
            }
            _ => Self::Io { action, path, source },
        }
    }
}
