//! `figures`: what an operator watches, in numbers. How they are written is the edge's matter.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gantry_shims::{LogFigures, Shims};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::times::Times;
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;

/// The engine and its host as they are now. Counters begin at the daemon's start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EngineFigures {
    /// Containers by state.
    pub running: u64,
    pub paused: u64,
    pub stopped: u64,
    /// Processors of the host.
    pub cpus: u32,
    /// Memory of the host.
    pub memory_bytes: u64,
    /// Docker's labels of an engine, with their values.
    pub info: Vec<(&'static str, String)>,
    /// Events told.
    pub events: u64,
    /// Clients that listen to them.
    pub event_listeners: u64,
    /// Probes of health checks, and those that failed.
    pub probes: u64,
    pub failed_probes: u64,
    /// How long it took until they ran.
    pub probe_starts: Times,
    /// What went wrong between containers' output and their logs.
    pub logs: LogFigures,
    /// Builds that failed, by reason.
    pub failed_builds: Vec<(&'static str, u64)>,
    pub images: u64,
    pub networks: u64,
    pub volumes: u64,
    pub execs: u64,
    /// The database and its log.
    pub database_bytes: u64,
    pub process: ProcessFigures,
}

/// The daemon's own process, as `proc_pid_stat(5)` tells of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProcessFigures {
    pub cpu_seconds: f64,
    pub open_files: u64,
    pub most_files: u64,
    pub threads: u64,
    pub resident_bytes: u64,
    pub virtual_bytes: u64,
    /// Since 1970.
    pub start_seconds: f64,
}

/// How many probes of health checks there were, and how fast they were there.
#[derive(Debug, Default)]
pub(crate) struct ProbeCounts {
    all: AtomicU64,
    failed: AtomicU64,
    starts: Mutex<Times>,
}

impl ProbeCounts {
    /// One more.
    pub(crate) fn count(&self, went_well: bool) {
        self.all.fetch_add(1, Ordering::Relaxed);
        if !went_well {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One ran after this time.
    pub(crate) fn started(&self, after: Duration) {
        self.starts.lock().unwrap_or_else(PoisonError::into_inner).add(after);
    }
}

/// What shims counted whose bundles are gone. Held while they are read: those of a shim count once.
#[derive(Debug, Default)]
pub(crate) struct EndedLogs(Mutex<LogFigures>);

impl EndedLogs {
    /// Keeps what is known of a bundle.
    pub(crate) fn keep(&self, bundle: &Path) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *kept += Shims::take_log_figures(bundle);
    }

    /// With those of bundles that are still there.
    fn and(&self, bundles: impl Iterator<Item = PathBuf>) -> LogFigures {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = *kept;
        for bundle in bundles {
            all += Shims::log_figures(&bundle);
        }
        all
    }
}

/// Ticks of a second in files of `/proc` (`USER_HZ`).
const TICKS: f64 = 100.0;

/// Takes them.
pub async fn figures(engine: &Engine) -> Result<EngineFigures> {
    let engine = engine.clone();
    block(move || taken(&engine)).await
}

fn taken(engine: &Engine) -> Result<EngineFigures> {
    let snapshots = engine.containers.snapshots();
    let states = || snapshots.iter().map(|snapshot| &snapshot.record.state);
    let paused = count(states().filter(|state| state.is_paused()).count());
    let running = count(states().filter(|state| state.is_active()).count()) - paused;
    let active = snapshots.iter().filter(|snapshot| snapshot.record.state.is_active());
    let bundles = active.map(|snapshot| engine.settings.bundle(snapshot.record.id.as_str()));
    let database = engine.settings.data_root.join("meta.db");
    let bytes = |ending: &str| {
        let mut path = database.clone().into_os_string();
        path.push(ending);
        fs::metadata(path).map_or(0, |metadata| metadata.len())
    };
    Ok(EngineFigures {
        running,
        paused,
        stopped: count(snapshots.len()) - running - paused,
        cpus: engine.host.cpus,
        memory_bytes: engine.host.memory_bytes,
        info: info(engine)?,
        events: engine.events.told(),
        event_listeners: count(engine.events.listeners()),
        probes: engine.probes.all.load(Ordering::Relaxed),
        failed_probes: engine.probes.failed.load(Ordering::Relaxed),
        probe_starts: *engine.probes.starts.lock().unwrap_or_else(PoisonError::into_inner),
        logs: engine.ended_logs.and(bundles),
        failed_builds: engine.failed_builds.all(),
        images: count(engine.images.list()?.len()),
        networks: count(engine.networks.list().len()),
        volumes: count(engine.volumes.list().len()),
        execs: count(engine.execs.lock().unwrap_or_else(PoisonError::into_inner).len()),
        database_bytes: bytes("") + bytes("-wal"),
        process: process(),
    })
}

fn info(engine: &Engine) -> Result<Vec<(&'static str, String)>> {
    let uname = rustix::system::uname();
    Ok(vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("commit", String::new()),
        ("architecture", uname.machine().to_string_lossy().into_owned()),
        ("graphdriver", "overlay2".to_owned()),
        ("kernel", uname.release().to_string_lossy().into_owned()),
        ("os", super::info::operating_system("PRETTY_NAME").unwrap_or_default()),
        ("os_type", "linux".to_owned()),
        ("daemon_id", engine.identity()?),
    ])
}

/// What cannot be read is zero.
fn process() -> ProcessFigures {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name, which may have anything in it, stands in brackets; the third field comes after it.
    let started = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(22 - 3));
    let started: f64 = started.and_then(|text| text.parse().ok()).unwrap_or_default();
    let used = clock_gettime(ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "no process has worked for that long")]
    let cpu_seconds = used.tv_sec as f64 + used.tv_nsec as f64 / 1e9;
    ProcessFigures {
        cpu_seconds,
        open_files: count(fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)),
        most_files: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
        threads: number("Threads"),
        virtual_bytes: number("VmSize") * 1024,
        resident_bytes: number("VmRSS") * 1024,
        start_seconds: boot_seconds() + started / TICKS,
    }
}

/// When the host was started, since 1970.
fn boot_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "));
    line.and_then(|text| text.trim().parse().ok()).unwrap_or_default()
}

fn count(count: usize) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_figures() {
        let figures = process();
        assert!(figures.threads > 0 && figures.open_files > 2 && figures.resident_bytes > 0);
        assert!(figures.virtual_bytes > figures.resident_bytes);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let age = now.as_secs_f64() - figures.start_seconds;
        assert!((-2.0..86_400.0).contains(&age), "{age}");
    }
}
