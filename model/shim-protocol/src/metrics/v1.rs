//! Version 1: follows `cgroup1/stats/metrics.proto` of containerd's cgroups library, as far as Gantry
//! measures. Sizes are in bytes, times in nanoseconds.

use crate::wire::messages;

/// The type URL of [`Metrics`].
pub const TYPE_URL: &str = "io.containerd.cgroups.v1.Metrics";

messages! {
    pub struct Metrics {
        2 => pids: Option<Pids>,
        3 => cpu: Option<Cpu>,
        4 => memory: Option<Memory>,
        5 => block_io: Option<BlockIo>,
        9 => memory_oom_control: Option<MemoryOomControl>,
    }

    /// What `memory.oom_control` says.
    pub struct MemoryOomControl {
        1 => oom_kill_disable: u64,
        2 => under_oom: u64,
        3 => oom_kill: u64,
    }

    pub struct Pids {
        1 => current: u64,
        /// 0: no limit.
        2 => limit: u64,
    }

    pub struct Cpu {
        1 => usage: Option<CpuUsage>,
        2 => throttling: Option<Throttling>,
    }

    pub struct CpuUsage {
        1 => total: u64,
        2 => kernel: u64,
        3 => user: u64,
        4 => per_cpu: Vec<u64>,
    }

    pub struct Throttling {
        1 => periods: u64,
        2 => throttled_periods: u64,
        3 => throttled_time: u64,
    }

    /// The numbers of `memory.stat`, and what is used in all.
    pub struct Memory {
        1 => cache: u64,
        2 => rss: u64,
        3 => rss_huge: u64,
        4 => mapped_file: u64,
        5 => dirty: u64,
        6 => writeback: u64,
        7 => pgpgin: u64,
        8 => pgpgout: u64,
        9 => pgfault: u64,
        10 => pgmajfault: u64,
        11 => inactive_anon: u64,
        12 => active_anon: u64,
        13 => inactive_file: u64,
        14 => active_file: u64,
        15 => unevictable: u64,
        16 => hierarchical_memory_limit: u64,
        17 => hierarchical_memsw_limit: u64,
        18 => total_cache: u64,
        19 => total_rss: u64,
        20 => total_rss_huge: u64,
        21 => total_mapped_file: u64,
        22 => total_dirty: u64,
        23 => total_writeback: u64,
        24 => total_pgpgin: u64,
        25 => total_pgpgout: u64,
        26 => total_pgfault: u64,
        27 => total_pgmajfault: u64,
        28 => total_inactive_anon: u64,
        29 => total_active_anon: u64,
        30 => total_inactive_file: u64,
        31 => total_active_file: u64,
        32 => total_unevictable: u64,
        33 => usage: Option<MemoryEntry>,
    }

    pub struct MemoryEntry {
        1 => limit: u64,
        2 => usage: u64,
        /// The most that was ever used.
        3 => max: u64,
        /// How often the limit was hit.
        4 => failures: u64,
    }

    pub struct BlockIo {
        1 => service_bytes_recursive: Vec<BlockIoEntry>,
        2 => serviced_recursive: Vec<BlockIoEntry>,
    }

    pub struct BlockIoEntry {
        /// `Read` or `Write`.
        1 => operation: String,
        /// The device's path; may be left out.
        2 => device: String,
        3 => major: u64,
        4 => minor: u64,
        5 => value: u64,
    }
}
