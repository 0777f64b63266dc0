//! What can go wrong with an archive, each with its kind.

use std::io;

use gantry_types::ErrorKind;

/// What every function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of reading, writing or applying an archive; its text names the entry or the position.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source of the archive failed, or is not what its compression says.
    #[error("read the archive: {source}")]
    Read {
        /// Why.
        source: io::Error,
    },
    /// The receiver of a made archive failed.
    #[error("write the archive: {source}")]
    Write {
        /// Why.
        source: io::Error,
    },
    /// A header is not tar.
    #[error("the archive is damaged at byte {offset}: {fault}")]
    Damaged {
        /// Where the header starts in the uncompressed stream.
        offset: u64,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The stream ends where more must follow.
    #[error("the archive is cut off at byte {offset}, in the middle of an entry")]
    Truncated {
        /// Where it ends.
        offset: u64,
    },
    /// An entry that this crate refuses.
    #[error("the archive's entry {path:?} {fault}")]
    Entry {
        /// Its path as the archive has it.
        path: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// More of something than the [`crate::Limits`] allow.
    #[error("the archive has more than {limit} {what}")]
    Limit {
        /// The allowed number.
        limit: u64,
        /// Of what.
        what: &'static str,
    },
    /// A file on the disk that an archive cannot take.
    #[error(
        "the file {path:?} has {size} bytes, holes included, and the archive has room for {limit}: \
         remove it, or keep it in a volume"
    )]
    Large {
        /// Its path, relative to the root.
        path: String,
        /// Its bytes, holes included.
        size: u64,
        /// The bytes that it might have had.
        limit: u64,
    },
    /// A compression that this crate knows by name only.
    #[error("the archive is compressed with {name}, which is not supported: use gzip or zstd")]
    Compression {
        /// The compression.
        name: &'static str,
    },
    /// A step of applying or reading a directory failed.
    #[error("{action} {path:?}: {source}")]
    Place {
        /// What was tried.
        action: &'static str,
        /// On what, relative to the root.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// The kind by which callers and protocols judge it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Damaged { .. }
            | Self::Truncated { .. }
            | Self::Entry { .. }
            | Self::Compression { .. } => ErrorKind::InvalidParameter,
            Self::Limit { .. } | Self::Large { .. } => ErrorKind::TooLarge,
            Self::Read { source } => match source.kind() {
                io::ErrorKind::InvalidData
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::UnexpectedEof => ErrorKind::InvalidParameter,
                _ => ErrorKind::Internal,
            },
            Self::Write { source } | Self::Place { source, .. } => place_kind(source),
        }
    }

    /// An error of our own that travelled through [`io::Read`] comes out as itself.
    pub(crate) fn read(source: io::Error) -> Self {
        match source.downcast::<Self>() {
            Ok(error) => error,
            Err(source) => Self::Read { source },
        }
    }

    pub(crate) fn place(action: &'static str, path: &[u8], source: impl Into<io::Error>) -> Self {
        Self::Place { action, path: printable(path), source: source.into() }
    }

    pub(crate) fn large(path: &[u8], size: u64, limit: u64) -> Self {
        Self::Large { path: printable(path), size, limit }
    }

    pub(crate) fn entry(path: &[u8], fault: &'static str) -> Self {
        Self::Entry { path: printable(path), fault }
    }
}

/// How the archive and the disk share the blame: what the file system cannot hold is the archive's.
fn place_kind(source: &io::Error) -> ErrorKind {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::FileTooLarge
        | io::ErrorKind::TooManyLinks => ErrorKind::InvalidParameter,
        _ => ErrorKind::Internal,
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// A path for a message: not longer than a line or two.
pub(crate) fn printable(path: &[u8]) -> String {
    const LONGEST: usize = 256;
    if path.len() <= LONGEST {
        return String::from_utf8_lossy(path).into_owned();
    }
    format!("{}…", String::from_utf8_lossy(&path[..LONGEST]))
}
