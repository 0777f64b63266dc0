//! Where a container's output goes: `--log-driver` and `--log-opt`, completed by the daemon's defaults.
//!
//! Every log is kept on this host, within limits, whatever else is done with it: remote drivers and plugins are sent what
//! stands there (`container::log_delivery`).

mod tag;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gantry_api::container::LogConfig;
use gantry_log_drivers::{NAMES, NOT_THERE, Remote};
use gantry_types::ByteSize;
use regex_lite::Regex;
use serde::{Deserialize, Serialize};

use super::security::truth;
use crate::error::Error;
use crate::settings::LogDefaults;

pub(crate) use tag::{Fields as TagFields, render as render_tag};

/// Rotation is on by default, so that no log fills the disk.
const DEFAULT_MAX_SIZE_BYTES: u64 = 20 << 20;
const DEFAULT_MAX_FILES: u32 = 5;
/// As many files as the log's writer looks after.
const MOST_FILES: u32 = 10_000;
/// Where the journal of systemd listens.
const JOURNAL: &str = "/run/systemd/journal/socket";

/// The kind of plugin that takes logs.
pub(crate) const PLUGIN_KIND: &str = "LogDriver";

/// How the log is kept, and where else its lines go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogPlan {
    #[serde(default)]
    pub format: LogFormat,
    /// Bytes after which a new file begins.
    pub max_size_bytes: u64,
    /// Files kept, the current one included.
    pub max_files: u32,
    /// Whether files are compressed when they are full.
    #[serde(default)]
    pub compress: bool,
    /// Whether clients may not read what is kept.
    #[serde(default)]
    pub hidden: bool,
    #[serde(default)]
    pub destination: Option<Destination>,
}

/// Whose form the files have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum LogFormat {
    #[default]
    JsonFile,
    Local,
}

/// Who is sent the lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Destination {
    /// A remote driver, with the options that are its own.
    Remote { driver: String, options: BTreeMap<String, String> },
    /// A plugin, with all that it was given.
    Plugin { name: String, options: BTreeMap<String, String> },
}

impl Destination {
    /// The driver's name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Remote { driver, .. } => driver,
            Self::Plugin { name, .. } => name,
        }
    }
}

impl LogPlan {
    /// The log's place in a container's directory.
    pub(crate) fn path(&self, container_dir: &Path) -> PathBuf {
        container_dir.join(match self.format {
            LogFormat::JsonFile => "json.log",
            LogFormat::Local => "log",
        })
    }

    /// What its reader has to know.
    pub(crate) fn files_format(&self) -> gantry_logs::Format {
        match self.format {
            LogFormat::JsonFile => gantry_logs::Format::JsonFile,
            LogFormat::Local => gantry_logs::Format::Local,
        }
    }
}

/// What a remote driver was told, as a driver that can be connected.
pub(crate) fn remote(driver: &str, options: &BTreeMap<String, String>) -> Result<Remote, Error> {
    Remote::parse(driver, options, JOURNAL.into())?
        .ok_or_else(|| Error::NoSuchLogDriver(driver.to_owned()))
}

/// Completes what was asked for and checks it. `None`: no log is kept.
pub(crate) fn resolve(
    config: &mut LogConfig,
    defaults: &LogDefaults,
) -> Result<Option<LogPlan>, Error> {
    if config.r#type.is_empty() {
        config.r#type.clone_from(&defaults.driver);
    }
    if config.r#type == defaults.driver {
        for (key, value) in &defaults.options {
            config.config.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    let (driver, options) = (config.r#type.as_str(), &config.config);
    if driver == "none" {
        return Ok(None);
    }
    if NOT_THERE.contains(&driver) {
        return Err(Error::invalid(format!(
            "there is no log driver {driver}: use local, json-file, none, {}, or a plugin",
            NAMES.join(", ")
        )));
    }
    buffering(options)?;
    attributes(options)?;
    let without = |keys: &[&str]| -> BTreeMap<String, String> {
        let rest = options.iter().filter(|(key, _)| !keys.contains(&key.as_str()));
        rest.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let plan = match driver {
        "json-file" | "local" => {
            let known = [&OWN[..], &BUFFERING[..], &ATTRIBUTES[..]].concat();
            if let Some(key) = options.keys().find(|key| !known.contains(&key.as_str())) {
                return Err(Error::invalid(format!(
                    "unknown log opt '{key}' for {driver} log driver"
                )));
            }
            let format = if driver == "local" { LogFormat::Local } else { LogFormat::JsonFile };
            files(options, OWN, format)?
        }
        _ => {
            let mut plan = files(options, CACHE, LogFormat::Local)?;
            plan.hidden = flag(options, "cache-disabled")?.unwrap_or(false);
            plan.destination = Some(if NAMES.contains(&driver) {
                let cache = [&CACHE[..], &BUFFERING[..], &["cache-disabled"]].concat();
                let options = without(&cache);
                remote(driver, &options)?;
                Destination::Remote { driver: driver.to_owned(), options }
            } else {
                Destination::Plugin { name: driver.to_owned(), options: without(&[]) }
            });
            plan
        }
    };
    Ok(Some(plan))
}

/// Size, number and compression of files, as they are called by drivers that keep logs, and by others.
const OWN: [&str; 3] = ["max-size", "max-file", "compress"];
const CACHE: [&str; 3] = ["cache-max-size", "cache-max-file", "cache-compress"];
const BUFFERING: [&str; 2] = ["mode", "max-buffer-size"];
/// What goes with each line.
const ATTRIBUTES: [&str; 5] = ["labels", "labels-regex", "env", "env-regex", "tag"];

fn files(
    options: &BTreeMap<String, String>,
    [size, count, compress]: [&'static str; 3],
    format: LogFormat,
) -> Result<LogPlan, Error> {
    let max_size_bytes = read(options, size, "a size such as 10m", |value| {
        value.parse().map(ByteSize::bytes).ok().filter(|bytes| *bytes > 0)
    })?;
    let max_files = read(options, count, "a number from 1 to 10000", |value| {
        value.parse().ok().filter(|count| (1..=MOST_FILES).contains(count))
    })?;
    let max_files = max_files.unwrap_or(DEFAULT_MAX_FILES);
    let asked = flag(options, compress)?;
    if asked == Some(true) && max_files == 1 {
        return Err(Error::invalid(format!(
            "log option {compress} does not go with {count}=1: only files that are full are compressed, and one file never is"
        )));
    }
    Ok(LogPlan {
        format,
        max_size_bytes: max_size_bytes.unwrap_or(DEFAULT_MAX_SIZE_BYTES),
        max_files,
        compress: asked.unwrap_or(format == LogFormat::Local) && max_files > 1,
        hidden: false,
        destination: None,
    })
}

/// A container never waits for its log: what is written goes to a file, and from there to whoever wants it. Both modes are therefore
/// the same, and a buffer is a part of that file.
fn buffering(options: &BTreeMap<String, String>) -> Result<(), Error> {
    let mode = read(options, "mode", "blocking or non-blocking", |value| match value {
        "" | "blocking" => Some(false),
        "non-blocking" => Some(true),
        _ => None,
    })?;
    let size = read(options, "max-buffer-size", "a size such as 4m", |value| {
        value.parse::<ByteSize>().ok().filter(|size| size.bytes() > 0)
    })?;
    if size.is_some() && mode != Some(true) {
        return Err(Error::invalid(
            "log option max-buffer-size needs mode=non-blocking: give both, or none",
        ));
    }
    Ok(())
}

fn attributes(options: &BTreeMap<String, String>) -> Result<(), Error> {
    for key in ["labels-regex", "env-regex"] {
        read(options, key, "a regular expression", |value| Regex::new(value).ok())?;
    }
    options.get("tag").map_or(Ok(()), |template| tag::check(template))
}

fn flag(options: &BTreeMap<String, String>, key: &'static str) -> Result<Option<bool>, Error> {
    read(options, key, "true or false", truth)
}

fn read<T>(
    options: &BTreeMap<String, String>,
    key: &'static str,
    wanted: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Error> {
    let Some(value) = options.get(key) else { return Ok(None) };
    read(value).map(Some).ok_or_else(|| {
        Error::invalid(format!("invalid value {value:?} for log option {key}: give {wanted}"))
    })
}

#[cfg(test)]
mod tests;
