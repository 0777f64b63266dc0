//! Health checks: probes in a running container, what they say of it, and what follows.

use std::sync::Arc;
use std::time::Duration;

use gantry_api::container::{Config, Health, HealthConfig, HealthResult};
use gantry_types::{Timestamp, error_chain};

use super::task::{Command, Task};
use super::{announce, restart_policy};
use crate::error::Error;
use crate::exec::{self, ProbeRequest};
use crate::record::{ContainerRecord, HealthRecord, HealthStatus, Probe, State};

/// Docker's settings where neither the request nor the image has one.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const START_INTERVAL: Duration = Duration::from_secs(5);
const RETRIES: u32 = 3;
/// How many probes are kept.
const KEPT: usize = 5;
/// The shortest time that may be set, in nanoseconds.
const SHORTEST_NS: i64 = 1_000_000;

/// A container's health check with every default applied.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Check {
    command: Vec<String>,
    interval: Duration,
    timeout: Duration,
    start_period: Duration,
    start_interval: Duration,
    retries: u32,
}

impl Check {
    /// The check of a container, if it has one.
    fn of(config: &Config) -> Option<Self> {
        let asked = config.healthcheck.as_ref()?;
        let (kind, words) = asked.test.split_first()?;
        let command = match kind.as_str() {
            "CMD" => words.to_vec(),
            "CMD-SHELL" if config.shell.is_empty() => {
                let shell = ["/bin/sh", "-c"].map(str::to_owned);
                [&shell, words].concat()
            }
            "CMD-SHELL" => [&config.shell, words].concat(),
            _ => return None,
        };
        let or = |ns: i64, default| match u64::try_from(ns) {
            Ok(0) | Err(_) => default,
            Ok(ns) => Duration::from_nanos(ns),
        };
        (!command.is_empty()).then(|| Self {
            command,
            interval: or(asked.interval, INTERVAL),
            timeout: or(asked.timeout, TIMEOUT),
            start_period: or(asked.start_period, Duration::ZERO),
            start_interval: or(asked.start_interval, START_INTERVAL),
            retries: u32::try_from(asked.retries).ok().filter(|n| *n > 0).unwrap_or(RETRIES),
        })
    }

    /// How long to wait before the next probe.
    fn pause(&self, status: HealthStatus, run: Duration) -> Duration {
        if status == HealthStatus::Starting && run < self.start_period {
            self.start_interval
        } else {
            self.interval
        }
    }
}

/// Fails on a health check that makes no sense.
pub(crate) fn validate(check: &HealthConfig) -> Result<(), Error> {
    for (name, ns) in [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ] {
        if ns != 0 && ns < SHORTEST_NS {
            return Err(Error::invalid(format!("{name} in Healthcheck cannot be less than 1ms")));
        }
    }
    if check.retries < 0 {
        return Err(Error::invalid("Retries in Healthcheck cannot be negative"));
    }
    match check.test.first().map(String::as_str) {
        None | Some("" | "NONE") => Ok(()),
        Some("CMD" | "CMD-SHELL") if check.test.len() > 1 => Ok(()),
        Some(kind @ ("CMD" | "CMD-SHELL")) => {
            Err(Error::invalid(format!("a health check of the kind {kind} needs a command")))
        }
        Some(kind) => Err(Error::invalid(format!(
            "unknown kind of health check {kind:?}: it takes NONE, CMD or CMD-SHELL"
        ))),
    }
}

/// What is known when a run begins.
pub(super) fn at_start(record: &ContainerRecord) -> Option<HealthRecord> {
    Check::of(&record.plan.config)?;
    // What earlier runs' probes found stays to be read.
    let log = record.health.clone().map(|health| health.log).unwrap_or_default();
    Some(HealthRecord { status: HealthStatus::Starting, failing_streak: 0, log })
}

/// What is left when a run has ended: nobody is healthy without a process.
pub(super) fn without_process(health: Option<HealthRecord>) -> Option<HealthRecord> {
    health.map(|health| HealthRecord { status: HealthStatus::Unhealthy, ..health })
}

/// Begins to probe the container, until its run ends.
pub(super) fn begin(task: &mut Task) {
    let record = &task.record;
    let State::Running { started_at, .. } = record.state else { return };
    let Some(check) = Check::of(&record.plan.config) else { return };
    let (engine, id) = (task.engine.clone(), record.id.to_string());
    let (commands, run) = (task.commands(), task.run);
    task.companions.spawn(async move {
        loop {
            let Ok(now) = engine.snapshot(&id) else { return };
            let status = now.record.health.as_ref().map_or(HealthStatus::Starting, |h| h.status);
            let age = gantry_sys::clock::now().since(started_at);
            tokio::time::sleep(check.pause(status, age)).await;
            match engine.snapshot(&id) {
                Err(_) => return,
                // Who stands still cannot answer.
                Ok(now) if now.record.state.is_paused() => continue,
                Ok(_) => {}
            }
            let request = ProbeRequest { command: check.command.clone(), timeout: check.timeout };
            let probe = exec::probe(&engine, &id, request).await;
            let Some(commands) = commands.upgrade() else { return };
            if commands.send(Command::Probed { run, probe }).await.is_err() {
                return;
            }
            // Whoever is asked for the status next has taken it in by then.
            let (reply, taken) = tokio::sync::oneshot::channel();
            drop(commands.send(Command::Taken { reply }).await);
            drop(commands);
            drop(taken.await);
        }
    });
}

/// The task's side: what a probe found becomes part of the record.
pub(super) async fn take_in(task: &mut Task, run: u64, probe: Probe) {
    let State::Running { started_at, .. } = task.record.state else { return };
    let Some(check) = Check::of(&task.record.plan.config) else { return };
    let Some(before) = task.record.health.clone().filter(|_| run == task.run) else { return };
    // Who stands still, or did when it was asked, could not answer.
    if probe.code != 0 && (task.record.state.is_paused() || task.still.was(run, probe.start)) {
        return;
    }
    task.engine.probes.count(probe.code == 0);
    let was = before.status;
    let health = judge(before, &check, probe, started_at);
    let now = health.status;
    let record = ContainerRecord { health: Some(health), ..ContainerRecord::clone(&task.record) };
    if let Err(error) = task.save(Arc::new(record)).await {
        let id = task.record.id.to_string();
        tracing::warn!(error = error_chain(&error), id, "cannot record a container's health");
    }
    if now != was {
        let action = format!("health_status: {}", now.name());
        announce::tell(&task.engine, &task.record, action);
        if now == HealthStatus::Unhealthy {
            restart_policy::restart_when_unhealthy(task);
        }
    }
}

/// What one more probe makes of what was known.
fn judge(before: HealthRecord, check: &Check, probe: Probe, started_at: Timestamp) -> HealthRecord {
    let HealthRecord { mut status, mut failing_streak, mut log } = before;
    if probe.code == 0 {
        (status, failing_streak) = (HealthStatus::Healthy, 0);
    } else {
        // Who has not been well yet may fail for a while.
        let is_excused =
            status == HealthStatus::Starting && probe.start.since(started_at) < check.start_period;
        if !is_excused {
            failing_streak = failing_streak.saturating_add(1);
            if failing_streak >= check.retries {
                status = HealthStatus::Unhealthy;
            }
        }
    }
    log.push(probe);
    log.drain(..log.len().saturating_sub(KEPT));
    HealthRecord { status, failing_streak, log }
}

/// As `inspect` shows it.
pub(super) fn document(health: &HealthRecord) -> Health {
    let result = |probe: &Probe| HealthResult {
        start: probe.start.to_string(),
        end: probe.end.to_string(),
        exit_code: probe.code,
        output: probe.output.clone(),
    };
    Health {
        status: health.status.name().to_owned(),
        failing_streak: health.failing_streak.into(),
        log: health.log.iter().map(result).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(test: &[&str]) -> Config {
        let test = test.iter().map(|word| (*word).to_owned()).collect();
        let healthcheck = Some(HealthConfig { test, retries: 2, ..HealthConfig::default() });
        Config { healthcheck, ..Config::default() }
    }

    fn moment(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 0 }
    }

    fn probe(code: i32, at: i64) -> Probe {
        Probe { start: moment(at), end: moment(at), code, output: String::new() }
    }

    #[test]
    fn commands() {
        let command = |test: &[&str]| Check::of(&config(test)).map(|check| check.command);
        assert_eq!(command(&["CMD", "a", "b"]).unwrap(), ["a", "b"]);
        assert_eq!(command(&["CMD-SHELL", "a b"]).unwrap(), ["/bin/sh", "-c", "a b"]);
        assert_eq!(command(&["NONE"]), None);
        assert_eq!(command(&[]), None);
    }

    #[test]
    fn nonsense_is_named() {
        let check = |check: HealthConfig| validate(&check).unwrap_err().to_string();
        let text = check(HealthConfig { interval: 5, ..HealthConfig::default() });
        assert_eq!(text, "Interval in Healthcheck cannot be less than 1ms");
        let text = check(HealthConfig { test: vec!["EXEC".into()], ..HealthConfig::default() });
        assert!(text.contains("\"EXEC\""), "{text}");
        validate(&HealthConfig { test: vec!["NONE".into()], ..HealthConfig::default() }).unwrap();
    }

    #[test]
    fn a_streak_of_failures_is_sickness_and_one_success_is_health() {
        let mut check = Check::of(&config(&["CMD", "a"])).unwrap();
        check.start_period = Duration::from_secs(10);
        let mut health =
            HealthRecord { status: HealthStatus::Starting, failing_streak: 0, log: Vec::new() };
        let mut seen = Vec::new();
        for (code, at) in [(1, 1), (1, 9), (1, 11), (0, 12), (1, 13), (-1, 14), (0, 15)] {
            health = judge(health, &check, probe(code, at), moment(0));
            seen.push((health.status.name(), health.failing_streak));
        }
        assert_eq!(
            seen,
            [
                ("starting", 0),
                ("starting", 0),
                ("starting", 1),
                ("healthy", 0),
                ("healthy", 1),
                ("unhealthy", 2),
                ("healthy", 0)
            ]
        );
        assert_eq!((health.log.len(), health.log[0].start), (KEPT, moment(11)));
    }

    #[test]
    fn the_start_has_its_own_interval() {
        let mut check = Check::of(&config(&["CMD", "a"])).unwrap();
        check.start_period = Duration::from_secs(10);
        let pause = |status, seconds| check.pause(status, Duration::from_secs(seconds));
        assert_eq!(pause(HealthStatus::Starting, 1), START_INTERVAL);
        assert_eq!(pause(HealthStatus::Starting, 10), INTERVAL);
        assert_eq!(pause(HealthStatus::Healthy, 1), INTERVAL);
    }
}
