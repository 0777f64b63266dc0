//! Flags, environment and file become one set of settings without gaps. Nothing after this reads any of the three, but
//! for a reload, which resolves all of it anew.

use std::collections::BTreeMap;
use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gantry_docker_http::{ApiVersion, Versions};
use gantry_engine::{ContainerDefaults, LogDefaults, PluginConfig};

use crate::HELLO_WORLD;
use crate::error::Error;
use crate::given::{Given, LayerFormat, LogFormat, LogLevel};
use crate::listen::{Host, HostDefaults};
use crate::networks::{self, Bridge};
use crate::tls::{self, Tls};
use crate::{cgroup_keys, containers, foreign, live, names, pairs};

const DATA_ROOT: &str = "/var/lib/gantry";
const EXEC_ROOT: &str = "/run/gantry";

/// Everything the daemon does as it was told.
#[derive(Debug)]
pub(crate) struct Settings {
    pub hosts: Vec<Host>,
    /// The group of unix sockets; without one it is Docker's, where the host has that.
    pub socket_group: Option<String>,
    pub tls: Tls,
    pub metrics: Option<SocketAddr>,
    pub pidfile: PathBuf,
    pub log_level: LogLevel,
    pub log_format: LogFormat,
    pub api_versions: Versions,
    /// What was said that has no effect.
    pub warnings: Vec<String>,
    pub engine: gantry_engine::Settings,
}

impl Settings {
    /// Completes what was given by the environment and the defaults.
    pub(crate) fn resolve(given: Given) -> Result<Self, Error> {
        let warnings = foreign::check(&given.foreign)?;
        let features = pairs::map(given.features);
        let containers = ContainerDefaults {
            writable_layer_bytes: foreign::default_layer_size(&given.foreign)?,
            ..containers::resolve(&given.containers, &features)?
        };
        let debug = given.debug.unwrap_or(false);
        let live = live::resolve(
            given.registries,
            live::Told {
                debug,
                experimental: given.experimental.unwrap_or(false),
                labels: given.labels.unwrap_or_default(),
                containers,
                features,
                authorization_plugins: given.authorization_plugins.unwrap_or_default(),
                shutdown_timeout_s: given.shutdown_timeout,
            },
        )?;
        let signature_policy = live.signature_policy;
        let bridge = given.bridge.unwrap_or(Bridge::Auto);
        let (cgroup_driver, cgroup_parent) = cgroup_keys::resolve(given.cgroups)?;
        let data_root = absolute("--data-root", given.data_root, DATA_ROOT)?;
        let exec_root = absolute("--exec-root", given.exec_root, EXEC_ROOT)?;
        let tls = tls::resolve(given.tls);
        let defaults =
            HostDefaults { socket: exec_root.join("gantry.sock"), tls: matches!(tls, Tls::On(_)) };
        let level = given.log_level.unwrap_or(LogLevel::Info);
        Ok(Self {
            hosts: hosts(given.hosts.unwrap_or_default(), &defaults)?,
            socket_group: given.group,
            tls,
            metrics: given.metrics_addr.as_deref().map(metrics_address).transpose()?.flatten(),
            pidfile: given.pidfile.unwrap_or_else(|| exec_root.join("gantryd.pid")),
            log_level: if debug { LogLevel::Debug } else { level },
            log_format: given.log_format.unwrap_or(LogFormat::Text),
            api_versions: api_versions(given.min_api_version, given.max_api_version.as_deref())?,
            warnings,
            engine: gantry_engine::Settings {
                data_root,
                exec_root,
                shim: program("gantry-shim")?,
                init: given.containers.init_path.map_or_else(|| program("gantry-init"), Ok)?,
                cgroup_driver,
                cgroup_parent,
                selinux: given.selinux_enabled.unwrap_or(false),
                layer_format: given.layer_format.and_then(LayerFormat::choice),
                layer_archives: given.layer_archives.unwrap_or_default().quiet(),
                default_bridge: bridge != Bridge::None,
                networks: networks::resolve(given.networks, &bridge)?,
                plugins: plugins(given.plugin_dirs.unwrap_or_default()),
                names: names::resolve(given.names)?,
                logs: logs(given.log_driver, pairs::map(given.log_opts)),
                live: live.settings,
                signature_policy,
                embedded_image: HELLO_WORLD,
                fail_at: env::var_os("GANTRY_FAIL_AT").and_then(|step| step.into_string().ok()),
            },
        })
    }
}

fn absolute(flag: &'static str, given: Option<PathBuf>, default: &str) -> Result<PathBuf, Error> {
    let path = given.unwrap_or_else(|| default.into());
    if path.is_absolute() { Ok(path) } else { Err(Error::RelativePath { flag, path }) }
}

/// Each once.
fn hosts(given: Vec<String>, defaults: &HostDefaults) -> Result<Vec<Host>, Error> {
    let given = if given.is_empty() { vec!["unix://".to_owned()] } else { given };
    let mut hosts = Vec::with_capacity(given.len());
    for text in given {
        let host = Host::parse(&text, defaults)?;
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    Ok(hosts)
}

/// `address:port`, or `:port` for all addresses; empty is nowhere.
fn metrics_address(text: &str) -> Result<Option<SocketAddr>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let text = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    let why = "it takes an IP address and a port, as 127.0.0.1:9323";
    text.replace("localhost:", "127.0.0.1:").parse().map(Some).map_err(|_| Error::Refused {
        key: "metrics-addr",
        value: text,
        why: why.to_owned(),
    })
}

fn logs(driver: Option<String>, options: BTreeMap<String, String>) -> LogDefaults {
    let default = LogDefaults::default();
    LogDefaults {
        driver: driver.filter(|name| !name.is_empty()).unwrap_or(default.driver),
        options,
    }
}

/// Which versions of the API clients may speak.
fn api_versions(oldest: Option<String>, newest: Option<&str>) -> Result<Versions, Error> {
    let parse = |key, text: &str| {
        text.parse::<ApiVersion>().map_err(|source| Error::ApiVersion { key, source })
    };
    // Docker has nothing but this variable for it.
    let variable = || env::var_os("DOCKER_MIN_API_VERSION")?.into_string().ok();
    let oldest = oldest.or_else(variable).filter(|text| !text.is_empty());
    let oldest = oldest.map(|text| parse("min-api-version", &text)).transpose()?;
    let newest = newest.map(|text| parse("max-api-version", text)).transpose()?;
    Versions::new(oldest, newest).map_err(|source| Error::ApiVersions { source })
}

/// The user's folders first.
fn plugins(mut own: Vec<PathBuf>) -> PluginConfig {
    let default = PluginConfig::default();
    own.extend(default.sockets);
    PluginConfig { sockets: own, ..default }
}

/// A program of ours: beside this one, or in `PATH`.
fn program(name: &'static str) -> Result<PathBuf, Error> {
    let own = env::current_exe().unwrap_or_default();
    let beside = own.parent().unwrap_or(Path::new("/")).join(name);
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).map(|dir| dir.join(name));
    let found =
        std::iter::once(beside.clone()).chain(in_path).find(|candidate| candidate.is_file());
    found.ok_or(Error::MissingProgram { name, looked: beside })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_told_somewhere_or_nowhere() {
        for (text, address) in [
            ("127.0.0.1:9323", Some("127.0.0.1:9323")),
            ("localhost:9323", Some("127.0.0.1:9323")),
            (":9323", Some("0.0.0.0:9323")),
            ("[::1]:1", Some("[::1]:1")),
            ("", None),
        ] {
            let expected = address.map(|text| text.parse().unwrap());
            assert_eq!(metrics_address(text).unwrap(), expected, "{text}");
        }
        assert!(metrics_address("9323").is_err());
    }

    #[test]
    fn a_host_is_listened_at_once() {
        let defaults = HostDefaults { socket: "/run/g.sock".into(), tls: false };
        let words = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        let given = words(&["unix:///run/g.sock", "unix://", "tcp://127.0.0.1:1"]);
        assert_eq!(hosts(given, &defaults).unwrap().len(), 2);
        assert_eq!(hosts(Vec::new(), &defaults).unwrap().len(), 1);
    }
}
