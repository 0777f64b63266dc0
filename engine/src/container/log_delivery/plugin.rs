//! Plugins of the kind `LogDriver`: told to read a container's lines from a fifo, and to stop.
//!
//! Follows Docker's `docs/extend/plugins_logging.md`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use gantry_log_drivers::{Delivery, PluginEntries};
use gantry_plugins::Plugins;
use gantry_types::error_chain;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::plan::PLUGIN_KIND;
use crate::plugin::log_folder;
use crate::record::ContainerRecord;
use crate::settings::Settings;

/// One container's log at a plugin.
pub(super) struct PluginLog {
    plugins: Arc<Plugins>,
    name: String,
    /// The folder of all fifos, and this one.
    folder: PathBuf,
    fifo: PathBuf,
    /// What the plugin calls it.
    told: String,
    info: Info,
}

/// Where all fifos are.
fn folder(settings: &Settings) -> PathBuf {
    settings.exec_root.join("logging")
}

/// Removes the fifos of an earlier daemon.
pub(crate) fn clear(settings: &Settings) {
    let folder = folder(settings);
    if let Err(error) = std::fs::remove_dir_all(&folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %folder.display(), "cannot remove fifos");
    }
}

/// What a plugin is told of a container.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Info {
    config: BTreeMap<String, String>,
    #[serde(rename = "ContainerID")]
    container_id: String,
    container_name: String,
    container_entrypoint: String,
    container_args: Vec<String>,
    #[serde(rename = "ContainerImageID")]
    container_image_id: String,
    container_image_name: String,
    container_created: String,
    container_env: Vec<String>,
    container_labels: BTreeMap<String, String>,
    log_path: String,
    daemon_name: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Start<'a> {
    file: &'a str,
    info: &'a Info,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Stop<'a> {
    file: &'a str,
}

/// What matters of an answer is that it names no failure.
#[derive(Deserialize)]
struct Done {}

impl PluginLog {
    pub(super) fn new(
        engine: &Engine,
        record: &ContainerRecord,
        name: &str,
        options: &BTreeMap<String, String>,
    ) -> Self {
        let (folder, seen) = match log_folder(engine, name) {
            Some((folder, seen)) => (folder, Some(seen)),
            None => (folder(&engine.settings), None),
        };
        // Another one for each run: an earlier one's may still be read.
        let moment = gantry_sys::clock::monotonic().as_nanos();
        let file = format!("{}-{moment}", record.id);
        let fifo = folder.join(&file);
        Self {
            plugins: Arc::clone(&engine.plugins),
            name: name.to_owned(),
            told: seen.map_or_else(
                || fifo.to_string_lossy().into_owned(),
                |seen| format!("{seen}/{file}"),
            ),
            fifo,
            folder,
            info: info(record, options),
        }
    }

    /// Has the plugin read from the fifo.
    pub(super) fn start(&self) -> Result<Box<dyn Delivery>> {
        self.remove_fifo();
        std::fs::create_dir_all(&self.folder)
            .map_err(Error::file("create directory", &self.folder))?;
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &self.fifo, rustix::fs::FileType::Fifo, mode, 0)
            .map_err(|errno| Error::file("make the fifo", &self.fifo)(errno.into()))?;
        let mut entries = PluginEntries::open(self.fifo.clone())?;
        let request = Start { file: &self.told, info: &self.info };
        let started: Result<Done, _> =
            self.plugins.call(&self.name, PLUGIN_KIND, "StartLogging", &request);
        if let Err(error) = started {
            self.remove_fifo();
            return Err(error.into());
        }
        if let Err(error) = entries.hand_over() {
            self.stop();
            return Err(error.into());
        }
        Ok(Box::new(entries))
    }

    /// Tells the plugin that nothing more will come.
    pub(super) fn stop(&self) {
        if !self.fifo.exists() {
            return;
        }
        let stopped: Result<Done, _> =
            self.plugins.call(&self.name, PLUGIN_KIND, "StopLogging", &Stop { file: &self.told });
        if let Err(error) = stopped {
            tracing::warn!(
                error = error_chain(&error),
                plugin = self.name,
                "cannot stop a plugin's logging"
            );
        }
        self.remove_fifo();
    }

    fn remove_fifo(&self) {
        if let Err(error) = std::fs::remove_file(&self.fifo)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.fifo.display(), "cannot remove a fifo");
        }
    }
}

fn info(record: &ContainerRecord, options: &BTreeMap<String, String>) -> Info {
    let (config, args) = (&record.plan.config, &record.plan.args);
    Info {
        config: options.clone(),
        container_id: record.id.to_string(),
        container_name: format!("/{}", record.name),
        container_entrypoint: args.first().cloned().unwrap_or_default(),
        container_args: args.iter().skip(1).cloned().collect(),
        container_image_id: record.image.id.to_string(),
        container_image_name: config.image.clone(),
        container_created: record.created_at.to_string(),
        container_env: config.env.clone(),
        container_labels: config.labels.clone(),
        log_path: String::new(),
        daemon_name: "gantry",
    }
}
