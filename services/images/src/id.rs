//! Image ids.

use std::fmt;
use std::str::FromStr;

use gantry_types::Digest;
use serde::{Deserialize, Serialize};

/// The id of an image: the SHA-256 digest of its configuration document, whatever the compression of
/// its layers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImageId(Digest);

/// The text is not `sha256:` with 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid image id {0:?}: sha256: and 64 hexadecimal digits are needed")]
pub struct InvalidImageId(String);

impl ImageId {
    pub(crate) fn of_digest(digest: Digest) -> Self {
        Self(digest)
    }

    /// The id as a digest.
    pub fn digest(&self) -> &Digest {
        &self.0
    }

    /// The whole text, `sha256:…`.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The first 12 digits, as people see ids.
    pub fn short(&self) -> &str {
        &self.0.hex()[..12]
    }
}

impl FromStr for ImageId {
    type Err = InvalidImageId;

    fn from_str(text: &str) -> Result<Self, InvalidImageId> {
        match text.parse::<Digest>() {
            Ok(digest) if text.starts_with("sha256:") => Ok(Self(digest)),
            _ => Err(InvalidImageId(text.chars().take(100).collect())),
        }
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
