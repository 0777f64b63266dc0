//! Descriptors: how one document points to content, and for which platform it is.

use std::collections::BTreeMap;

use gantry_types::Digest;
use serde::{Deserialize, Serialize};

use super::annotation;
use super::tolerant::null_default;

/// A reference to content: its type, digest and size (image-spec, `descriptor.md`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    #[serde(default, deserialize_with = "null_default")]
    pub media_type: String,
    /// The digest of the raw content.
    pub digest: Digest,
    /// The length of the raw content in bytes.
    pub size: u64,
    /// Where it may be fetched instead of from its registry.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Free notes, see [`super::annotation`].
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// The platform that the image is for, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The type of an artifact that is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The content itself, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

impl Descriptor {
    /// A descriptor without the optional fields.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
            data: None,
        }
    }

    /// The digest of the manifest that an entry of an index is an attestation about, by what Docker's builder notes; nothing
    /// for an entry that is none.
    pub fn attests(&self) -> Option<&str> {
        let kind = self.annotations.get(annotation::DOCKER_REFERENCE_TYPE)?;
        let digest = self.annotations.get(annotation::DOCKER_REFERENCE_DIGEST)?;
        (kind == "attestation-manifest").then_some(digest.as_str())
    }
}

/// What an image runs on, in Go's names: `linux`, `amd64`, `arm64`, variant `v8`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// The processor.
    #[serde(default, deserialize_with = "null_default")]
    pub architecture: String,
    /// The operating system.
    #[serde(default, deserialize_with = "null_default")]
    pub os: String,
    /// The version of the operating system.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// What the operating system must offer.
    #[serde(
        rename = "os.features",
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// The variant of the processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_deref() {
            Some(variant) if !variant.is_empty() => write!(f, "/{variant}"),
            _ => Ok(()),
        }
    }
}

/// A text that names no platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPlatform(pub String);

impl std::fmt::Display for InvalidPlatform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "invalid platform {:?}: os/architecture[/variant] is needed", self.0)
    }
}

impl std::error::Error for InvalidPlatform {}

/// `os/arch[/variant]` or `arch`, with the kernel's names for architectures taken as well.
impl std::str::FromStr for Platform {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Self, InvalidPlatform> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [architecture] => ("linux", architecture, None),
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant.to_owned())),
            _ => ("", "", None),
        };
        if os.is_empty() || architecture.is_empty() {
            return Err(InvalidPlatform(text.to_owned()));
        }
        let architecture = match architecture {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let (os, architecture) = (os.to_owned(), architecture.to_owned());
        Ok(Self { architecture, os, variant, ..Self::default() })
    }
}
