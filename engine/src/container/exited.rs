//! After a process has ended: the shim goes, the bundle goes, the record says how it ended, waiters wake.

use std::sync::Arc;

use gantry_shims::{ExitNotice, Shim};

use super::remove;
use super::task::Task;
use crate::blocking::block;
use crate::cgroups;
use crate::engine::Engine;
use crate::record::{ContainerRecord, State};

/// Exit code of a container whose shim died with it.
const KILLED: u8 = 137;

/// Records the end of the first process. Returns whether the container removed itself.
pub(super) async fn finish(task: &mut Task, notice: ExitNotice) -> bool {
    let Some(started_at) = task.record.state.started_at() else { return false };
    let code = match notice {
        ExitNotice::Exited { status, .. } => u8::try_from(status & 0xff).unwrap_or(KILLED),
        ExitNotice::ShimDied => KILLED,
    };
    let finished_at = match notice {
        ExitNotice::Exited { exited_at, .. } => exited_at,
        ExitNotice::ShimDied => gantry_sys::clock::now(),
    };
    if let Some(shim) = task.shim.take() {
        let (engine, record) = (task.engine.clone(), Arc::clone(&task.record));
        block(move || {
            take_down(&engine, &shim, &record);
            remove_bundle(&engine, record.id.as_str());
        })
        .await;
    }
    task.engine.end_execs(&task.record.id);
    let state = State::Exited { code, started_at, finished_at, failure: None };
    let record = Arc::new(ContainerRecord { state, ..ContainerRecord::clone(&task.record) });
    if task.record.plan.host_config.auto_remove {
        task.show(record, true);
        return match remove::remove_now(task).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(error = gantry_types::error_chain(&error), id = %task.record.id, "cannot remove a container that ended");
                false
            }
        };
    }
    if let Err(error) = super::task::save(&task.engine, &record).await {
        tracing::warn!(error = gantry_types::error_chain(&error), id = %record.id, "cannot record the end of a container");
    }
    task.show(record, true);
    false
}

/// Ends what is left of a task and its shim. Every part may be gone already.
pub(super) fn take_down(engine: &Engine, shim: &Shim, record: &ContainerRecord) {
    shim.dismiss();
    cgroups::reap(engine, record);
}

/// Removes the bundle of a run that is over.
pub(super) fn remove_bundle(engine: &Engine, id: &str) {
    let bundle = engine.settings.bundle(id);
    if let Err(error) = std::fs::remove_dir_all(&bundle)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(error = gantry_types::error_chain(&error), path = %bundle.display(), "cannot remove a bundle");
    }
}
