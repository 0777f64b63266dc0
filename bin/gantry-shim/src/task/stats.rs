//! Stats: the cgroup's numbers in containerd's messages, of the version that the cgroup has.

use crate::error::Error;
use crate::server::Server;
use gantry_cgroup::{BlockIoStats, CpuStats, DeviceIo, MemoryStats, PidsStats, Stats};
use gantry_shim_protocol::metrics::{v1, v2};
use gantry_shim_protocol::rpc::Any;
use gantry_shim_protocol::task::{StatsRequest, StatsResponse};
use gantry_shim_protocol::wire::Message;

impl Server {
    pub(super) fn stats(&mut self, request: &StatsRequest) -> Result<StatsResponse, Error> {
        self.find(&request.id, "")?;
        let cgroup = gantry_runtime::cgroup(&self.runtime_dir())?;
        let stats = cgroup.stats().map_err(|source| Error::Stats { source })?;
        // Beside version 1 there may be a version 2 without controllers.
        let unified = cgroup.directories().all(|path| path.join("cgroup.controllers").exists());
        let any = if unified {
            Any { type_url: v2::TYPE_URL.to_owned(), value: second(&stats).encode() }
        } else {
            Any { type_url: v1::TYPE_URL.to_owned(), value: first(&stats).encode() }
        };
        Ok(StatsResponse { stats: Some(any) })
    }
}

fn first(stats: &Stats) -> v1::Metrics {
    v1::Metrics {
        pids: stats.pids.as_ref().map(|pids: &PidsStats| v1::Pids {
            current: pids.current,
            limit: pids.limit.unwrap_or(0),
        }),
        cpu: stats.cpu.as_ref().map(first_cpu),
        memory: stats.memory.as_ref().map(first_memory),
        block_io: stats.block_io.as_ref().map(first_block_io),
    }
}

fn first_cpu(cpu: &CpuStats) -> v1::Cpu {
    v1::Cpu {
        usage: Some(v1::CpuUsage {
            total: cpu.total_ns,
            kernel: cpu.system_ns,
            user: cpu.user_ns,
            per_cpu: cpu.per_cpu_ns.clone(),
        }),
        throttling: Some(v1::Throttling {
            periods: cpu.periods,
            throttled_periods: cpu.throttled_periods,
            throttled_time: cpu.throttled_ns,
        }),
    }
}

fn first_memory(memory: &MemoryStats) -> v1::Memory {
    let get = |key: &str| memory.details.get(key).copied().unwrap_or(0);
    v1::Memory {
        cache: get("cache"),
        rss: get("rss"),
        rss_huge: get("rss_huge"),
        mapped_file: get("mapped_file"),
        dirty: get("dirty"),
        writeback: get("writeback"),
        pgpgin: get("pgpgin"),
        pgpgout: get("pgpgout"),
        pgfault: get("pgfault"),
        pgmajfault: get("pgmajfault"),
        inactive_anon: get("inactive_anon"),
        active_anon: get("active_anon"),
        inactive_file: get("inactive_file"),
        active_file: get("active_file"),
        unevictable: get("unevictable"),
        hierarchical_memory_limit: get("hierarchical_memory_limit"),
        hierarchical_memsw_limit: get("hierarchical_memsw_limit"),
        total_cache: get("total_cache"),
        total_rss: get("total_rss"),
        total_rss_huge: get("total_rss_huge"),
        total_mapped_file: get("total_mapped_file"),
        total_dirty: get("total_dirty"),
        total_writeback: get("total_writeback"),
        total_pgpgin: get("total_pgpgin"),
        total_pgpgout: get("total_pgpgout"),
        total_pgfault: get("total_pgfault"),
        total_pgmajfault: get("total_pgmajfault"),
        total_inactive_anon: get("total_inactive_anon"),
        total_active_anon: get("total_active_anon"),
        total_inactive_file: get("total_inactive_file"),
        total_active_file: get("total_active_file"),
        total_unevictable: get("total_unevictable"),
        usage: Some(v1::MemoryEntry {
            limit: memory.limit_bytes,
            usage: memory.usage_bytes,
            max: memory.peak_bytes.unwrap_or(0),
            failures: memory.failures,
        }),
    }
}

fn first_block_io(block_io: &BlockIoStats) -> v1::BlockIo {
    let entries = |read: fn(&DeviceIo) -> u64, write: fn(&DeviceIo) -> u64| {
        let entry = |device: &DeviceIo, operation: &str, value| v1::BlockIoEntry {
            operation: operation.to_owned(),
            device: String::new(),
            major: device.major.into(),
            minor: device.minor.into(),
            value,
        };
        let both = |device: &DeviceIo| {
            [entry(device, "Read", read(device)), entry(device, "Write", write(device))]
        };
        block_io.devices.iter().flat_map(both).collect()
    };
    v1::BlockIo {
        service_bytes_recursive: entries(|device| device.read_bytes, |device| device.written_bytes),
        serviced_recursive: entries(|device| device.reads, |device| device.writes),
    }
}

fn second(stats: &Stats) -> v2::Metrics {
    v2::Metrics {
        pids: stats
            .pids
            .as_ref()
            .map(|pids| v2::Pids { current: pids.current, limit: pids.limit.unwrap_or(0) }),
        cpu: stats.cpu.as_ref().map(|cpu| v2::Cpu {
            usage_usec: cpu.total_ns / 1000,
            user_usec: cpu.user_ns / 1000,
            system_usec: cpu.system_ns / 1000,
            nr_periods: cpu.periods,
            nr_throttled: cpu.throttled_periods,
            throttled_usec: cpu.throttled_ns / 1000,
        }),
        memory: stats.memory.as_ref().map(second_memory),
        io: stats
            .block_io
            .as_ref()
            .map(|block_io| v2::Io { usage: block_io.devices.iter().map(second_io).collect() }),
    }
}

fn second_memory(memory: &MemoryStats) -> v2::Memory {
    let get = |key: &str| memory.details.get(key).copied().unwrap_or(0);
    v2::Memory {
        anon: get("anon"),
        file: get("file"),
        kernel_stack: get("kernel_stack"),
        slab: get("slab"),
        sock: get("sock"),
        shmem: get("shmem"),
        file_mapped: get("file_mapped"),
        file_dirty: get("file_dirty"),
        file_writeback: get("file_writeback"),
        anon_thp: get("anon_thp"),
        inactive_anon: get("inactive_anon"),
        active_anon: get("active_anon"),
        inactive_file: get("inactive_file"),
        active_file: get("active_file"),
        unevictable: get("unevictable"),
        slab_reclaimable: get("slab_reclaimable"),
        slab_unreclaimable: get("slab_unreclaimable"),
        pgfault: get("pgfault"),
        pgmajfault: get("pgmajfault"),
        usage: memory.usage_bytes,
        usage_limit: memory.limit_bytes,
        max_usage: memory.peak_bytes.unwrap_or(0),
    }
}

fn second_io(device: &DeviceIo) -> v2::IoEntry {
    v2::IoEntry {
        major: device.major.into(),
        minor: device.minor.into(),
        rbytes: device.read_bytes,
        wbytes: device.written_bytes,
        rios: device.reads,
        wios: device.writes,
    }
}
