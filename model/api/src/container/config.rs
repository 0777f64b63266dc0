//! `Config`: the part of a container's settings that an image can bring too. What binds it to a host is
//! `host_config`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::go;

/// The portable half of a container's settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Config {
    /// Empty: the engine chooses one from the container's id.
    #[serde(deserialize_with = "go::lenient")]
    pub hostname: String,
    #[serde(deserialize_with = "go::lenient")]
    pub domainname: String,
    /// `user`, `uid`, `user:group` or `uid:gid`; empty means the image's.
    #[serde(deserialize_with = "go::lenient")]
    pub user: String,
    #[serde(deserialize_with = "go::lenient")]
    pub attach_stdin: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub attach_stdout: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub attach_stderr: bool,
    /// Each `port/protocol`.
    #[serde(skip_serializing_if = "go::is_zero", with = "go::set")]
    pub exposed_ports: BTreeSet<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub tty: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub open_stdin: bool,
    /// Close the container's stdin when the first attached client goes away.
    #[serde(deserialize_with = "go::lenient")]
    pub stdin_once: bool,
    /// Each `NAME=value`; a bare `NAME` takes the variable away.
    #[serde(with = "go::nil")]
    pub env: Vec<String>,
    #[serde(deserialize_with = "go::optional_words")]
    pub cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub healthcheck: Option<HealthConfig>,
    /// Windows only.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub args_escaped: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub image: String,
    /// Each a path in the container that gets an anonymous volume.
    #[serde(with = "go::set")]
    pub volumes: BTreeSet<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub working_dir: String,
    /// An empty list, or one empty word, takes the image's entrypoint away.
    #[serde(deserialize_with = "go::optional_words")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub network_disabled: bool,
    /// Before 1.44 the way to choose an address; since then per endpoint.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub mac_address: String,
    #[serde(skip_serializing_if = "go::is_zero", with = "go::nil")]
    pub on_build: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub stop_signal: String,
    /// Seconds; negative waits for ever.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub stop_timeout: Option<i64>,
    #[serde(skip_serializing_if = "go::is_zero", with = "go::words")]
    pub shell: Vec<String>,
}

/// How a container's health is probed. Durations are nanoseconds; zero inherits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthConfig {
    /// Empty inherits; `["NONE"]` disables; otherwise `CMD` or `CMD-SHELL` and the words.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub test: Vec<String>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub interval: i64,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub timeout: i64,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub start_period: i64,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub start_interval: i64,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub retries: i64,
}
