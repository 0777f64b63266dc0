//! `list`: one row per container, newest first.

mod conditions;
mod rows;

use std::sync::Arc;

use gantry_api::container::{
    ContainerSummary, SummaryHealth, SummaryHostConfig, SummaryNetworkSettings,
};
use gantry_types::{Filters, Timestamp};

use self::rows::Question;
pub(crate) use self::rows::Rows;
use super::inspect::written_bytes;
use super::network_settings;
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::record::{ContainerRecord, HealthRecord, HealthStatus, Snapshot, State};
use crate::{image, plan::MountPlan};

/// Which containers, and how much of each.
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    /// Also those that do not run.
    pub all: bool,
    /// The newest so many, running or not.
    pub limit: Option<usize>,
    /// Count the bytes of writable layers.
    pub size: bool,
    pub filters: Filters,
}

impl ListOptions {
    /// Whether containers are told of as in every list, and none is left out but for its state.
    fn is_plain(&self) -> bool {
        self.limit.is_none() && !self.size && self.filters.is_empty()
    }
}

/// Lists containers. As long as nothing changes, a plain answer is the same list.
pub async fn list(engine: &Engine, options: ListOptions) -> Result<Arc<[Arc<ContainerSummary>]>> {
    conditions::check(&options.filters)?;
    if options.is_plain()
        && let Some(images) = engine.images.listed()
        && let Some(known) = engine.container_rows.known(engine, options.all, images)
    {
        return Ok(known);
    }
    let engine = engine.clone();
    block(move || {
        if options.is_plain() {
            let question = Question::new(&engine, options.all, engine.images.list()?);
            return engine.container_rows.of(&engine, &question);
        }
        Ok(rows(&engine, &options)?.into_iter().map(Arc::new).collect())
    })
    .await
}

fn rows(engine: &Engine, options: &ListOptions) -> Result<Vec<ContainerSummary>> {
    let now = gantry_sys::clock::now();
    let mut snapshots = engine.containers.snapshots();
    snapshots.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.record.created_at));
    let bounds = Bounds::new(engine, &options.filters)?;
    let every_state = options.all
        || options.limit.is_some()
        || options.filters.get("status").is_some()
        || options.filters.get("exited").is_some();
    let wanted = conditions::Wanted::new(&options.filters);
    let mut names = image::NameCache::new(engine);
    let mut rows = Vec::new();
    for Snapshot { record, .. } in snapshots {
        if !(every_state || record.state.is_active())
            || !bounds.hold(&record)
            || !conditions::hold(&record, (&options.filters, &wanted), &mut names)
        {
            continue;
        }
        if options.limit.is_some_and(|limit| rows.len() >= limit) {
            break;
        }
        rows.push(row(engine, &record, now, options.size, &mut names)?);
    }
    Ok(rows)
}

/// `before` and `since`, which name containers.
struct Bounds {
    before: Option<Timestamp>,
    since: Option<Timestamp>,
}

impl Bounds {
    fn new(engine: &Engine, filters: &Filters) -> Result<Self> {
        let created = |key: &str| -> Result<Option<Timestamp>> {
            let named = filters.get(key).and_then(|values| values.iter().next());
            named.map(|text| Ok(engine.snapshot(text)?.record.created_at)).transpose()
        };
        Ok(Self { before: created("before")?, since: created("since")? })
    }

    fn hold(&self, record: &ContainerRecord) -> bool {
        self.before.is_none_or(|moment| record.created_at < moment)
            && self.since.is_none_or(|moment| record.created_at > moment)
    }
}

/// A command as lists show it: what has a space in it stands in quotes, but for the program itself.
fn shown(args: &[String]) -> String {
    let quoted = |(at, text): (usize, &String)| {
        if at > 0 && text.contains(' ') { format!("'{text}'") } else { text.clone() }
    };
    args.iter().enumerate().map(quoted).collect::<Vec<_>>().join(" ")
}

fn row(
    engine: &Engine,
    record: &ContainerRecord,
    now: Timestamp,
    size: bool,
    names: &mut image::NameCache<'_>,
) -> Result<ContainerSummary> {
    let plan = &record.plan;
    let mut row = ContainerSummary {
        id: record.id.to_string(),
        names: vec![format!("/{}", record.name)],
        image: names.shown(record),
        image_id: record.image.id.to_string(),
        command: shown(&plan.args),
        created: record.created_at.seconds,
        labels: plan.config.labels.clone(),
        state: record.state.name().to_owned(),
        status: status(record, now),
        host_config: SummaryHostConfig {
            network_mode: plan.host_config.network_mode.clone(),
            annotations: plan.host_config.annotations.clone(),
        },
        ports: network_settings::ports(record),
        network_settings: SummaryNetworkSettings {
            networks: network_settings::networks(engine, record),
        },
        mounts: plan.mounts.iter().map(MountPlan::to_mount_point).collect(),
        health: record.health.as_ref().map(health),
        ..ContainerSummary::default()
    };
    if size {
        row.size_rw = written_bytes(engine, record.id.as_str())?;
        row.size_root_fs = row.size_rw.saturating_add(names.image_size(record));
    }
    Ok(row)
}

fn health(found: &HealthRecord) -> SummaryHealth {
    SummaryHealth {
        status: found.status.name().to_owned(),
        failing_streak: found.failing_streak.into(),
    }
}

/// The state for people, as Docker words it.
fn status(record: &ContainerRecord, now: Timestamp) -> String {
    match &record.state {
        State::Created { .. } => "Created".to_owned(),
        State::Running { started_at, paused, .. } => {
            let health = record.health.as_ref().map(|health| health.status);
            let remark = match (paused, health) {
                (true, _) => " (Paused)",
                (false, Some(HealthStatus::Starting)) => " (health: starting)",
                (false, Some(HealthStatus::Healthy)) => " (healthy)",
                (false, Some(HealthStatus::Unhealthy)) => " (unhealthy)",
                (false, None) => "",
            };
            format!("Up {}{remark}", human(now, *started_at))
        }
        State::Exited { finished_at, restarting, .. } => {
            let word = if *restarting { "Restarting" } else { "Exited" };
            format!("{word} ({}) {} ago", record.state.exit_code(), human(now, *finished_at))
        }
    }
}

/// When the words for a state become others at the earliest, while the container stays as it is.
fn same_until(record: &ContainerRecord, now: Timestamp) -> Option<Timestamp> {
    match &record.state {
        State::Created { .. } => None,
        State::Running { started_at: then, .. } | State::Exited { finished_at: then, .. } => {
            Some(same_age_until(*then, now))
        }
    }
}

/// How old something is, in seconds of the clock on the wall: those of all containers turn at the same moment, so that a
/// list of many stays as it is in between.
fn age_seconds(now: Timestamp, then: Timestamp) -> u64 {
    u64::try_from(now.seconds.saturating_sub(then.seconds)).unwrap_or(0)
}

/// Until when [`human`] says the same as now, at least.
fn same_age_until(then: Timestamp, now: Timestamp) -> Timestamp {
    let age = age_seconds(now, then);
    // It turns at multiples of these.
    let step = match age {
        0..60 => 1,
        60..3600 => 60,
        _ => 1800,
    };
    let next = i64::try_from((age / step + 1) * step).unwrap_or(i64::MAX);
    Timestamp { seconds: then.seconds.saturating_add(next), nanos: 0 }
}

/// A duration in the one unit that suits it.
fn human(now: Timestamp, then: Timestamp) -> String {
    let seconds = age_seconds(now, then);
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_durations_as_docker_does() {
        let then = Timestamp { seconds: 1_000_000, nanos: 0 };
        let cases = [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (61, "About a minute"),
            (150, "2 minutes"),
            (3600, "About an hour"),
            (7200, "2 hours"),
            (3 * 86_400, "3 days"),
            (21 * 86_400, "3 weeks"),
            (90 * 86_400, "3 months"),
            (900 * 86_400, "2 years"),
        ];
        for (seconds, text) in cases {
            let now = Timestamp { seconds: then.seconds + seconds, nanos: 0 };
            assert_eq!(human(now, then), text, "{seconds} s");
        }
    }

    #[test]
    fn health_without_its_log() {
        let found =
            HealthRecord { status: HealthStatus::Unhealthy, failing_streak: 3, log: Vec::new() };
        let told = SummaryHealth { status: "unhealthy".to_owned(), failing_streak: 3 };
        assert_eq!(health(&found), told);
    }

    #[test]
    fn words_stay_until_the_moment_that_is_told() {
        let then = Timestamp { seconds: 1_000_000, nanos: 500 };
        let mut now = then;
        while age_seconds(now, then) < 800 * 86_400 {
            let until = same_age_until(then, now);
            assert!(until > now);
            let last = Timestamp { seconds: until.seconds - 1, nanos: 999_999_999 };
            assert_eq!(human(now, then), human(last, then), "from {now} on");
            now = until;
        }
    }
}
