//! `HostConfig`: the half of a container's settings that binds it to this host. Every field that Docker's engine
//! knows is here, so that the engine can refuse by name what it cannot do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DeviceMapping, DeviceRequest, ThrottleDevice, Ulimit, WeightDevice};
use crate::go;
use crate::mount::Mount;
use crate::network::PortMap;

/// The host's half of a container's settings; the resource limits lie beside the rest, as on the wire.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HostConfig {
    /// Each `source:target[:options]`.
    #[serde(with = "go::nil")]
    pub binds: Vec<String>,
    #[serde(rename = "ContainerIDFile", deserialize_with = "go::lenient")]
    pub container_id_file: String,
    #[serde(deserialize_with = "go::lenient")]
    pub log_config: LogConfig,
    #[serde(deserialize_with = "go::lenient")]
    pub network_mode: String,
    #[serde(deserialize_with = "go::lenient")]
    pub port_bindings: PortMap,
    #[serde(deserialize_with = "go::lenient")]
    pub restart_policy: RestartPolicy,
    #[serde(deserialize_with = "go::lenient")]
    pub auto_remove: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub volume_driver: String,
    #[serde(with = "go::nil")]
    pub volumes_from: Vec<String>,
    /// Rows and columns of the terminal at the time of create.
    #[serde(deserialize_with = "go::lenient")]
    pub console_size: [u32; 2],
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub annotations: BTreeMap<String, String>,
    #[serde(with = "go::words")]
    pub cap_add: Vec<String>,
    #[serde(with = "go::words")]
    pub cap_drop: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub cgroupns_mode: String,
    #[serde(deserialize_with = "go::lenient")]
    pub dns: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub dns_options: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub dns_search: Vec<String>,
    #[serde(with = "go::nil")]
    pub extra_hosts: Vec<String>,
    #[serde(with = "go::nil")]
    pub group_add: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub ipc_mode: String,
    #[serde(deserialize_with = "go::lenient")]
    pub cgroup: String,
    #[serde(with = "go::nil")]
    pub links: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub oom_score_adj: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub pid_mode: String,
    #[serde(deserialize_with = "go::lenient")]
    pub privileged: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub publish_all_ports: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub readonly_rootfs: bool,
    #[serde(with = "go::nil")]
    pub security_opt: Vec<String>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub storage_opt: BTreeMap<String, String>,
    /// Target path → mount options.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub tmpfs: BTreeMap<String, String>,
    #[serde(rename = "UTSMode", deserialize_with = "go::lenient")]
    pub uts_mode: String,
    #[serde(deserialize_with = "go::lenient")]
    pub userns_mode: String,
    /// Bytes; zero means the engine's default.
    #[serde(deserialize_with = "go::lenient")]
    pub shm_size: i64,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub sysctls: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub runtime: String,
    /// Windows only.
    #[serde(deserialize_with = "go::lenient")]
    pub isolation: String,
    /// Relative weight; zero means the kernel's default.
    #[serde(deserialize_with = "go::lenient")]
    pub cpu_shares: i64,
    /// Bytes; zero means no limit. So for the other memory fields.
    #[serde(deserialize_with = "go::lenient")]
    pub memory: i64,
    /// Billionths of a CPU.
    #[serde(deserialize_with = "go::lenient")]
    pub nano_cpus: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub cgroup_parent: String,
    #[serde(deserialize_with = "go::lenient")]
    pub blkio_weight: u16,
    #[serde(deserialize_with = "go::lenient")]
    pub blkio_weight_device: Vec<WeightDevice>,
    #[serde(deserialize_with = "go::lenient")]
    pub blkio_device_read_bps: Vec<ThrottleDevice>,
    #[serde(deserialize_with = "go::lenient")]
    pub blkio_device_write_bps: Vec<ThrottleDevice>,
    #[serde(rename = "BlkioDeviceReadIOps", deserialize_with = "go::lenient")]
    pub blkio_device_read_iops: Vec<ThrottleDevice>,
    #[serde(rename = "BlkioDeviceWriteIOps", deserialize_with = "go::lenient")]
    pub blkio_device_write_iops: Vec<ThrottleDevice>,
    /// Microseconds, as the quota.
    #[serde(deserialize_with = "go::lenient")]
    pub cpu_period: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub cpu_quota: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub cpu_realtime_period: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub cpu_realtime_runtime: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub cpuset_cpus: String,
    #[serde(deserialize_with = "go::lenient")]
    pub cpuset_mems: String,
    #[serde(deserialize_with = "go::lenient")]
    pub devices: Vec<DeviceMapping>,
    #[serde(with = "go::nil")]
    pub device_cgroup_rules: Vec<String>,
    #[serde(with = "go::nil")]
    pub device_requests: Vec<DeviceRequest>,
    /// Bytes. Gone from the kernel's second cgroup version; refused since 1.42.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub kernel_memory: i64,
    #[serde(
        rename = "KernelMemoryTCP",
        skip_serializing_if = "go::is_zero",
        deserialize_with = "go::lenient"
    )]
    pub kernel_memory_tcp: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub memory_reservation: i64,
    /// Bytes of memory and swap together; −1 is unlimited.
    #[serde(deserialize_with = "go::lenient")]
    pub memory_swap: i64,
    /// 0–100; −1 and absent inherit.
    #[serde(deserialize_with = "go::lenient")]
    pub memory_swappiness: Option<i64>,
    #[serde(deserialize_with = "go::lenient")]
    pub oom_kill_disable: Option<bool>,
    /// Zero, −1 and absent mean no limit.
    #[serde(deserialize_with = "go::lenient")]
    pub pids_limit: Option<i64>,
    #[serde(deserialize_with = "go::lenient")]
    pub ulimits: Vec<Ulimit>,
    /// Windows only, as the next three.
    #[serde(deserialize_with = "go::lenient")]
    pub cpu_count: i64,
    #[serde(deserialize_with = "go::lenient")]
    pub cpu_percent: i64,
    #[serde(rename = "IOMaximumIOps", deserialize_with = "go::lenient")]
    pub io_maximum_iops: u64,
    #[serde(rename = "IOMaximumBandwidth", deserialize_with = "go::lenient")]
    pub io_maximum_bandwidth: u64,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub mounts: Vec<Mount>,
    /// Absent means the engine's list, empty means none.
    #[serde(deserialize_with = "go::lenient")]
    pub masked_paths: Option<Vec<String>>,
    /// Absent means the engine's list, empty means none.
    #[serde(deserialize_with = "go::lenient")]
    pub readonly_paths: Option<Vec<String>>,
    /// Absent means the engine's setting.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub init: Option<bool>,
}

/// Which driver keeps a container's output, and its options.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LogConfig {
    /// Empty means the engine's default.
    pub r#type: String,
    #[serde(deserialize_with = "go::lenient")]
    pub config: BTreeMap<String, String>,
}

/// What happens when a container's process ends.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RestartPolicy {
    /// `no`, `always`, `unless-stopped`, `on-failure`; empty is `no`.
    #[serde(deserialize_with = "go::lenient")]
    pub name: String,
    /// With `on-failure` only; zero is unlimited.
    #[serde(deserialize_with = "go::lenient")]
    pub maximum_retry_count: i64,
}
