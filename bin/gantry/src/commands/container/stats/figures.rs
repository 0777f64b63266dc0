//! What a sample says, in the columns of the table.

use gantry_api::container::{BlkioEntry, ContainerStats};
use serde_json::{Map, Value};

use crate::format::listing::row;
use crate::format::{short_id, size};

/// The table's.
pub(super) const COLUMNS: &[&str] =
    &["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"];

pub(super) const HEADINGS: &[(&str, &str)] = &[
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];

/// Whether the container had a process when the sample was taken.
pub(super) fn is_running(sample: &ContainerStats) -> bool {
    sample.memory_stats.usage > 0 || sample.pids_stats.current > 0
}

/// The fields of one container.
pub(super) fn row_of(sample: &ContainerStats, no_trunc: bool) -> Map<String, Value> {
    let id = if no_trunc { sample.id.clone() } else { short_id(&sample.id) };
    let name = sample.name.trim_start_matches('/').to_owned();
    let figures = if is_running(sample) {
        let memory = memory_bytes(sample);
        let limit = sample.memory_stats.limit;
        let (received, sent) = network_bytes(sample);
        let (read, written) = block_bytes(sample);
        [
            percent(cpu_percent(sample)),
            format!("{} / {}", size::binary(signed(memory)), size::binary(signed(limit))),
            percent(ratio(memory, limit) * 100.0),
            format!("{} / {}", bytes(received), bytes(sent)),
            format!("{} / {}", bytes(read), bytes(written)),
            sample.pids_stats.current.to_string(),
        ]
    } else {
        ["--", "-- / --", "--", "--", "--", "--"].map(str::to_owned)
    };
    let [cpu, memory, share, network, block, processes] = figures;
    row([
        ("Container", id.clone()),
        ("ID", id),
        ("Name", name),
        ("CPUPerc", cpu),
        ("MemUsage", memory),
        ("MemPerc", share),
        ("NetIO", network),
        ("BlockIO", block),
        ("PIDs", processes),
    ])
}

fn bytes(bytes: u64) -> String {
    size::decimal(signed(bytes))
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn percent(value: f64) -> String {
    format!("{value:.2}%")
}

#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Of one processor: two that are busy are 200.
fn cpu_percent(sample: &ContainerStats) -> f64 {
    let (now, before) = (&sample.cpu_stats, &sample.precpu_stats);
    // Without a sample before there is nothing to measure against.
    if before.system_cpu_usage == 0 {
        return 0.0;
    }
    let own = now.cpu_usage.total_usage.saturating_sub(before.cpu_usage.total_usage);
    let all = now.system_cpu_usage.saturating_sub(before.system_cpu_usage);
    ratio(own, all) * f64::from(now.online_cpus.max(1)) * 100.0
}

/// What is used without files that could be dropped: `total_inactive_file` of cgroup v1, `inactive_file` of v2.
fn memory_bytes(sample: &ContainerStats) -> u64 {
    let memory = &sample.memory_stats;
    let of = |name: &str| memory.stats.get(name).copied();
    let files = of("total_inactive_file").or_else(|| of("inactive_file")).unwrap_or(0);
    if files < memory.usage { memory.usage - files } else { memory.usage }
}

fn network_bytes(sample: &ContainerStats) -> (u64, u64) {
    let networks = sample.networks.values();
    networks.fold((0, 0), |(rx, tx), one| (rx + one.rx_bytes, tx + one.tx_bytes))
}

fn block_bytes(sample: &ContainerStats) -> (u64, u64) {
    let entries = &sample.blkio_stats.io_service_bytes_recursive;
    let sum = |op: &str| {
        let is_op = |entry: &&BlkioEntry| entry.op.eq_ignore_ascii_case(op);
        entries.iter().filter(is_op).map(|entry| entry.value).sum()
    };
    (sum("read"), sum("write"))
}

#[cfg(test)]
mod tests {
    use gantry_api::container::{CpuStats, CpuUsage, MemoryStats, NetworkStats, PidsStats};

    use super::*;

    fn cpu(own: u64, all: u64) -> CpuStats {
        let cpu_usage = CpuUsage { total_usage: own, ..CpuUsage::default() };
        CpuStats { cpu_usage, system_cpu_usage: all, online_cpus: 2, ..CpuStats::default() }
    }

    #[test]
    fn figures_as_docker_counts_them() {
        let network = NetworkStats { rx_bytes: 1500, tx_bytes: 10, ..NetworkStats::default() };
        let entry = |op: &str, value| BlkioEntry { op: op.into(), value, ..BlkioEntry::default() };
        let sample = ContainerStats {
            id: "0123456789abcdef".into(),
            name: "/web".into(),
            cpu_stats: cpu(300, 2000),
            precpu_stats: cpu(200, 1000),
            memory_stats: MemoryStats {
                usage: 3 << 20,
                limit: 8 << 20,
                stats: [("total_inactive_file".to_owned(), 1 << 20)].into(),
                ..MemoryStats::default()
            },
            pids_stats: PidsStats { current: 3, limit: 0 },
            networks: [("eth0".to_owned(), network)].into(),
            ..ContainerStats::default()
        };
        let mut sample = sample;
        sample.blkio_stats.io_service_bytes_recursive =
            vec![entry("read", 1000), entry("write", 2000), entry("Read", 1)];
        let row = row_of(&sample, false);
        let cells: Vec<_> = COLUMNS.iter().map(|name| row[*name].as_str().unwrap()).collect();
        assert_eq!(
            cells,
            [
                "0123456789ab",
                "web",
                "20.00%",
                "2MiB / 8MiB",
                "25.00%",
                "1.5kB / 10B",
                "1kB / 2kB",
                "3"
            ]
        );
        let stopped = ContainerStats { name: "/web".into(), ..ContainerStats::default() };
        assert_eq!(row_of(&stopped, true)["MemUsage"], "-- / --");
    }
}
