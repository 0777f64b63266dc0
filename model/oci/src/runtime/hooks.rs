//! The six points at which a container's owner may run programs. Running them is the runtime's business.

use serde::{Deserialize, Serialize};

use super::null_is_default;

/// Programs to run around a container's life, in the specification's order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hooks {
    /// Deprecated by the specification; runs before `create_runtime`, in the runtime's namespaces.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub prestart: Vec<Hook>,
    /// Runtime's namespaces, after the container's namespaces exist and before `pivot_root`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub create_runtime: Vec<Hook>,
    /// Container's namespaces, runtime's root: before `pivot_root`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub create_container: Vec<Hook>,
    /// Container's namespaces and root: at `start`, before the user's process.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub start_container: Vec<Hook>,
    /// Runtime's namespaces, after the user's process has started.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub poststart: Vec<Hook>,
    /// Runtime's namespaces, after the container has been deleted.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub poststop: Vec<Hook>,
}

/// One program; it reads the container's [`State`](super::State) from its standard input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hook {
    /// Absolute path of the program.
    pub path: String,
    /// The argument list including `argv[0]`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub args: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub env: Vec<String>,
    /// Seconds after which the hook is aborted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
}
