//! What a shim tells about itself when it is run with `-info`.
//!
//! Follows `api/types/introspection.proto` of containerd.

use crate::rpc::Any;
use crate::wire::messages;
use std::collections::BTreeMap;

/// The type URL under which the features document travels.
pub const FEATURES_TYPE_URL: &str =
    "types.containerd.io/opencontainers/runtime-spec/1/features/Features";

messages! {
    /// Written to stdout.
    pub struct RuntimeInfo {
        1 => name: String,
        2 => version: Option<RuntimeVersion>,
        /// The options that were passed on stdin, as they came.
        3 => options: Option<Any>,
        /// The features document of the OCI runtime spec as JSON, see [`FEATURES_TYPE_URL`].
        4 => features: Option<Any>,
        5 => annotations: BTreeMap<String, String>,
    }

    pub struct RuntimeVersion {
        1 => version: String,
        2 => revision: String,
    }
}
