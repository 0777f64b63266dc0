//! `plugin enable`: runs a plugin, now and whenever the daemon runs, and lets it be found.

use std::time::Duration;

use gantry_plugins::managed::Record;

use super::{run, save, supervise, tell};
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;

/// How long a plugin may take that nobody gave a time.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a plugin is enabled.
#[derive(Debug, Clone, Copy, Default)]
pub struct EnableOptions {
    /// How long it may take until it listens, in seconds; zero stands for 30.
    pub timeout_s: u64,
}

/// Runs the plugin and waits until it listens.
///
/// # Errors
/// It runs already, it ends or does not listen in time; then it is as before.
pub async fn enable(engine: &Engine, name: &str, options: EnableOptions) -> Result<()> {
    let (change, record) = engine.managed_plugins.change(name)?;
    if record.enabled {
        return Err(Error::PluginEnabled(record.familiar()));
    }
    let record = Record { enabled: true, timeout_s: options.timeout_s, ..record };
    let run = run::start(engine, &record, || false).await?;
    if let Err(error) = save(engine, &record).await {
        run::stop(engine, &record).await;
        return Err(error);
    }
    supervise::watch(engine, &record.id, &run);
    tell(engine, "enable", &record);
    drop(change);
    Ok(())
}

/// How long the plugin may take until it listens.
pub(super) fn patience(record: &Record) -> Duration {
    match record.timeout_s {
        0 => PATIENCE,
        seconds => Duration::from_secs(seconds),
    }
}
