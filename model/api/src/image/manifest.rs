//! What of an image is here for which platform: `Manifests` of a row, when asked for.

use serde::{Deserialize, Serialize};

use crate::go;
use crate::image::ImageIdentity;

/// One manifest of an image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ManifestSummary {
    /// The manifest's digest.
    #[serde(rename = "ID", deserialize_with = "go::lenient")]
    pub id: String,
    #[serde(deserialize_with = "go::lenient")]
    pub descriptor: ManifestDescriptor,
    /// Whether all that it points to is here.
    #[serde(deserialize_with = "go::lenient")]
    pub available: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub size: ManifestSize,
    /// `image`, `attestation` or `unknown`.
    #[serde(deserialize_with = "go::lenient")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_data: Option<ManifestImage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attestation_data: Option<AttestationData>,
}

/// What an attestation is about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AttestationData {
    /// The digest of an image's manifest.
    #[serde(deserialize_with = "go::lenient")]
    pub r#for: String,
}

/// Where the manifest is, as OCI documents say it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ManifestDescriptor {
    #[serde(deserialize_with = "go::lenient")]
    pub media_type: String,
    #[serde(deserialize_with = "go::lenient")]
    pub digest: String,
    #[serde(deserialize_with = "go::lenient")]
    pub size: i64,
}

/// Bytes that it takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ManifestSize {
    /// Its blobs as they came.
    #[serde(deserialize_with = "go::lenient")]
    pub content: i64,
    /// Blobs and extracted layers.
    #[serde(deserialize_with = "go::lenient")]
    pub total: i64,
}

/// The image that a manifest describes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ManifestImage {
    #[serde(deserialize_with = "go::lenient")]
    pub platform: ManifestPlatform,
    /// Where it is from; only when asked for. Since 1.54.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<ImageIdentity>,
    /// The ids of its containers.
    #[serde(deserialize_with = "go::lenient")]
    pub containers: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub size: UnpackedSize,
}

/// What the image runs on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ManifestPlatform {
    #[serde(deserialize_with = "go::lenient")]
    pub architecture: String,
    #[serde(deserialize_with = "go::lenient")]
    pub os: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub variant: String,
}

/// Bytes of the extracted layers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UnpackedSize {
    #[serde(deserialize_with = "go::lenient")]
    pub unpacked: i64,
}
