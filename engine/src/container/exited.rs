//! After a process has ended: the shim goes, the record says how it ended, the bundle goes, waiters wake, and the
//! restart policy is asked.

use std::sync::Arc;

use gantry_shims::{ExitNotice, Shims};
use gantry_types::{Timestamp, error_chain};

use super::task::{self, Task};
use super::{announce, endpoints, health, leftovers, remove, restart_policy};
use crate::blocking::block;
use crate::record::{ContainerRecord, State};

/// Exit code of a process that was killed, and of a container whose shim died with it.
const KILLED: u8 = 137;

/// Records the end of the first process. Returns whether the container removed itself.
pub(super) async fn finish(task: &mut Task, notice: ExitNotice) -> bool {
    let Some(started_at) = task.record.state.started_at() else { return false };
    let (code, finished_at) = outcome(notice);
    let run = finished_at.since(started_at);
    task.companions.end();
    let oom_killed = take_down(task, code).await;
    let again = restart_policy::pause_after(task, code, run);
    let record = after(&task.record, again.is_some(), |restarting| State::Exited {
        code,
        started_at,
        finished_at,
        oom_killed,
        failure: None,
        restarting,
    });
    let record = Arc::new(record);
    let removes_itself = record.plan.host_config.auto_remove && !task.keep_once && again.is_none();
    task.keep_once = false;
    if oom_killed {
        announce::tell(&task.engine, &record, "oom");
    }
    if removes_itself {
        // Who waits for the end hears of it when the container is gone.
        task.show(Arc::clone(&record), false);
        restart_policy::tell_end(task, code, run);
    }
    let removed = removes_itself && remove::remove_now(task).await.is_ok();
    if !removed {
        match task::save(&task.engine, &record).await {
            Ok(()) => {
                let bundle = task.engine.settings.bundle(record.id.as_str());
                block(move || leftovers::remove_bundle(&bundle)).await;
            }
            // The bundle stays: the exit record in it tells the next daemon what this record could not.
            Err(error) => {
                tracing::warn!(error = error_chain(&error), id = %record.id, "cannot record the end of a container");
            }
        }
    }
    task.show(record, true);
    if !removes_itself {
        restart_policy::tell_end(task, code, run);
    }
    task.engine.end_execs(&task.record.id);
    if let Some(pause) = again {
        restart_policy::arm(task, pause);
    }
    removed
}

/// The record of a container that has ended.
fn after(
    record: &ContainerRecord,
    restarting: bool,
    state: impl FnOnce(bool) -> State,
) -> ContainerRecord {
    ContainerRecord {
        state: state(restarting),
        endpoints: Vec::new(),
        restart_count: record.restart_count + u32::from(restarting),
        health: health::without_process(record.health.clone()),
        ..record.clone()
    }
}

fn outcome(notice: ExitNotice) -> (u8, Timestamp) {
    match notice {
        ExitNotice::Exited { status, exited_at, .. } => {
            (u8::try_from(status & 0xff).unwrap_or(KILLED), exited_at)
        }
        ExitNotice::ShimDied => (KILLED, gantry_sys::clock::now()),
    }
}

/// Ends the shim, and gives back what the container had of networks meanwhile; tells whether the kernel killed a process of the
/// container for want of memory.
async fn take_down(task: &mut Task, code: u8) -> bool {
    let (engine, record, shim) = (task.engine.clone(), Arc::clone(&task.record), task.shim.take());
    let places = (engine.clone(), Arc::clone(&record));
    let giving_back = block(move || endpoints::give_back(&places.0, &places.1));
    let ending = block(move || {
        let bundle = engine.settings.bundle(record.id.as_str());
        // Nothing but a kill can tell of it, so that other ends don't pay for the look.
        let oom_killed = code == KILLED && Shims::recorded_oom_kill(&bundle);
        if let Some(shim) = shim {
            leftovers::take_down(&engine, &shim, &record);
        }
        engine.ended_logs.keep(&bundle);
        crate::volume::give_back(&engine, &record);
        oom_killed
    });
    tokio::join!(ending, giving_back).0
}
