//! After a start of the daemon: plugins that went on running are found again, and those that should run are started.

use gantry_plugins::managed::Record;
use gantry_shim_protocol::task::TaskStatus;
use gantry_types::error_chain;
use tokio::task::JoinSet;

use super::{run, supervise};
use crate::blocking::block;
use crate::container::leftovers;
use crate::engine::{Engine, names_in};
use crate::settings::Settings;

/// Whether there may be a managed plugin of that name: known before anything is opened.
pub(crate) fn has_any(settings: &Settings) -> bool {
    !names_in(&settings.data_root.join("plugins")).is_empty()
}

/// One that cannot be started is told in the log, and tried again later.
pub(crate) async fn restore(engine: &Engine) {
    let all = engine.managed_plugins.list();
    let clearing = engine.clone();
    let known: Vec<String> = all.iter().filter(|it| it.enabled).map(|it| it.id.clone()).collect();
    block(move || {
        let left = names_in(&clearing.settings.plugin_dir(""));
        for id in left.iter().filter(|id| !known.contains(id)) {
            run::clear_run(&clearing, id);
        }
    })
    .await;
    // At once: one that does not come to listen keeps the daemon from its clients for so long.
    let mut beginning = JoinSet::new();
    for record in all.into_iter().filter(|it| it.enabled) {
        beginning.spawn(begin(engine.clone(), record));
    }
    while let Some(begun) = beginning.join_next().await {
        if let Err(panic) = begun {
            tracing::error!(%panic, "cannot start a plugin");
        }
    }
}

async fn begin(engine: Engine, record: Record) {
    let (finding, id) = (engine.clone(), record.id.clone());
    let shim = block(move || {
        let shim = leftovers::find_shim(&finding.shims, &finding.settings.plugin_bundle(&id), &id)?;
        // One that the daemon before could not start to its end is begun anew.
        let state = shim.state("").map(|state| state.status);
        matches!(state, Ok(TaskStatus::Running)).then_some(shim)
    })
    .await;
    if let Some(shim) = shim {
        let run = engine.plugin_runs.add(&record.id, shim);
        run::found(&engine, &record);
        supervise::watch(&engine, &record.id, &run);
        return;
    }
    match run::start(&engine, &record, || false).await {
        Ok(run) => supervise::watch(&engine, &record.id, &run),
        Err(error) => {
            tracing::error!(
                error = error_chain(&error),
                plugin = record.familiar(),
                "cannot start a plugin; it is tried again"
            );
            supervise::keep_trying(&engine, &record.id);
        }
    }
}
