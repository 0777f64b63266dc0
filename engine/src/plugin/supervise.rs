//! A plugin that ends by itself runs again, after a pause that grows.

use std::sync::Arc;
use std::time::Duration;

use gantry_types::error_chain;

use super::run::{self, Run};
use crate::engine::{Engine, WeakEngine};

/// Before the first new run, and between later ones.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Who ran as long begins anew with the shortest pause.
const LASTING: Duration = Duration::from_secs(10);

/// Sees to it that the plugin runs for as long as it is enabled.
pub(super) fn watch(engine: &Engine, id: &str, run: &Run) {
    watch_with(engine, id, run, FIRST_PAUSE);
}

/// With the pause before the next run, if this one ends soon.
fn watch_with(engine: &Engine, id: &str, run: &Run, pause: Duration) {
    let (sender, ended) = tokio::sync::oneshot::channel();
    // Nobody waits for it any more when the daemon ends.
    run.shim.on_exit("", move |notice| sender.send(notice).map_or((), |()| ()));
    let (engine, id, run) = (engine.downgrade(), id.to_owned(), run.clone());
    tokio::spawn(async move {
        if ended.await.is_err() {
            return;
        }
        let pause = if run.age() >= LASTING { FIRST_PAUSE } else { pause };
        let number = run.number;
        drop(run);
        again(&engine, &id, Some(number), pause).await;
    });
}

/// The same for one that could not be started with the daemon.
pub(super) fn keep_trying(engine: &Engine, id: &str) {
    let (engine, id) = (engine.downgrade(), id.to_owned());
    tokio::spawn(async move { again(&engine, &id, None, FIRST_PAUSE).await });
}

/// Starts a plugin again whose latest run, if there was one, has ended.
async fn again(engine: &WeakEngine, id: &str, latest: Option<u64>, mut pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let Some(engine) = engine.upgrade() else { return };
        let is_current = || engine.plugin_runs.latest(id) == latest;
        if !is_current() {
            return;
        }
        let (change, record) = match engine.managed_plugins.change_for_now(id) {
            Ok((change, record)) => (Arc::new(change), record),
            // Who changes it now decides by himself what becomes of it; it is looked at again later.
            Err(gantry_plugins::Error::Busy(_)) => continue,
            Err(error) => {
                tracing::debug!(error = error_chain(&error), id, "a plugin is not started again");
                return;
            }
        };
        if !record.enabled || !is_current() {
            return;
        }
        let held = Arc::clone(&change);
        tracing::warn!(plugin = record.familiar(), "a plugin does not run; it is started again");
        match run::start(&engine, &record, move || held.is_wanted()).await {
            Ok(run) => {
                drop(change);
                watch_with(&engine, id, &run, pause);
                return;
            }
            Err(error) => {
                tracing::warn!(
                    error = error_chain(&error),
                    plugin = record.familiar(),
                    "cannot start a plugin again"
                );
            }
        }
    }
}
