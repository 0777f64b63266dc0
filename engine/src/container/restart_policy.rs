//! Restart policies: whether a container that has ended starts again, when, and what takes the right to it away.

use std::sync::Arc;
use std::time::Duration;

use gantry_api::container::RestartPolicy;
use gantry_types::error_chain;

use super::task::{Command, Task};
use super::{announce, kill, launch, remove};
use crate::record::{ContainerRecord, State};

/// The first pause; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// The label by which whoever makes a container asks for [`restart_when_unhealthy`].
pub(crate) const RESTART_WHEN_UNHEALTHY: &str = "gantry.restart-when-unhealthy";
/// Who ran this long begins with the first pause again.
const LONG_RUN: Duration = Duration::from_secs(10);

/// The pauses between a container's starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// The pause after a run that took so long.
    fn after(&mut self, run: Duration) -> Duration {
        let last = self.last.filter(|_| run < LONG_RUN);
        let pause = last.map_or(FIRST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
        self.last = Some(pause);
        pause
    }
}

/// Whether a container that ended with `code` starts again, having done so `restarts` times.
fn wants_start(policy: &RestartPolicy, code: u8, restarts: u32) -> bool {
    match policy.name.as_str() {
        "always" | "unless-stopped" => true,
        "on-failure" => {
            let most = policy.maximum_retry_count;
            code != 0 && (most == 0 || i64::from(restarts) < most)
        }
        _ => false,
    }
}

/// Whether a container that did not run when the daemon ended starts with the daemon.
fn starts_with_daemon(record: &ContainerRecord) -> bool {
    match (&record.state, record.plan.host_config.restart_policy.name.as_str()) {
        (State::Exited { restarting: true, .. }, _) | (State::Exited { .. }, "always") => true,
        (State::Exited { .. }, "unless-stopped") => !record.manually_stopped,
        _ => false,
    }
}

/// Whether a container has something that could start it: a policy, or the label of [`restart_when_unhealthy`].
pub(super) fn is_any(record: &ContainerRecord) -> bool {
    let policy = record.plan.host_config.restart_policy.name.as_str();
    !matches!(policy, "" | "no") || is_wanted_well(record)
}

fn is_wanted_well(record: &ContainerRecord) -> bool {
    let label = record.plan.config.labels.get(RESTART_WHEN_UNHEALTHY);
    label.is_some_and(|value| value != "false")
}

/// The pause before the next start of a container that has just ended, if there is to be one.
pub(super) fn pause_after(task: &mut Task, code: u8, run: Duration) -> Option<Duration> {
    let record = &task.record;
    let policy = &record.plan.host_config.restart_policy;
    let wanted = task.sick_run == Some(task.run) || wants_start(policy, code, record.restart_count);
    let wanted = wanted && !task.expects_end && !task.keep_once;
    wanted.then(|| task.backoff.after(run))
}

/// Starts the container again after `pause`, unless something ends that first.
pub(super) fn arm(task: &mut Task, pause: Duration) {
    let (commands, run) = (task.commands(), task.run);
    task.companions.spawn(async move {
        tokio::time::sleep(pause).await;
        if let Some(commands) = commands.upgrade() {
            // A closed queue means that the container is gone.
            drop(commands.send(Command::StartAgain { run }).await);
        }
    });
}

/// After a start of the daemon: what should run and does not, starts. Returns whether it will.
pub(super) fn resume(task: &mut Task) -> bool {
    let starts = starts_with_daemon(&task.record);
    if starts {
        arm(task, Duration::ZERO);
    }
    starts
}

/// The task's side of a start that a policy asks for. One that fails counts as an end. Returns whether the container
/// removed itself then.
pub(super) async fn start_again(task: &mut Task, run: u64) -> bool {
    let is_due =
        run == task.run && !task.expects_end && matches!(task.record.state, State::Exited { .. });
    if !is_due {
        return false;
    }
    let was_sick = task.sick_run.take() == Some(run);
    let Err(error) = launch::launch(task).await else {
        if was_sick {
            announce::tell(&task.engine, &task.record, "restart");
        }
        return false;
    };
    let id = task.record.id.to_string();
    tracing::warn!(error = error_chain(&error), id, "a restart policy's start failed");
    let code = task.record.state.exit_code().max(1);
    match pause_after(task, code, Duration::ZERO) {
        Some(pause) => {
            keep(task, restarting(&task.record, true)).await;
            arm(task, pause);
        }
        None => keep(task, restarting(&task.record, false)).await,
    }
    remove_if_over(task).await
}

/// A container that removes itself was to start once more, and does not: this is its end. Returns whether it is gone.
async fn remove_if_over(task: &mut Task) -> bool {
    task.record.plan.host_config.auto_remove
        && !task.keep_once
        && matches!(task.record.state, State::Exited { restarting: false, .. })
        && remove::remove_now(task).await.is_ok()
}

/// The record of a container that has ended, whose policy starts it again or does not.
fn restarting(record: &ContainerRecord, on: bool) -> ContainerRecord {
    let mut record = record.clone();
    if let State::Exited { restarting, .. } = &mut record.state {
        *restarting = on;
    }
    record.restart_count += u32::from(on);
    record
}

/// Saves a record. Where that fails, as on a full disk, it holds all the same as long as this daemon lives.
async fn keep(task: &mut Task, record: ContainerRecord) {
    let record = Arc::new(record);
    if let Err(error) = task.save(Arc::clone(&record)).await {
        let id = task.record.id.to_string();
        tracing::warn!(error = error_chain(&error), id, "cannot record what a restart policy does");
        task.show(record, false);
    }
}

/// Somebody ends the container: at its next end the policy is not asked, and a start that it planned does not come.
/// Returns whether the container removed itself because of that.
pub(super) async fn expect_end(task: &mut Task) -> bool {
    task.expects_end = true;
    let was_restarting = task.record.state.is_restarting();
    let record = ContainerRecord { manually_stopped: true, ..restarting(&task.record, false) };
    if was_restarting {
        task.companions.end();
    } else if task.record.manually_stopped {
        return false;
    }
    keep(task, record).await;
    was_restarting && remove_if_over(task).await
}

/// Somebody starts the container: the policy begins anew.
pub(super) fn begin_anew(task: &mut Task) {
    task.backoff = Backoff::default();
    if task.record.restart_count != 0 || task.record.manually_stopped {
        // Written with what the start writes.
        let record = ContainerRecord::clone(&task.record);
        task.record =
            Arc::new(ContainerRecord { restart_count: 0, manually_stopped: false, ..record });
    }
}

/// A container that was found to be sick is ended, where its label asks for that, and its end starts it again as a
/// policy would: unless somebody asks for an end, before or meanwhile.
pub(super) fn restart_when_unhealthy(task: &mut Task) {
    if task.expects_end || !is_wanted_well(&task.record) {
        return;
    }
    let (engine, id) = (task.engine.clone(), task.record.id.to_string());
    let Ok(handle) = engine.container(&id) else { return };
    tracing::info!(id, "restarting a container that is unhealthy");
    task.sick_run = Some(task.run);
    // Not one of the companions: the process must get its `KILL` in time.
    let run = kill::Run::of(&handle);
    tokio::spawn(async move {
        if let Err(error) = run.end(&engine).await {
            let error = error_chain(&error);
            tracing::warn!(error, id, "cannot end a container that is unhealthy");
        }
    });
}

/// Tells that a container has ended.
pub(super) fn tell_end(task: &Task, code: u8, run: Duration) {
    let event = announce::event(&task.record, "die")
        .with("exitCode", code.to_string())
        .with("execDuration", run.as_secs().to_string());
    task.engine.events.tell(event);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_begin_anew_after_a_long_run() {
        let mut backoff = Backoff::default();
        let short = Duration::from_secs(1);
        let pauses: Vec<u128> = (0..12).map(|_| backoff.after(short).as_millis()).collect();
        assert_eq!(pauses[..5], [100, 200, 400, 800, 1600]);
        assert_eq!(pauses[9..], [51_200, 60_000, 60_000]);
        assert_eq!(backoff.after(LONG_RUN), FIRST_PAUSE);
    }

    #[test]
    fn policies() {
        let wants = |name: &str, most, code, restarts| {
            let policy = RestartPolicy { name: name.to_owned(), maximum_retry_count: most };
            wants_start(&policy, code, restarts)
        };
        assert!(!wants("no", 0, 1, 0) && !wants("", 0, 1, 0));
        assert!(wants("always", 0, 0, 99) && wants("unless-stopped", 0, 0, 99));
        assert!(wants("on-failure", 0, 1, 99) && !wants("on-failure", 0, 0, 0));
        assert!(wants("on-failure", 3, 1, 2) && !wants("on-failure", 3, 1, 3));
    }
}
