//! `GET /containers/{id}/stats`: one sample of what a container uses. Older names of the kernel's numbers (cgroup v1)
//! and newer ones share the document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::go;

/// One sample, with the one before it where there is one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerStats {
    #[serde(deserialize_with = "go::lenient")]
    pub name: String,
    #[serde(deserialize_with = "go::lenient")]
    pub id: String,
    /// `linux` or `windows`; since 1.52.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub os_type: String,
    /// RFC 3339; year 1 when the container does not run.
    #[serde(deserialize_with = "go::lenient")]
    pub read: String,
    /// When the sample before was taken; year 1 when there is none.
    #[serde(deserialize_with = "go::lenient")]
    pub preread: String,
    #[serde(deserialize_with = "go::lenient")]
    pub pids_stats: PidsStats,
    #[serde(deserialize_with = "go::lenient")]
    pub blkio_stats: BlkioStats,
    /// Windows only.
    #[serde(deserialize_with = "go::lenient")]
    pub num_procs: u32,
    /// Windows only.
    #[serde(deserialize_with = "go::lenient")]
    pub storage_stats: BTreeMap<String, u64>,
    #[serde(deserialize_with = "go::lenient")]
    pub cpu_stats: CpuStats,
    #[serde(deserialize_with = "go::lenient")]
    pub precpu_stats: CpuStats,
    #[serde(deserialize_with = "go::lenient")]
    pub memory_stats: MemoryStats,
    /// By interface; absent without a network of its own.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub networks: BTreeMap<String, NetworkStats>,
}

/// Processes and threads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PidsStats {
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub current: u64,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub limit: u64,
}

/// Input and output by block device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioStats {
    #[serde(with = "go::nil")]
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    #[serde(with = "go::nil")]
    pub io_serviced_recursive: Vec<BlkioEntry>,
    #[serde(with = "go::nil")]
    pub io_queue_recursive: Vec<BlkioEntry>,
    #[serde(with = "go::nil")]
    pub io_service_time_recursive: Vec<BlkioEntry>,
    #[serde(with = "go::nil")]
    pub io_wait_time_recursive: Vec<BlkioEntry>,
    #[serde(with = "go::nil")]
    pub io_merged_recursive: Vec<BlkioEntry>,
    #[serde(with = "go::nil")]
    pub io_time_recursive: Vec<BlkioEntry>,
    #[serde(with = "go::nil")]
    pub sectors_recursive: Vec<BlkioEntry>,
}

/// One number of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioEntry {
    #[serde(deserialize_with = "go::lenient")]
    pub major: u64,
    #[serde(deserialize_with = "go::lenient")]
    pub minor: u64,
    /// `read` or `write`.
    #[serde(deserialize_with = "go::lenient")]
    pub op: String,
    #[serde(deserialize_with = "go::lenient")]
    pub value: u64,
}

/// Processor time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuStats {
    #[serde(deserialize_with = "go::lenient")]
    pub cpu_usage: CpuUsage,
    /// Nanoseconds of all processors of the host together, idle ones too.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub system_cpu_usage: u64,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub online_cpus: u32,
    #[serde(deserialize_with = "go::lenient")]
    pub throttling_data: ThrottlingData,
}

/// Nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuUsage {
    #[serde(deserialize_with = "go::lenient")]
    pub total_usage: u64,
    /// cgroup v1 only.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub percpu_usage: Vec<u64>,
    #[serde(deserialize_with = "go::lenient")]
    pub usage_in_kernelmode: u64,
    #[serde(deserialize_with = "go::lenient")]
    pub usage_in_usermode: u64,
}

/// How a limit on processor time was felt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThrottlingData {
    #[serde(deserialize_with = "go::lenient")]
    pub periods: u64,
    #[serde(deserialize_with = "go::lenient")]
    pub throttled_periods: u64,
    /// Nanoseconds.
    #[serde(deserialize_with = "go::lenient")]
    pub throttled_time: u64,
}

/// Bytes of memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryStats {
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub usage: u64,
    /// cgroup v1 only.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub max_usage: u64,
    /// What `memory.stat` says, by the kernel's names.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub stats: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub failcnt: u64,
    /// The host's memory where there is no limit.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub limit: u64,
}

/// One interface, as the container sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkStats {
    #[serde(deserialize_with = "go::lenient")]
    pub rx_bytes: u64,
    #[serde(deserialize_with = "go::lenient")]
    pub rx_packets: u64,
    #[serde(deserialize_with = "go::lenient")]
    pub rx_errors: u64,
    #[serde(deserialize_with = "go::lenient")]
    pub rx_dropped: u64,
    #[serde(deserialize_with = "go::lenient")]
    pub tx_bytes: u64,
    #[serde(deserialize_with = "go::lenient")]
    pub tx_packets: u64,
    #[serde(deserialize_with = "go::lenient")]
    pub tx_errors: u64,
    #[serde(deserialize_with = "go::lenient")]
    pub tx_dropped: u64,
}
