//! Compression of logs' files that are full. The shims write and rotate them, and have nothing else to do with that: it costs
//! them neither time nor memory, and a file waits for the daemon as it is.

use std::collections::BTreeSet;
use std::time::Duration;

use gantry_types::{ContainerId, error_chain};
use tokio::sync::oneshot;

use crate::blocking::thread;
use crate::engine::Engine;

/// How often the logs of running containers are looked at.
const PERIOD: Duration = Duration::from_secs(10);

/// What a thread for the rest of the processor's time gets (setpriority(2)).
const NICE: i32 = 19;

/// Looks after logs as long as the engine is there.
pub(crate) fn start(engine: &Engine) {
    let engine = engine.downgrade();
    tokio::spawn(async move {
        let mut ran = BTreeSet::new();
        let mut all = true;
        loop {
            tokio::time::sleep(PERIOD).await;
            let Some(engine) = engine.upgrade() else { return };
            let before = std::mem::take(&mut ran);
            // Those that ran a while ago have full files too; at first, all may.
            let (sender, receiver) = oneshot::channel();
            let work = move || {
                if let Err(error) =
                    rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE)
                {
                    tracing::debug!(%error, "logs are compressed at the usual priority");
                }
                // The engine may have gone meanwhile.
                drop(sender.send(round(&engine, |id| all || before.contains(id))));
            };
            if let Err(error) = thread("log-files", work) {
                tracing::debug!(error = error_chain(&error), "logs are not compressed now");
            }
            ran = receiver.await.unwrap_or_default();
            all = false;
        }
    });
}

/// Compresses what is full in the logs of containers that run, and of those that `ran`. Gives those that run.
fn round(engine: &Engine, ran: impl Fn(&ContainerId) -> bool) -> BTreeSet<ContainerId> {
    let mut running = BTreeSet::new();
    for snapshot in engine.containers.snapshots() {
        let record = &snapshot.record;
        let Some(log) = record.plan.log.as_ref().filter(|log| log.compress) else { continue };
        let is_running = record.state.is_running();
        if is_running {
            running.insert(record.id.clone());
        }
        if !is_running && !ran(&record.id) {
            continue;
        }
        let path = log.path(&engine.settings.container_dir(record.id.as_str()));
        if let Err(error) = gantry_logs::compress_rotated(log.files_format(), &path) {
            // The container may be on its way out.
            tracing::debug!(error = error_chain(&error), id = %record.id, "cannot compress a log");
        }
    }
    running
}
