//! `GET /info`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::go;

/// What `docker info` prints of the server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Info {
    #[serde(rename = "ID", deserialize_with = "go::lenient")]
    pub id: String,
    #[serde(deserialize_with = "go::lenient")]
    pub containers: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub containers_running: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub containers_paused: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub containers_stopped: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub images: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub driver: String,
    #[serde(deserialize_with = "go::lenient")]
    pub driver_status: Vec<(String, String)>,
    #[serde(deserialize_with = "go::lenient")]
    pub plugins: Plugins,
    #[serde(deserialize_with = "go::lenient")]
    pub memory_limit: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub swap_limit: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub cpu_cfs_period: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub cpu_cfs_quota: bool,
    #[serde(rename = "CPUShares", deserialize_with = "go::lenient")]
    pub cpu_shares: bool,
    #[serde(rename = "CPUSet", deserialize_with = "go::lenient")]
    pub cpu_set: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub pids_limit: bool,
    #[serde(rename = "IPv4Forwarding", deserialize_with = "go::lenient")]
    pub ipv4_forwarding: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub debug: bool,
    /// Open file descriptors.
    #[serde(rename = "NFd", deserialize_with = "go::lenient")]
    pub n_fd: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub oom_kill_disable: bool,
    /// Threads, in our case.
    #[serde(rename = "NGoroutines", deserialize_with = "go::lenient")]
    pub n_goroutines: i64,
    /// RFC 3339 with nanoseconds.
    #[serde(deserialize_with = "go::lenient")]
    pub system_time: String,
    #[serde(deserialize_with = "go::lenient")]
    pub logging_driver: String,
    /// `cgroupfs`, `systemd` or `none`.
    #[serde(deserialize_with = "go::lenient")]
    pub cgroup_driver: String,
    /// `1` or `2`.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub cgroup_version: String,
    #[serde(rename = "NEventsListener", deserialize_with = "go::lenient")]
    pub n_events_listener: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub kernel_version: String,
    #[serde(deserialize_with = "go::lenient")]
    pub operating_system: String,
    #[serde(rename = "OSVersion", deserialize_with = "go::lenient")]
    pub os_version: String,
    #[serde(rename = "OSType", deserialize_with = "go::lenient")]
    pub os_type: String,
    /// As `uname -m` says it.
    #[serde(deserialize_with = "go::lenient")]
    pub architecture: String,
    #[serde(deserialize_with = "go::lenient")]
    pub index_server_address: String,
    #[serde(deserialize_with = "go::lenient")]
    pub registry_config: RegistryConfig,
    #[serde(rename = "NCPU", deserialize_with = "go::lenient")]
    pub ncpu: i64,
    /// Bytes.
    #[serde(deserialize_with = "go::lenient")]
    pub mem_total: i64,
    #[serde(with = "go::nil")]
    pub generic_resources: Vec<serde_json::Value>,
    #[serde(deserialize_with = "go::lenient")]
    pub docker_root_dir: String,
    #[serde(deserialize_with = "go::lenient")]
    pub http_proxy: String,
    #[serde(deserialize_with = "go::lenient")]
    pub https_proxy: String,
    #[serde(deserialize_with = "go::lenient")]
    pub no_proxy: String,
    /// The host's name.
    #[serde(deserialize_with = "go::lenient")]
    pub name: String,
    #[serde(deserialize_with = "go::lenient")]
    pub labels: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub experimental_build: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub server_version: String,
    #[serde(deserialize_with = "go::lenient")]
    pub runtimes: BTreeMap<String, Runtime>,
    #[serde(deserialize_with = "go::lenient")]
    pub default_runtime: String,
    #[serde(deserialize_with = "go::lenient")]
    pub swarm: SwarmInfo,
    #[serde(deserialize_with = "go::lenient")]
    pub live_restore_enabled: bool,
    /// Windows only.
    #[serde(deserialize_with = "go::lenient")]
    pub isolation: String,
    #[serde(deserialize_with = "go::lenient")]
    pub init_binary: String,
    #[serde(deserialize_with = "go::lenient")]
    pub containerd_commit: Commit,
    #[serde(deserialize_with = "go::lenient")]
    pub runc_commit: Commit,
    #[serde(deserialize_with = "go::lenient")]
    pub init_commit: Commit,
    /// Each `name=…[,key=value]`.
    #[serde(deserialize_with = "go::lenient")]
    pub security_options: Vec<String>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub product_license: String,
    #[serde(rename = "CDISpecDirs", deserialize_with = "go::lenient")]
    pub cdi_spec_dirs: Vec<String>,
    /// Devices that containers can ask for; since 1.50.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub discovered_devices: Vec<DiscoveredDevice>,
    /// Since 1.49.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub firewall_backend: Option<FirewallBackend>,
    #[serde(deserialize_with = "go::lenient")]
    pub warnings: Vec<String>,
}

/// What makes the rules of the networks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FirewallBackend {
    /// `iptables` or `nftables`.
    #[serde(deserialize_with = "go::lenient")]
    pub driver: String,
}

/// A device that a driver has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DiscoveredDevice {
    /// The driver, for example `cdi`.
    pub source: String,
    #[serde(rename = "ID")]
    pub id: String,
}

/// What can be chosen, by kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Plugins {
    #[serde(deserialize_with = "go::lenient")]
    pub volume: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub network: Vec<String>,
    #[serde(with = "go::nil")]
    pub authorization: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub log: Vec<String>,
}

/// How registries are spoken to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RegistryConfig {
    #[serde(rename = "InsecureRegistryCIDRs", deserialize_with = "go::lenient")]
    pub insecure_registry_cidrs: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub index_configs: BTreeMap<String, RegistryIndex>,
    #[serde(deserialize_with = "go::lenient")]
    pub mirrors: Vec<String>,
}

/// One registry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RegistryIndex {
    #[serde(deserialize_with = "go::lenient")]
    pub name: String,
    #[serde(deserialize_with = "go::lenient")]
    pub mirrors: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub secure: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub official: bool,
}

/// One OCI runtime that containers can ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Runtime {
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub path: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub runtime_args: Vec<String>,
}

/// The swarm this engine is in: none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SwarmInfo {
    #[serde(rename = "NodeID", deserialize_with = "go::lenient")]
    pub node_id: String,
    #[serde(deserialize_with = "go::lenient")]
    pub node_addr: String,
    /// `inactive` outside a swarm.
    #[serde(deserialize_with = "go::lenient")]
    pub local_node_state: String,
    #[serde(deserialize_with = "go::lenient")]
    pub control_available: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub error: String,
    #[serde(with = "go::nil")]
    pub remote_managers: Vec<serde_json::Value>,
}

/// The commit a program was built from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Commit {
    #[serde(rename = "ID", deserialize_with = "go::lenient")]
    pub id: String,
}
