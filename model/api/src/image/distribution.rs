//! What registries say of images: `GET /distribution/{name}/json` and `GET /images/search`; and a list of manifests that is
//! pushed there.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::go;

/// Where a name leads in its registry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DistributionInspect {
    /// An OCI descriptor of the manifest or index.
    pub descriptor: Value,
    /// The OCI platforms that it has images for.
    #[serde(with = "go::nil")]
    pub platforms: Vec<Value>,
    /// Gantry's own, where `documents=1` asks for it: the document itself, and the manifests that an index lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<DistributionDocument>,
}

/// A manifest or index.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DistributionDocument {
    /// An OCI descriptor, with the platform where the index says so.
    pub descriptor: Value,
    /// The document's text as the registry has it.
    pub raw: String,
}

/// `POST /gantry/distribution/{name}/push`: a list of manifests for a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DistributionPushRequest {
    /// The text of the index, as it is to be in the registry.
    pub raw: String,
    /// Manifests of it that other repositories of the same registry have, as `repository@digest`.
    #[serde(with = "go::nil")]
    pub sources: Vec<String>,
}

/// What the registry has then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DistributionPushed {
    /// The digest of the index.
    pub digest: String,
    /// The manifests that were brought over, as `repository@digest`.
    #[serde(with = "go::nil")]
    pub manifests: Vec<String>,
}

/// One repository that a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchResult {
    #[serde(deserialize_with = "go::lenient")]
    pub star_count: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub is_official: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub name: String,
    #[serde(deserialize_with = "go::lenient")]
    pub is_automated: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub description: String,
}
