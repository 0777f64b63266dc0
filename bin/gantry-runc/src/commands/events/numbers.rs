//! A cgroup's numbers in the document that callers of runc parse. Times in nanoseconds, sizes in bytes; what is zero may be absent.

use gantry_cgroup::{BlockIoStats, CpuStats, DeviceIo, MemoryStats, PidsStats, Stats};
use serde_json::{Map, Value, json};

pub(super) fn document(stats: &Stats) -> Value {
    json!({
        "cpu": stats.cpu.as_ref().map_or_else(|| json!({}), cpu),
        "cpuset": {},
        "memory": stats.memory.as_ref().map_or_else(|| json!({}), memory),
        "pids": stats.pids.as_ref().map_or_else(|| json!({}), pids),
        "blkio": stats.block_io.as_ref().map_or_else(|| json!({}), block_io),
        "hugetlb": {},
        "intel_rdt": {},
        "network_interfaces": null
    })
}

fn cpu(stats: &CpuStats) -> Value {
    let mut usage = Map::new();
    usage.insert("total".into(), stats.total_ns.into());
    if !stats.per_cpu_ns.is_empty() {
        usage.insert("percpu".into(), stats.per_cpu_ns.clone().into());
    }
    usage.insert("kernel".into(), stats.system_ns.into());
    usage.insert("user".into(), stats.user_ns.into());
    json!({
        "usage": usage,
        "throttling": {
            "periods": stats.periods,
            "throttledPeriods": stats.throttled_periods,
            "throttledTime": stats.throttled_ns
        }
    })
}

fn memory(stats: &MemoryStats) -> Value {
    // v1 and v2 have different names for the page cache.
    let cache = ["cache", "file"].into_iter().find_map(|name| stats.details.get(name)).copied();
    json!({
        "cache": cache.unwrap_or(0),
        "usage": {
            "limit": stats.limit_bytes,
            "usage": stats.usage_bytes,
            "max": stats.peak_bytes.unwrap_or(0),
            "failcnt": stats.failures
        },
        "raw": stats.details
    })
}

fn pids(stats: &PidsStats) -> Value {
    let mut pids = Map::new();
    pids.insert("current".into(), stats.current.into());
    if let Some(limit) = stats.limit {
        pids.insert("limit".into(), limit.into());
    }
    pids.into()
}

fn block_io(stats: &BlockIoStats) -> Value {
    let entries = |read: fn(&DeviceIo) -> u64, written: fn(&DeviceIo) -> u64| -> Vec<Value> {
        let entry = |device: &DeviceIo, operation, value| json!({ "major": device.major, "minor": device.minor, "op": operation, "value": value });
        let both = |device: &DeviceIo| {
            [entry(device, "Read", read(device)), entry(device, "Write", written(device))]
        };
        stats.devices.iter().flat_map(both).collect()
    };
    json!({
        "ioServiceBytesRecursive": entries(|io| io.read_bytes, |io| io.written_bytes),
        "ioServicedRecursive": entries(|io| io.reads, |io| io.writes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_runcs_shape() {
        let io =
            DeviceIo { major: 8, minor: 1, read_bytes: 3, written_bytes: 4, reads: 1, writes: 2 };
        let stats = Stats {
            cpu: Some(CpuStats { total_ns: 9, user_ns: 5, system_ns: 4, ..CpuStats::default() }),
            memory: Some(MemoryStats {
                usage_bytes: 7,
                limit_bytes: 100,
                details: [("file".to_owned(), 2)].into(),
                ..MemoryStats::default()
            }),
            pids: Some(PidsStats { current: 1, limit: None }),
            block_io: Some(BlockIoStats { devices: vec![io] }),
        };
        let document = document(&stats);
        assert_eq!(document["cpu"]["usage"], json!({"total": 9, "kernel": 4, "user": 5}));
        assert_eq!(document["memory"]["usage"]["limit"], 100);
        assert_eq!(document["memory"]["cache"], 2);
        assert_eq!(document["memory"]["raw"]["file"], 2);
        assert_eq!(document["pids"], json!({"current": 1}));
        assert_eq!(
            document["blkio"]["ioServiceBytesRecursive"][1],
            json!({"major": 8, "minor": 1, "op": "Write", "value": 4})
        );
        assert_eq!(super::document(&Stats::default())["memory"], json!({}));
    }
}
