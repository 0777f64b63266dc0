//! What a runtime tells about a container.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::null_is_default;

/// The answer of `state`, and what hooks read from their standard input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub oci_version: String,
    pub id: String,
    pub status: Status,
    /// The first process, as the runtime's pid namespace numbers it; absent when stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Absolute path.
    pub bundle: String,
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}

impl Status {
    /// The specification's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// What the agent of a seccomp profile receives together with the notification descriptor (`linux.seccomp.listenerPath`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerProcessState {
    pub oci_version: String,
    /// What the message's descriptors are, in their order.
    pub fds: Vec<String>,
    /// The process that the descriptor belongs to, as the runtime's pid namespace numbers it.
    pub pid: i32,
    /// `linux.seccomp.listenerMetadata`, as it is.
    #[serde(
        default,
        skip_serializing_if = "String::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub metadata: String,
    pub state: State,
}

impl ContainerProcessState {
    /// The name of the notification descriptor among [`fds`](Self::fds).
    pub const SECCOMP_FD: &'static str = "seccompFd";
}
