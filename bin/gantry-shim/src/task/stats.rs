//! Stats: the cgroup's numbers in containerd's messages, of the version that the cgroup has.

use crate::container::Container;
use crate::error::Error;
use crate::hub::Hub;
use gantry_cgroup::{BlockIoStats, CpuStats, DeviceIo, MemoryStats, PidsStats, Stats};
use gantry_shim_protocol::metrics::{v1, v2};
use gantry_shim_protocol::rpc::Any;
use gantry_shim_protocol::task::{StatsRequest, StatsResponse};
use gantry_shim_protocol::wire::Message;
use std::path::{Path, PathBuf};

/// Files of version 1 and version 2.
const OOM_CONTROL: &str = "memory.oom_control";
const EVENTS: &str = "memory.events";

impl Container {
    pub(super) fn stats(
        &mut self,
        _request: &StatsRequest,
        _hub: &mut Hub,
    ) -> Result<StatsResponse, Error> {
        let init = self.find("")?;
        let cgroup = self.runtime.cgroup(self.processes[init].living_pid())?;
        let stats = cgroup.stats().map_err(|source| Error::Stats { source })?;
        // Beside version 1 there may be a version 2 without controllers.
        let unified = cgroup.directories().all(|path| path.join("cgroup.controllers").exists());
        let memory = Files::of(cgroup.directories());
        let any = if unified {
            let metrics = second(&stats, &memory);
            Any { type_url: v2::TYPE_URL.to_owned(), value: metrics.encode() }
        } else {
            let metrics = first(&stats, &memory);
            Any { type_url: v1::TYPE_URL.to_owned(), value: metrics.encode() }
        };
        Ok(StatsResponse { stats: Some(any) })
    }
}

/// Numbers of the memory controller that only containerd asks for.
struct Files {
    directory: Option<PathBuf>,
}

impl Files {
    fn of<'a>(mut directories: impl Iterator<Item = &'a Path>) -> Self {
        let counts = |path: &&Path| path.join(OOM_CONTROL).exists() || path.join(EVENTS).exists();
        Self { directory: directories.find(counts).map(Path::to_owned) }
    }

    fn read(&self, name: &str) -> String {
        let path = self.directory.as_ref().map(|directory| directory.join(name));
        path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
    }

    /// The only number in a file; the largest there is for `max`, and zero without the file.
    fn number(&self, name: &str) -> u64 {
        match self.read(name).trim() {
            "max" => u64::MAX,
            text => text.parse().unwrap_or(0),
        }
    }
}

/// The number behind `key` in lines of pairs.
fn pair(text: &str, key: &str) -> u64 {
    let value = |line: &str| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(value).unwrap_or(0)
}

fn oom_control(files: &Files) -> v1::MemoryOomControl {
    let text = files.read(OOM_CONTROL);
    v1::MemoryOomControl {
        oom_kill_disable: pair(&text, "oom_kill_disable"),
        under_oom: pair(&text, "under_oom"),
        oom_kill: pair(&text, "oom_kill"),
    }
}

fn events(files: &Files) -> v2::MemoryEvents {
    let text = files.read(EVENTS);
    v2::MemoryEvents {
        low: pair(&text, "low"),
        high: pair(&text, "high"),
        max: pair(&text, "max"),
        oom: pair(&text, "oom"),
        oom_kill: pair(&text, "oom_kill"),
    }
}

fn first(stats: &Stats, files: &Files) -> v1::Metrics {
    v1::Metrics {
        pids: stats.pids.as_ref().map(|pids: &PidsStats| v1::Pids {
            current: pids.current,
            limit: pids.limit.unwrap_or(0),
        }),
        cpu: stats.cpu.as_ref().map(first_cpu),
        memory: stats.memory.as_ref().map(first_memory),
        block_io: stats.block_io.as_ref().map(first_block_io),
        memory_oom_control: stats.memory.as_ref().map(|_| oom_control(files)),
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

fn second(stats: &Stats, files: &Files) -> v2::Metrics {
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
        memory: stats.memory.as_ref().map(|memory| second_memory(memory, files)),
        memory_events: stats.memory.as_ref().map(|_| events(files)),
        io: stats
            .block_io
            .as_ref()
            .map(|block_io| v2::Io { usage: block_io.devices.iter().map(second_io).collect() }),
    }
}

fn second_memory(memory: &MemoryStats, files: &Files) -> v2::Memory {
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
        workingset_nodereclaim: get("workingset_nodereclaim"),
        pgrefill: get("pgrefill"),
        pgscan: get("pgscan"),
        pgsteal: get("pgsteal"),
        pgactivate: get("pgactivate"),
        pgdeactivate: get("pgdeactivate"),
        pglazyfree: get("pglazyfree"),
        pglazyfreed: get("pglazyfreed"),
        thp_fault_alloc: get("thp_fault_alloc"),
        thp_collapse_alloc: get("thp_collapse_alloc"),
        usage: memory.usage_bytes,
        usage_limit: memory.limit_bytes,
        swap_usage: files.number("memory.swap.current"),
        swap_limit: files.number("memory.swap.max"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_the_kernel_writes_them() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).unwrap();
        };
        put(EVENTS, "low 0\nhigh 1\nmax 7\noom 2\noom_kill 3\noom_group_kill 9\n");
        put("memory.swap.current", "4096\n");
        put("memory.swap.max", "max\n");
        let files = Files::of([Path::new("/nowhere"), directory.path()].into_iter());
        let expected = v2::MemoryEvents { low: 0, high: 1, max: 7, oom: 2, oom_kill: 3 };
        assert_eq!(events(&files), expected);
        assert_eq!(files.number("memory.swap.current"), 4096);
        assert_eq!(files.number("memory.swap.max"), u64::MAX);
        assert_eq!(files.number("memory.swap.peak"), 0);
        assert_eq!(oom_control(&files), v1::MemoryOomControl::default());
        assert_eq!(events(&Files::of(std::iter::empty())), v2::MemoryEvents::default());
    }
}
