//! `POST /containers/create`: its body and its answer.

use serde::{Deserialize, Serialize};

use super::{Config, HostConfig};
use crate::go;
use crate::network::NetworkingConfig;

/// The body: a [`Config`] with the two other parts beside its fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateRequest {
    #[serde(flatten)]
    pub config: Config,
    #[serde(deserialize_with = "go::lenient")]
    pub host_config: HostConfig,
    #[serde(deserialize_with = "go::lenient")]
    pub networking_config: NetworkingConfig,
}

/// The answer to a create.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateResponse {
    #[serde(deserialize_with = "go::lenient")]
    pub id: String,
    #[serde(deserialize_with = "go::lenient")]
    pub warnings: Vec<String>,
}
