//! The one body that every failed request is answered with.

use serde::{Deserialize, Serialize};

use crate::go;

/// `{"message": …}`: what clients print after "Error response from daemon: ".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorResponse {
    #[serde(deserialize_with = "go::lenient")]
    pub message: String,
}
