//! `GET /version`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::go;

/// Who answers, and which versions of the API it speaks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Version {
    #[serde(deserialize_with = "go::lenient")]
    pub platform: Platform,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub components: Vec<ComponentVersion>,
    #[serde(deserialize_with = "go::lenient")]
    pub version: String,
    #[serde(rename = "ApiVersion", deserialize_with = "go::lenient")]
    pub api_version: String,
    #[serde(
        rename = "MinAPIVersion",
        skip_serializing_if = "go::is_zero",
        deserialize_with = "go::lenient"
    )]
    pub min_api_version: String,
    #[serde(deserialize_with = "go::lenient")]
    pub git_commit: String,
    /// Docker clients print it; the compiler's version is as near as we come.
    #[serde(deserialize_with = "go::lenient")]
    pub go_version: String,
    #[serde(deserialize_with = "go::lenient")]
    pub os: String,
    #[serde(deserialize_with = "go::lenient")]
    pub arch: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub kernel_version: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub experimental: bool,
    /// RFC 3339.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub build_time: String,
}

/// The product's name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Platform {
    #[serde(deserialize_with = "go::lenient")]
    pub name: String,
}

/// One part of the engine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ComponentVersion {
    #[serde(deserialize_with = "go::lenient")]
    pub name: String,
    #[serde(deserialize_with = "go::lenient")]
    pub version: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub details: BTreeMap<String, String>,
}
