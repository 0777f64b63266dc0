//! `GET /images/{name}/attestations`: what builders say of an image.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One in-toto statement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AttestationStatement {
    /// The OCI descriptor of the statement's blob.
    pub descriptor: Value,
    /// What kind of statement it is: a URI.
    pub predicate_type: String,
    /// The statement as it came; only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<Value>,
}
