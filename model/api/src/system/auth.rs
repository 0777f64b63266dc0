//! `POST /auth`, and the credentials in the header `X-Registry-Auth`.

use serde::{Deserialize, Serialize};

use crate::go;

/// What a user shows to a registry.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", default)]
pub struct AuthConfig {
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub username: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub password: String,
    /// `username:password` in base64; in the configuration file in place of the two.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub auth: String,
    /// The registry: a host, or a URL as older clients send it.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub serveraddress: String,
    /// A refresh token in place of the password.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub identitytoken: String,
    /// A bearer token to be shown as it is.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub registrytoken: String,
}

/// Secrets do not go to logs.
impl std::fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("AuthConfig");
        shown.field("username", &self.username).field("serveraddress", &self.serveraddress);
        shown.finish_non_exhaustive()
    }
}

/// The answer to a login that succeeded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AuthResponse {
    #[serde(deserialize_with = "go::lenient")]
    pub status: String,
    /// To be kept in place of the password, unless it is empty.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub identity_token: String,
}
