//! What a shim tells about itself when it is run with `-info`.
//!
//! Follows `api/types/introspection.proto` of containerd.

use crate::rpc::Any;
use crate::wire::messages;
use std::collections::BTreeMap;

messages! {
    /// Written to stdout.
    pub struct RuntimeInfo {
        1 => name: String,
        2 => version: Option<RuntimeVersion>,
        /// The options that were passed on stdin, as they came.
        3 => options: Option<Any>,
        4 => features: Option<Any>,
        5 => annotations: BTreeMap<String, String>,
    }

    pub struct RuntimeVersion {
        1 => version: String,
        2 => revision: String,
    }
}
