//! What containers get that ask for nothing else, and the runtimes that they may ask for: dockerd's flags and keys.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use gantry_api::container::Ulimit;
use gantry_engine::{ContainerDefaults, DefaultSeccomp, OWN_RUNTIME, RuntimeSettings};
use gantry_types::ByteSize;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::pairs::{self, Pair};
use crate::subordinate::{Files, mapping};

/// Names of runtimes that mean the one that is built in.
const RESERVED: [&str; 3] = [OWN_RUNTIME, "runc", "io.containerd.runc.v2"];
/// Docker's own profile is a tenth of this.
const MAX_PROFILE_BYTES: u64 = 1 << 20;

/// What was given.
#[derive(Debug, Default, clap::Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct ContainerKeys {
    /// A limit of setrlimit(2) for containers that set none of that name, as name=soft[:hard]; may be repeated
    #[arg(long = "default-ulimit", value_name = "ULIMIT")]
    #[serde(with = "pairs")]
    pub default_ulimits: Option<Vec<Pair<Limit>>>,
    /// The size of containers' /dev/shm [default: 64m]
    #[arg(long, value_name = "BYTES")]
    pub default_shm_size: Option<Size>,
    /// The mode of containers' IPC namespaces: private or shareable [default: private]
    #[arg(long, value_name = "MODE")]
    pub default_ipc_mode: Option<String>,
    /// The mode of containers' cgroup namespaces: private or host [default: private, on cgroup v1 host]
    #[arg(long, value_name = "MODE")]
    pub default_cgroupns_mode: Option<String>,
    /// Keep containers from gaining privileges unless they ask for it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_new_privileges: Option<bool>,
    /// Run a tiny init as the first process of containers
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub init: Option<bool>,
    /// That init's program [default: gantry-init, beside gantryd]
    #[arg(long, value_name = "PATH")]
    pub init_path: Option<PathBuf>,
    /// The system call filter of containers: a file in Docker's form, builtin, or unconfined [default: builtin]
    #[arg(long, value_name = "PATH")]
    pub seccomp_profile: Option<String>,
    /// A folder of device specifications (CDI); may be repeated [default: /etc/cdi and /var/run/cdi]
    #[arg(long = "cdi-spec-dir", value_name = "DIR")]
    pub cdi_spec_dirs: Option<Vec<PathBuf>>,
    /// A runtime that containers may ask for, as name=path; may be repeated
    #[arg(long = "add-runtime", value_name = "RUNTIME")]
    #[serde(with = "pairs")]
    pub runtimes: Option<Vec<Pair<RuntimeEntry>>>,
    /// The runtime of containers that ask for none [default: gantry]
    #[arg(long, value_name = "NAME")]
    pub default_runtime: Option<String>,
    /// Microseconds of realtime in a period that all containers may share (cgroup v1)
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_rt_runtime: Option<i64>,
    /// The length of that period in microseconds (cgroup v1)
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_rt_period: Option<i64>,
    /// Give containers other ids than the host's: default, the user[:group] whose subordinate ids they get, or map:FIRST[:COUNT]
    #[arg(long, value_name = "USER")]
    pub userns_remap: Option<String>,
}

/// A limit of setrlimit(2), whose name stands before it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Limit(Ulimit);

impl FromStr for Limit {
    type Err = &'static str;

    /// `soft[:hard]`; −1 is unlimited.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= -1);
        let (soft, hard) = text.split_once(':').unwrap_or((text, text));
        match number(soft).zip(number(hard)) {
            Some((soft, hard)) => Ok(Self(Ulimit { soft, hard, ..Ulimit::default() })),
            None => Err("it takes name=soft[:hard]"),
        }
    }
}

/// One entry of the key `runtimes`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct RuntimeEntry {
    path: String,
    runtime_args: Vec<String>,
    runtime_type: String,
    options: RuntimeOptions,
}

impl FromStr for RuntimeEntry {
    type Err = std::convert::Infallible;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        Ok(Self { path: path.to_owned(), ..Self::default() })
    }
}

/// What containerd's configuration calls so, as far as a container of ours has use for it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
struct RuntimeOptions {
    binary_name: String,
    root: String,
    no_pivot_root: bool,
    no_new_keyring: bool,
}

/// A size with or without a unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Size {
    Bytes(i64),
    Text(String),
}

impl FromStr for Size {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::Text(text.to_owned()))
    }
}

/// What was given becomes what the engine is told.
pub(crate) fn resolve(
    keys: &ContainerKeys,
    features: &BTreeMap<String, bool>,
) -> Result<ContainerDefaults, Error> {
    let remap = keys.userns_remap.as_deref().filter(|user| !user.is_empty());
    let default = ContainerDefaults::default();
    let runtimes: BTreeMap<_, _> = pairs::map(keys.runtimes.clone())
        .into_iter()
        .map(runtime_of_entry)
        .collect::<Result<_, _>>()?;
    let profile = keys.seccomp_profile.as_deref().unwrap_or_default();
    let ipc_mode = keys.default_ipc_mode.as_deref().unwrap_or(&default.ipc_mode);
    let cgroupns_mode = keys.default_cgroupns_mode.as_deref();
    let dirs = keys.cdi_spec_dirs.clone().unwrap_or(default.cdi_spec_dirs);
    let has_cdi = features.get("cdi").copied().unwrap_or(true);
    Ok(ContainerDefaults {
        ulimits: ulimits(pairs::map(keys.default_ulimits.clone()))?,
        shm_size_bytes: match &keys.default_shm_size {
            Some(size) => shm_size(size)?,
            None => default.shm_size_bytes,
        },
        ipc_mode: one_of("default-ipc-mode", ipc_mode, ["private", "shareable"])?,
        cgroupns_mode: cgroupns_mode
            .map(|mode| one_of("default-cgroupns-mode", mode, ["private", "host"]))
            .transpose()?,
        no_new_privileges: keys.no_new_privileges.unwrap_or(false),
        init: keys.init.unwrap_or(false),
        user_namespace: remap.map(|user| mapping(user, &Files::default())).transpose()?,
        seccomp_profile: seccomp_profile(profile)?,
        // One empty name turns the interface off, as in Docker.
        cdi_spec_dirs: dirs
            .into_iter()
            .filter(|dir| has_cdi && !dir.as_os_str().is_empty())
            .collect(),
        default_runtime: default_runtime(keys.default_runtime.as_deref(), &runtimes)?,
        runtimes,
        // Among the keys of storage drivers.
        writable_layer_bytes: None,
        cpu_rt_runtime_us: keys.cpu_rt_runtime.unwrap_or(0),
        cpu_rt_period_us: keys.cpu_rt_period.unwrap_or(0),
    })
}

fn refused(key: &'static str, value: impl Into<String>, why: impl Into<String>) -> Error {
    Error::Refused { key, value: value.into(), why: why.into() }
}

fn one_of(key: &'static str, value: &str, choices: [&str; 2]) -> Result<String, Error> {
    if choices.contains(&value) {
        return Ok(value.to_owned());
    }
    Err(refused(key, value, format!("it is {} or {}", choices[0], choices[1])))
}

fn shm_size(size: &Size) -> Result<i64, Error> {
    let bytes = match size {
        Size::Bytes(bytes) => Some(*bytes),
        Size::Text(text) => {
            text.parse().ok().and_then(|size: ByteSize| i64::try_from(size.bytes()).ok())
        }
    };
    match (bytes.filter(|bytes| *bytes > 0), size) {
        (Some(bytes), _) => Ok(bytes),
        (None, Size::Bytes(bytes)) => {
            Err(refused("default-shm-size", bytes.to_string(), "it is a size above zero"))
        }
        (None, Size::Text(text)) => {
            Err(refused("default-shm-size", text, "it is a size such as 64m"))
        }
    }
}

fn ulimits(given: BTreeMap<String, Limit>) -> Result<BTreeMap<String, Ulimit>, Error> {
    let check = |(name, Limit(limit)): (String, Limit)| {
        let refuse = |why: &str| Err(refused("default-ulimits", name.as_str(), why));
        if !Ulimit::NAMES.contains(&name.as_str()) {
            return refuse("there is no such limit");
        }
        if limit.soft.cast_unsigned() > limit.hard.cast_unsigned() {
            return refuse("its soft limit is above its hard one");
        }
        Ok((name.clone(), Ulimit { name, ..limit }))
    };
    given.into_iter().map(check).collect()
}

fn seccomp_profile(given: &str) -> Result<DefaultSeccomp, Error> {
    match given {
        "" | "builtin" => return Ok(DefaultSeccomp::Builtin),
        "unconfined" => return Ok(DefaultSeccomp::Unconfined),
        _ => {}
    }
    let path = PathBuf::from(given);
    let json = read_bounded(&path)
        .map_err(|source| Error::SeccompProfile { path: path.clone(), source })?;
    Ok(DefaultSeccomp::Profile { path, json })
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_PROFILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_PROFILE_BYTES {
        return Err(std::io::Error::other(format!("it is longer than {MAX_PROFILE_BYTES} bytes")));
    }
    Ok(text)
}

fn runtime_of_entry(
    (name, entry): (String, RuntimeEntry),
) -> Result<(String, RuntimeSettings), Error> {
    let RuntimeEntry { path, runtime_args, runtime_type, options } = entry;
    let refuse = |why: &str| Err(refused("runtimes", name.as_str(), why));
    if !matches!(runtime_type.as_str(), "" | "io.containerd.runc.v2") {
        return refuse(
            "its runtimeType is another shim: give the path of a program with runc's command line, which Gantry's own \
             shim runs",
        );
    }
    if !path.is_empty() && (!runtime_type.is_empty() || !options.binary_name.is_empty()) {
        return refuse("it has a path and a runtimeType: give one of them");
    }
    let program = if path.is_empty() { options.binary_name } else { path };
    let settings = RuntimeSettings {
        program,
        arguments: runtime_args,
        root: options.root,
        no_pivot_root: options.no_pivot_root,
        no_new_keyring: options.no_new_keyring,
    };
    runtime(&name, settings)
}

fn runtime(name: &str, settings: RuntimeSettings) -> Result<(String, RuntimeSettings), Error> {
    let refuse = |why: &str| Err(refused("runtimes", name, why));
    if RESERVED.contains(&name) {
        return refuse("the name is reserved: it means the runtime that is built in");
    }
    if name.trim().is_empty() || name.contains(char::is_whitespace) {
        return refuse("it is no name");
    }
    if settings.program.is_empty() {
        return refuse("it has no path");
    }
    if settings.program.contains('/') && !settings.program.starts_with('/') {
        return refuse("its path is neither absolute nor the name of a program");
    }
    Ok((name.to_owned(), settings))
}

fn default_runtime(
    given: Option<&str>,
    runtimes: &BTreeMap<String, RuntimeSettings>,
) -> Result<String, Error> {
    match given {
        None | Some("") => Ok(OWN_RUNTIME.to_owned()),
        Some(name) if RESERVED.contains(&name) => Ok(OWN_RUNTIME.to_owned()),
        Some(name) if runtimes.contains_key(name) => Ok(name.to_owned()),
        Some(name) => {
            Err(refused("default-runtime", name, "specified default runtime does not exist"))
        }
    }
}

#[cfg(test)]
mod tests;
