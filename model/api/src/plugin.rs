//! Managed plugins: a root file system with a document of what it may do (Docker's plugin configuration, version 0), what its user set in
//! it, and what it asks for.

use serde::{Deserialize, Serialize};

use crate::go;

/// `GET /plugins/{name}/json`, and a row of `GET /plugins`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Plugin {
    pub config: PluginConfig,
    pub enabled: bool,
    pub id: String,
    /// With its tag, as people write it.
    pub name: String,
    /// Where it came from, in full.
    #[serde(skip_serializing_if = "go::is_zero")]
    pub plugin_reference: String,
    pub settings: PluginSettings,
}

/// What of the configuration is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PluginSettings {
    #[serde(deserialize_with = "go::lenient")]
    pub args: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub devices: Vec<PluginDevice>,
    /// `NAME=value`.
    #[serde(deserialize_with = "go::lenient")]
    pub env: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub mounts: Vec<PluginMount>,
}

/// The document in a plugin's image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PluginConfig {
    #[serde(deserialize_with = "go::lenient")]
    pub args: PluginArgs,
    #[serde(deserialize_with = "go::lenient")]
    pub description: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub docker_version: String,
    #[serde(deserialize_with = "go::lenient")]
    pub documentation: String,
    #[serde(deserialize_with = "go::lenient")]
    pub entrypoint: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub env: Vec<PluginEnv>,
    #[serde(deserialize_with = "go::lenient")]
    pub interface: PluginInterface,
    #[serde(deserialize_with = "go::lenient")]
    pub ipc_host: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub linux: PluginLinux,
    #[serde(deserialize_with = "go::lenient")]
    pub mounts: Vec<PluginMount>,
    #[serde(deserialize_with = "go::lenient")]
    pub network: PluginNetwork,
    #[serde(deserialize_with = "go::lenient")]
    pub pid_host: bool,
    /// Below this path of the plugin's, mounts that it makes are seen by containers.
    #[serde(deserialize_with = "go::lenient")]
    pub propagated_mount: String,
    #[serde(deserialize_with = "go::lenient")]
    pub user: PluginUser,
    #[serde(deserialize_with = "go::lenient")]
    pub work_dir: String,
    /// Its layers; absent in the document that a plugin is created from.
    #[serde(rename = "rootfs", skip_serializing_if = "Option::is_none")]
    pub rootfs: Option<PluginRootfs>,
}

/// Words behind the entrypoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PluginArgs {
    #[serde(deserialize_with = "go::lenient")]
    pub description: String,
    #[serde(deserialize_with = "go::lenient")]
    pub name: String,
    /// What of it the user may set: `value`.
    #[serde(deserialize_with = "go::lenient")]
    pub settable: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub value: Vec<String>,
}

/// A variable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PluginEnv {
    #[serde(deserialize_with = "go::lenient")]
    pub description: String,
    #[serde(deserialize_with = "go::lenient")]
    pub name: String,
    #[serde(deserialize_with = "go::lenient")]
    pub settable: Vec<String>,
    /// Without one it is not set until the user does.
    pub value: Option<String>,
}

/// How the daemon speaks to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PluginInterface {
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub protocol_scheme: String,
    /// The name of its socket in `/run/docker/plugins`.
    #[serde(deserialize_with = "go::lenient")]
    pub socket: String,
    /// `docker.volumedriver/1.0` and the like.
    #[serde(deserialize_with = "go::lenient")]
    pub types: Vec<String>,
}

/// What it may do beyond other containers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PluginLinux {
    #[serde(deserialize_with = "go::lenient")]
    pub allow_all_devices: bool,
    /// Names with `CAP_`.
    #[serde(deserialize_with = "go::lenient")]
    pub capabilities: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub devices: Vec<PluginDevice>,
}

/// A device of the host's, at the same path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PluginDevice {
    #[serde(deserialize_with = "go::lenient")]
    pub description: String,
    #[serde(deserialize_with = "go::lenient")]
    pub name: String,
    pub path: Option<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub settable: Vec<String>,
}

/// Something of the host's that it sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PluginMount {
    #[serde(deserialize_with = "go::lenient")]
    pub description: String,
    #[serde(deserialize_with = "go::lenient")]
    pub destination: String,
    #[serde(deserialize_with = "go::lenient")]
    pub name: String,
    #[serde(deserialize_with = "go::lenient")]
    pub options: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub settable: Vec<String>,
    /// A path of the host's; without one the user has to say it.
    pub source: Option<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub r#type: String,
}

/// `host`, `bridge`, or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PluginNetwork {
    #[serde(deserialize_with = "go::lenient")]
    pub r#type: String,
}

/// Whom it runs as.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PluginUser {
    #[serde(rename = "GID", skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub gid: u32,
    #[serde(rename = "UID", skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub uid: u32,
}

/// The layers of its root file system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PluginRootfs {
    #[serde(deserialize_with = "go::lenient")]
    pub diff_ids: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub r#type: String,
}

/// Something that a plugin asks for and a user has to grant: an item of `GET /plugins/privileges`, and of the body of a pull.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PluginPrivilege {
    #[serde(deserialize_with = "go::lenient")]
    pub name: String,
    #[serde(deserialize_with = "go::lenient")]
    pub description: String,
    #[serde(deserialize_with = "go::lenient")]
    pub value: Vec<String>,
}
