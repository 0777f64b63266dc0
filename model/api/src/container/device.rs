//! Devices and limits that `HostConfig` lists: mappings, requests, throttles, ulimits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::go;

/// One device node of the host, as seen in the container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeviceMapping {
    #[serde(deserialize_with = "go::lenient")]
    pub path_on_host: String,
    #[serde(deserialize_with = "go::lenient")]
    pub path_in_container: String,
    /// Any of `r`, `w`, `m`.
    #[serde(deserialize_with = "go::lenient")]
    pub cgroup_permissions: String,
}

/// A request for devices by driver, as `--gpus` sends it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeviceRequest {
    #[serde(deserialize_with = "go::lenient")]
    pub driver: String,
    /// −1 means all.
    #[serde(deserialize_with = "go::lenient")]
    pub count: i64,
    #[serde(rename = "DeviceIDs", with = "go::nil")]
    pub device_ids: Vec<String>,
    /// An OR of ANDs.
    #[serde(with = "go::nil")]
    pub capabilities: Vec<Vec<String>>,
    #[serde(with = "go::nil")]
    pub options: BTreeMap<String, String>,
}

/// A block device's proportional weight, 10–1000.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WeightDevice {
    #[serde(deserialize_with = "go::lenient")]
    pub path: String,
    #[serde(deserialize_with = "go::lenient")]
    pub weight: u16,
}

/// A block device's limit, in bytes or operations a second.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ThrottleDevice {
    #[serde(deserialize_with = "go::lenient")]
    pub path: String,
    #[serde(deserialize_with = "go::lenient")]
    pub rate: u64,
}

/// One resource limit of `setrlimit(2)`; −1 is unlimited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ulimit {
    #[serde(deserialize_with = "go::lenient")]
    pub name: String,
    #[serde(deserialize_with = "go::lenient")]
    pub hard: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub soft: i64,
}

impl Ulimit {
    /// The limits that can be set: those of `setrlimit(2)` but for the size of the address space, as in Docker.
    pub const NAMES: [&str; 15] = [
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ];
}
