//! The documents of the OCI runtime specification 1.3: `config.json` and a container's state.
//!
//! Plain data with public fields. Unknown fields are tolerated, `null` reads like an absent list or map. Nothing here checks whether
//! a document makes sense: the runtime does that where it acts on it.

mod capability;
mod hooks;
mod linux;
mod mount;
mod process;
mod resources;
mod seccomp;
mod state;
mod sysctl;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

pub use capability::CAPABILITIES;
pub use hooks::{Hook, Hooks};
pub use linux::{
    Device, DeviceKind, IdMapping, IntelRdt, Linux, MemoryPolicy, Namespace, NamespaceKind,
    NetDevice, Personality, TimeOffset,
};
pub use mount::{Mount, Root};
pub use process::{
    ConsoleSize, ExecCpuAffinity, IoPriority, LinuxCapabilities, Process, Rlimit, Scheduler, User,
};
pub use resources::{
    BlockIo, Cpu, DeviceRule, HugepageLimit, InterfacePriority, LinuxResources, Memory, Network,
    Pids, Rdma, ThrottleDevice, WeightDevice,
};
pub use seccomp::{Seccomp, SeccompAction, SeccompArg, SeccompOperator, SeccompSyscall};
pub use state::{ContainerProcessState, State, Status};
pub use sysctl::{sysctl_namespace, sysctl_path};

/// The version of the runtime specification that these documents follow.
pub const SPEC_VERSION: &str = "1.3.0";

/// A bundle's `config.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// The specification's version that the document follows, for example `1.3.0`.
    pub oci_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<Root>,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub hostname: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub domainname: String,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub mounts: Vec<Mount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linux: Option<Linux>,
}

/// Go programs write an empty slice or map as `null`; it means the same as leaving it out.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// For fields that are left out of the document when they are false.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests;
