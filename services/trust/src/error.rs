//! Why a policy cannot be used, or does not let an image in.

use std::io;
use std::path::PathBuf;

use gantry_types::ErrorKind;

use crate::cosign::BoxError;

/// See the variants.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The policy's file.
    #[error("read the signature policy {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no JSON, has a field that is not known, or a value of another type.
    #[error("the signature policy {path} is malformed at {place}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in the document.
        place: String,
        /// What is wrong there.
        source: serde_json::Error,
    },
    /// It asks for what makes no sense, or for what there is not.
    #[error("the signature policy {path} cannot be used: {place}: {reason}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Where in the document.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// The policy lets nobody have the image.
    #[error("{image} is rejected by the signature policy ({rule})")]
    Rejected {
        /// The image, by the digest where its name led.
        image: String,
        /// The policy's file, and the part of it that applies.
        rule: String,
    },
    /// None of the image's signatures fulfils the policy.
    #[error("no signature by {keys} on {image} ({rule}): {reason}")]
    NotSigned {
        /// The keys of which one was needed.
        keys: String,
        /// The image, by the digest where its name led.
        image: String,
        /// The policy's file, and the part of it that applies.
        rule: String,
        /// What the registry had instead.
        reason: String,
    },
    /// Signatures could not be fetched.
    #[error("fetch the signatures of {image}, which the policy {policy} asks for")]
    Source {
        /// The image, by the digest where its name led.
        image: String,
        /// The policy's file.
        policy: PathBuf,
        /// Why.
        source: BoxError,
    },
}

impl Error {
    /// The kind by which callers and protocols judge it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Rejected { .. } | Self::NotSigned { .. } => ErrorKind::Forbidden,
            Self::Malformed { .. } | Self::Unusable { .. } => ErrorKind::InvalidParameter,
            Self::Unreadable { .. } | Self::Source { .. } => ErrorKind::Internal,
        }
    }
}
