//! Version 2: follows `cgroup2/stats/metrics.proto` of containerd's cgroups library, as far as Gantry
//! measures. Sizes are in bytes, times in microseconds.

use crate::wire::messages;

/// The type URL of [`Metrics`].
pub const TYPE_URL: &str = "io.containerd.cgroups.v2.Metrics";

messages! {
    pub struct Metrics {
        1 => pids: Option<Pids>,
        2 => cpu: Option<Cpu>,
        4 => memory: Option<Memory>,
        6 => io: Option<Io>,
        8 => memory_events: Option<MemoryEvents>,
    }

    /// What `memory.events` says.
    pub struct MemoryEvents {
        1 => low: u64,
        2 => high: u64,
        3 => max: u64,
        4 => oom: u64,
        5 => oom_kill: u64,
    }

    pub struct Pids {
        1 => current: u64,
        /// 0: no limit.
        2 => limit: u64,
    }

    pub struct Cpu {
        1 => usage_usec: u64,
        2 => user_usec: u64,
        3 => system_usec: u64,
        4 => nr_periods: u64,
        5 => nr_throttled: u64,
        6 => throttled_usec: u64,
    }

    /// The numbers of `memory.stat`, and what is used in all.
    pub struct Memory {
        1 => anon: u64,
        2 => file: u64,
        3 => kernel_stack: u64,
        4 => slab: u64,
        5 => sock: u64,
        6 => shmem: u64,
        7 => file_mapped: u64,
        8 => file_dirty: u64,
        9 => file_writeback: u64,
        10 => anon_thp: u64,
        11 => inactive_anon: u64,
        12 => active_anon: u64,
        13 => inactive_file: u64,
        14 => active_file: u64,
        15 => unevictable: u64,
        16 => slab_reclaimable: u64,
        17 => slab_unreclaimable: u64,
        18 => pgfault: u64,
        19 => pgmajfault: u64,
        22 => workingset_nodereclaim: u64,
        23 => pgrefill: u64,
        24 => pgscan: u64,
        25 => pgsteal: u64,
        26 => pgactivate: u64,
        27 => pgdeactivate: u64,
        28 => pglazyfree: u64,
        29 => pglazyfreed: u64,
        30 => thp_fault_alloc: u64,
        31 => thp_collapse_alloc: u64,
        32 => usage: u64,
        33 => usage_limit: u64,
        34 => swap_usage: u64,
        35 => swap_limit: u64,
        36 => max_usage: u64,
    }

    pub struct Io {
        1 => usage: Vec<IoEntry>,
    }

    pub struct IoEntry {
        1 => major: u64,
        2 => minor: u64,
        3 => rbytes: u64,
        4 => wbytes: u64,
        5 => rios: u64,
        6 => wios: u64,
    }
}
