//! Plugins in Docker's sense: other programs behind a socket, found by a file of their name or managed here, asked by JSON over HTTP. What
//! they are asked (volumes, networks, addresses) is the business of whoever asks; how managed ones are run is the engine's.
//!
//! ```text
//! let plugins = Plugins::new(Config::default());
//! let answer: Answer = plugins.call("name", "VolumeDriver", "Get", &request)?;
//! ```
//!
//! The protocol is that of Docker's documents on plugins (`docs.docker.com/engine/extend/plugin_api`).

mod error;
mod exchange;
mod find;
pub mod managed;
mod running;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use error::{Error, Result};
use find::Address;
pub use running::{Running, listens};

/// Where plugins are, and how long they may take.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folders of sockets (`NAME.sock`, `NAME/NAME.sock`).
    pub sockets: Vec<PathBuf>,
    /// Folders of files that say where a plugin listens (`NAME.spec`, `NAME.json`).
    pub specs: Vec<PathBuf>,
    /// For each answer.
    pub patience: Duration,
}

impl Default for Config {
    /// Docker's folders, and half a minute.
    fn default() -> Self {
        Self {
            sockets: vec!["/run/docker/plugins".into()],
            specs: vec!["/etc/docker/plugins".into(), "/usr/lib/docker/plugins".into()],
            patience: Duration::from_secs(30),
        }
    }
}

/// The plugins of a host. `Send + Sync`; calls block until the plugin has answered.
#[derive(Debug)]
pub struct Plugins {
    config: Config,
    /// What those that have answered can do.
    known: Mutex<HashMap<String, Known>>,
    /// Managed ones that listen, by name.
    running: running::Table,
}

#[derive(Debug, Clone)]
struct Known {
    address: Address,
    implements: Vec<String>,
}

impl Known {
    fn check(&self, plugin: &str, kind: &str) -> Result<()> {
        // This kind alone is announced by another word than it is asked under.
        let word = if kind == "AuthZPlugin" { "authz" } else { kind };
        if self.implements.iter().any(|implemented| implemented == word) {
            return Ok(());
        }
        Err(Error::OtherKind { plugin: plugin.to_owned(), kind: kind.to_owned() })
    }
}

/// The answer to the first question of all.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Activated {
    implements: Vec<String>,
}

const ACTIVATE: &str = "/Plugin.Activate";

impl Plugins {
    /// Nothing is asked before the first call.
    pub fn new(config: Config) -> Self {
        Self { config, known: Mutex::default(), running: running::Table::default() }
    }

    /// Asks a plugin something, for instance `Create` of a `VolumeDriver`.
    ///
    /// # Errors
    /// There is no such plugin, it is of another kind, it does not answer in time or nothing that makes sense, or it says that it failed.
    pub fn call<T: DeserializeOwned>(
        &self,
        plugin: &str,
        kind: &str,
        method: &str,
        request: &impl Serialize,
    ) -> Result<T> {
        let known = self.activated(plugin)?;
        known.check(plugin, kind)?;
        let path = format!("/{kind}.{method}");
        let answered = self.ask(plugin, &known.address, &path, request);
        if let Err(Error::Connect { .. }) = &answered {
            // It may come again elsewhere.
            self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(plugin);
        }
        answered
    }

    /// Whether there is a plugin of that name and kind.
    pub fn has(&self, plugin: &str, kind: &str) -> bool {
        self.check(plugin, kind).is_ok()
    }

    /// [`Self::has`] with the reason.
    ///
    /// # Errors
    /// There is no such plugin, it does not answer, or it is of another kind.
    pub fn check(&self, plugin: &str, kind: &str) -> Result<()> {
        self.activated(plugin)?.check(plugin, kind)
    }

    /// The names of all plugins of a kind that answer now.
    pub fn names(&self, kind: &str) -> Vec<String> {
        let managed = self.running.names();
        let found = find::names(&self.config).into_iter().chain(managed);
        found.filter(|name| self.has(name, kind)).collect()
    }

    /// The same of managed ones alone, which need not be asked for that.
    pub fn managed_names(&self, kind: &str) -> Vec<String> {
        self.running.names().into_iter().filter(|name| self.has(name, kind)).collect()
    }

    fn activated(&self, plugin: &str) -> Result<Known> {
        if let Some(known) = self.running.get(plugin) {
            return Ok(known);
        }
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(plugin) {
            return Ok(known.clone());
        }
        let address = find::address(&self.config, plugin)?;
        let answer: Activated = self.ask(plugin, &address, ACTIVATE, &serde_json::json!({}))?;
        let found = Known { address, implements: answer.implements };
        known().insert(plugin.to_owned(), found.clone());
        Ok(found)
    }

    fn ask<T: DeserializeOwned>(
        &self,
        plugin: &str,
        address: &Address,
        path: &str,
        request: &impl Serialize,
    ) -> Result<T> {
        let failed = |source| Error::Request { plugin: plugin.to_owned(), source };
        let body = serde_json::to_vec(request).map_err(failed)?;
        let answer = exchange::post(plugin, address, (path, &body), self.config.patience)?;
        read(plugin, path, &answer)
    }
}

/// A document with `Err` in it says what went wrong, whatever the status.
fn read<T: DeserializeOwned>(plugin: &str, path: &str, answer: &exchange::Answer) -> Result<T> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Failure {
        err: Option<String>,
    }
    let (plugin, method) = (plugin.to_owned(), path.trim_start_matches('/').to_owned());
    let failure: Option<Failure> = serde_json::from_slice(&answer.body).ok();
    match failure.and_then(|failure| failure.err).filter(|text| !text.is_empty()) {
        Some(reason) => Err(Error::Failed { plugin, method, reason }),
        None if answer.status != 200 => {
            let text = String::from_utf8_lossy(&answer.body);
            let reason = format!("status {}: {}", answer.status, text.trim().escape_debug());
            Err(Error::Failed { plugin, method, reason: reason.chars().take(500).collect() })
        }
        None => {
            let body = if answer.body.trim_ascii().is_empty() { b"{}" } else { &answer.body[..] };
            serde_json::from_slice(body).map_err(|source| Error::Malformed {
                plugin,
                method,
                source,
            })
        }
    }
}
