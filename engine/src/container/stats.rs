//! `stats`: what a container uses of processors, memory, disks and networks, once or every second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gantry_api::container::{
    BlkioEntry, BlkioStats, ContainerStats, CpuStats, CpuUsage, MemoryStats, NetworkStats,
    PidsStats, ThrottlingData,
};
use gantry_cgroup::DeviceIo;
use gantry_types::{Timestamp, error_chain};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Result;
use crate::blocking::block;
use crate::cgroups;
use crate::engine::Engine;
use crate::plan::Network;
use crate::record::{ContainerRecord, Snapshot, State};

/// Between two samples.
const PERIOD: Duration = Duration::from_secs(1);
/// `/proc/stat` counts in hundredths of a second.
const TICK_NS: u64 = 10_000_000;

/// How many samples, and of what kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatsOptions {
    /// One every second, as long as the container is there.
    pub stream: bool,
    /// A single sample comes at once, without one before it.
    pub one_shot: bool,
}

/// Samples as they come.
pub struct Stats {
    engine: Engine,
    snapshots: watch::Receiver<Snapshot>,
    options: StatsOptions,
    /// The sample before, and when the next is due.
    before: Option<(ContainerStats, Instant)>,
    over: bool,
}

/// Begins to sample a container.
pub fn stats(engine: &Engine, container: &str, options: StatsOptions) -> Result<Stats> {
    let snapshots = engine.container(container)?.snapshots;
    Ok(Stats { engine: engine.clone(), snapshots, options, before: None, over: false })
}

impl Stats {
    /// The next sample; `None` when there is none any more.
    pub async fn next(&mut self) -> Option<ContainerStats> {
        if self.over {
            return None;
        }
        let wants_two = !self.options.stream && !self.options.one_shot;
        if wants_two && self.snapshots.borrow().record.state.is_running() {
            // Nobody sees the first; the second is measured against it.
            self.sample().await?;
        }
        self.over = !self.options.stream;
        self.sample().await
    }

    async fn sample(&mut self) -> Option<ContainerStats> {
        if let Some((_, due)) = &self.before {
            tokio::time::sleep_until(*due).await;
            // An error means that the container is gone.
            self.snapshots.has_changed().ok()?;
        }
        let due = next_due(self.before.as_ref().map(|(_, due)| *due), Instant::now());
        let record = Arc::clone(&self.snapshots.borrow().record);
        let engine = self.engine.clone();
        let mut sample = block(move || measure(&engine, &record)).await;
        if let Some((before, _)) = self.before.take() {
            sample.preread.clone_from(&before.read);
            sample.precpu_stats = before.cpu_stats;
        }
        self.before = Some((sample.clone(), due));
        Some(sample)
    }
}

/// When the next sample is due. A client that took long gets what it missed no sooner.
fn next_due(before: Option<Instant>, now: Instant) -> Instant {
    before.map_or(now, |due| due.max(now)) + PERIOD
}

/// One sample; of a container that does not run, its name.
fn measure(engine: &Engine, record: &ContainerRecord) -> ContainerStats {
    let never = Timestamp::ZERO.to_string();
    let mut sample = ContainerStats {
        name: format!("/{}", record.name),
        id: record.id.to_string(),
        os_type: "linux".to_owned(),
        read: never.clone(),
        preread: never,
        ..ContainerStats::default()
    };
    let State::Running { pid, .. } = record.state else { return sample };
    sample.read = gantry_sys::clock::now().to_string();
    match cgroups::stats(engine, record) {
        Ok(Some(stats)) => fill(&mut sample, stats, engine.host.memory_bytes),
        Ok(None) => {}
        Err(error) => {
            let id = record.id.as_str();
            tracing::warn!(error = error_chain(&error), id, "cannot measure a container");
        }
    }
    sample.cpu_stats.system_cpu_usage = host_cpu_ns();
    sample.cpu_stats.online_cpus = engine.host.cpus;
    if record.plan.network != Network::Host {
        let path = format!("/proc/{pid}/net/dev");
        // A process that has just ended has no interfaces any more.
        sample.networks = interfaces(&std::fs::read_to_string(path).unwrap_or_default());
    }
    sample
}

fn fill(sample: &mut ContainerStats, stats: gantry_cgroup::Stats, host_memory_bytes: u64) {
    if let Some(cpu) = stats.cpu {
        sample.cpu_stats = CpuStats {
            cpu_usage: CpuUsage {
                total_usage: cpu.total_ns,
                percpu_usage: cpu.per_cpu_ns,
                usage_in_kernelmode: cpu.system_ns,
                usage_in_usermode: cpu.user_ns,
            },
            throttling_data: ThrottlingData {
                periods: cpu.periods,
                throttled_periods: cpu.throttled_periods,
                throttled_time: cpu.throttled_ns,
            },
            ..CpuStats::default()
        };
    }
    if let Some(memory) = stats.memory {
        sample.memory_stats = MemoryStats {
            usage: memory.usage_bytes,
            max_usage: memory.peak_bytes.unwrap_or(0),
            stats: memory.details,
            failcnt: memory.failures,
            limit: memory.limit_bytes.min(host_memory_bytes),
        };
    }
    if let Some(pids) = stats.pids {
        sample.pids_stats =
            PidsStats { current: pids.current, limit: pids.limit.unwrap_or(u64::MAX) };
    }
    if let Some(io) = stats.block_io {
        let both = |read: fn(&DeviceIo) -> u64, write: fn(&DeviceIo) -> u64| {
            let entries = io.devices.iter().flat_map(|device| {
                [("read", read(device)), ("write", write(device))].map(|(op, value)| BlkioEntry {
                    major: device.major.into(),
                    minor: device.minor.into(),
                    op: op.to_owned(),
                    value,
                })
            });
            entries.collect::<Vec<_>>()
        };
        sample.blkio_stats = BlkioStats {
            io_service_bytes_recursive: both(|d| d.read_bytes, |d| d.written_bytes),
            io_serviced_recursive: both(|d| d.reads, |d| d.writes),
            ..BlkioStats::default()
        };
    }
}

/// What all processors have done, idling included.
fn host_cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    cpu_ns(&text)
}

/// User, nice, system, idle, waiting, and both kinds of interrupts.
fn cpu_ns(stat: &str) -> u64 {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).unwrap_or_default();
    let ticks = line.split_whitespace().take(7).filter_map(|number| number.parse::<u64>().ok());
    ticks.sum::<u64>().saturating_mul(TICK_NS)
}

/// `/proc/<pid>/net/dev`: a line for each interface, eight numbers of what came in and eight of what went out.
fn interfaces(text: &str) -> BTreeMap<String, NetworkStats> {
    let line = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let numbers: Vec<u64> =
            numbers.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [rx_bytes, rx_packets, rx_errors, rx_dropped, _, _, _, _, rest @ ..] = &numbers[..]
        else {
            return None;
        };
        let [tx_bytes, tx_packets, tx_errors, tx_dropped, ..] = rest else { return None };
        let stats = NetworkStats {
            rx_bytes: *rx_bytes,
            rx_packets: *rx_packets,
            rx_errors: *rx_errors,
            rx_dropped: *rx_dropped,
            tx_bytes: *tx_bytes,
            tx_packets: *tx_packets,
            tx_errors: *tx_errors,
            tx_dropped: *tx_dropped,
        };
        Some((name.trim().to_owned(), stats))
    };
    text.lines().filter_map(line).filter(|(name, _)| name != "lo").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_tables() {
        assert_eq!(cpu_ns("cpu  1 2 3 4 5 6 7 100 100\ncpu0 9\n"), 28 * TICK_NS);
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes\n\
                    \x20   lo: 9 9 9 9 0 0 0 0 9 9 9 9 0 0 0 0\n\
                    \x20 eth0: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n";
        let found = interfaces(text);
        assert_eq!(found.len(), 1);
        let eth0 = &found["eth0"];
        assert_eq!((eth0.rx_bytes, eth0.rx_dropped, eth0.tx_bytes, eth0.tx_dropped), (1, 4, 5, 8));
    }

    #[test]
    fn a_slow_client_gets_no_burst() {
        let start = Instant::now();
        assert_eq!(next_due(None, start), start + PERIOD);
        assert_eq!(next_due(Some(start + PERIOD), start), start + 2 * PERIOD);
        let late = start + 60 * PERIOD;
        assert_eq!(next_due(Some(start), late), late + PERIOD);
    }

    #[test]
    fn no_limit_is_the_host_s_memory() {
        let memory = gantry_cgroup::MemoryStats { limit_bytes: u64::MAX, ..Default::default() };
        let stats = gantry_cgroup::Stats { memory: Some(memory), ..Default::default() };
        let mut sample = ContainerStats::default();
        fill(&mut sample, stats, 1 << 30);
        assert_eq!(sample.memory_stats.limit, 1 << 30);
    }
}
