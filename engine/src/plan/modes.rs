//! Namespace modes: which namespaces a container has to itself and which it shares with the host.

use gantry_api::container::{Config, HostConfig};
use gantry_network::DEFAULT_NETWORK;
use gantry_types::ContainerId;
use serde::{Deserialize, Serialize};

use super::Surroundings;
use crate::error::Error;
use crate::settings::{ContainerDefaults, OWN_RUNTIME};

/// What a container shares with whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Modes {
    pub network: Network,
    pub ipc: Ipc,
    pub pid: Sharing,
    pub uts: Sharing,
    pub cgroup_namespace: CgroupNamespace,
}

impl Modes {
    /// Reads the modes and completes those that were left open.
    pub(super) fn resolve(
        host: &mut HostConfig,
        config: &Config,
        around: Surroundings<'_>,
    ) -> Result<Self, Error> {
        let Surroundings { host: facts, defaults, .. } = around;
        let network = Network::parse(&host.network_mode, config, facts.default_bridge)?;
        if network == Network::Container {
            check_joined(host, config)?;
        }
        if host.ipc_mode.is_empty() {
            host.ipc_mode.clone_from(&defaults.ipc_mode);
        }
        let default = defaults.cgroupns_mode.as_deref();
        let cgroup_namespace = CgroupNamespace::parse(host, default, facts.cgroup_v2)?;
        cgroup_namespace.name().clone_into(&mut host.cgroupns_mode);
        complete_runtime(host, defaults)?;
        Ok(Self {
            network,
            ipc: Ipc::parse(&host.ipc_mode)?,
            pid: Sharing::of_processes(&host.pid_mode)?,
            uts: Sharing::of_names(&host.uts_mode)?,
            cgroup_namespace,
        })
    }
}

/// The name of the runtime: the daemon's default where none was given, and one name for our own.
fn complete_runtime(host: &mut HostConfig, defaults: &ContainerDefaults) -> Result<(), Error> {
    let name = match host.runtime.as_str() {
        "" => defaults.default_runtime.as_str(),
        "runc" | "io.containerd.runc.v2" => OWN_RUNTIME,
        name => name,
    };
    if name != OWN_RUNTIME && !defaults.runtimes.contains_key(name) {
        return Err(Error::invalid(format!("unknown or invalid runtime name: {name}")));
    }
    host.runtime = name.to_owned();
    Ok(())
}

/// What a container is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Network {
    /// Its own namespace with loopback, because that was asked for.
    None,
    /// The host's namespace.
    Host,
    /// Another container's namespace; the mode in the host's half of the settings says whose.
    Container,
    /// Its own namespace, and a device for each of its networks.
    #[serde(alias = "Private")]
    Bridge,
}

const JOINS: &str = "container:";

/// The container whose network namespace a mode means.
pub(crate) fn joined(mode: &str) -> Option<&str> {
    mode.strip_prefix(JOINS)
}

/// What a container has that has another one's network, in Docker's words. (The host's name is the other one's, too.)
fn check_joined(host: &HostConfig, config: &Config) -> Result<(), Error> {
    let bindings = host.port_bindings.values().flatten().any(|it| !it.is_empty());
    let conflicts = [
        (
            !host.links.is_empty(),
            "conflicting options: container type network can't be used with links. This would result in undefined behavior",
        ),
        (!host.dns.is_empty(), "conflicting options: dns and the network mode"),
        (
            !host.extra_hosts.is_empty(),
            "conflicting options: custom host-to-IP mapping and the network mode",
        ),
        (!config.mac_address.is_empty(), "conflicting options: mac-address and the network mode"),
        (
            bindings || host.publish_all_ports,
            "conflicting options: port publishing and the container type network mode",
        ),
        (
            !config.exposed_ports.is_empty(),
            "conflicting options: port exposing and the container type network mode",
        ),
    ];
    match conflicts.iter().find(|(asked, _)| *asked) {
        Some((_, text)) => Err(Error::invalid(*text)),
        None => Ok(()),
    }
}

impl Network {
    pub(super) fn parse(mode: &str, config: &Config, default_bridge: bool) -> Result<Self, Error> {
        match mode {
            _ if config.network_disabled => Ok(Self::None),
            "none" => Ok(Self::None),
            "host" => Ok(Self::Host),
            "" | "default" | DEFAULT_NETWORK if !default_bridge => Ok(Self::None),
            "container:" => Err(Error::invalid(
                "Invalid network mode: invalid container format container:<name|id>",
            )),
            other if other.starts_with(JOINS) => Ok(Self::Container),
            _ => Ok(Self::Bridge),
        }
    }
}

/// A namespace that is the container's own, the host's, or another container's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sharing {
    Own,
    Host,
    /// The mode in the host's half of the settings says whose.
    Container,
}

impl Sharing {
    /// `--pid`.
    fn of_processes(mode: &str) -> Result<Self, Error> {
        match mode {
            "" | "private" => Ok(Self::Own),
            "host" => Ok(Self::Host),
            other if joined(other).is_some_and(|name| !name.is_empty()) => Ok(Self::Container),
            other => Err(Error::invalid(format!("invalid PID mode: {other}"))),
        }
    }

    /// `--uts`: a host name is one's own or the host's.
    fn of_names(mode: &str) -> Result<Self, Error> {
        match mode {
            "" | "private" => Ok(Self::Own),
            "host" => Ok(Self::Host),
            other => Err(Error::invalid(format!("invalid UTS mode: {other}"))),
        }
    }
}

/// The IPC namespace and its `/dev/shm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ipc {
    Private,
    /// Its own, which other containers may join.
    Shareable,
    /// Its own namespace without `/dev/shm`.
    None,
    Host,
    /// Another container's; the mode in the host's half of the settings says whose.
    Container,
}

impl Ipc {
    fn parse(mode: &str) -> Result<Self, Error> {
        match mode {
            "private" => Ok(Self::Private),
            "shareable" => Ok(Self::Shareable),
            "none" => Ok(Self::None),
            "host" => Ok(Self::Host),
            other if joined(other).is_some_and(|name| !name.is_empty()) => Ok(Self::Container),
            other => Err(Error::invalid(format!("invalid IPC mode: {other}"))),
        }
    }

    /// Whether the container has a `/dev/shm` of its own.
    pub(crate) fn has_own_shm(self) -> bool {
        matches!(self, Self::Private | Self::Shareable)
    }
}

/// Whether the container sees its own cgroup as the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CgroupNamespace {
    Private,
    Host,
}

impl CgroupNamespace {
    /// Docker's default: private where the unified hierarchy rules, else the host's, as for privileged containers.
    fn parse(host: &HostConfig, default: Option<&str>, cgroup_v2: bool) -> Result<Self, Error> {
        match (host.cgroupns_mode.as_str(), default) {
            ("", _) if host.privileged && !cgroup_v2 => Ok(Self::Host),
            ("", None) => Ok(if cgroup_v2 { Self::Private } else { Self::Host }),
            ("private", _) | ("", Some("private")) => Ok(Self::Private),
            ("host", _) | ("", Some(_)) => Ok(Self::Host),
            (other, _) => Err(Error::invalid(format!("invalid cgroup namespace mode: {other}"))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Host => "host",
        }
    }
}

/// The container's host name: what was asked for, the host's where it shares the host's, else its short id.
pub(super) fn complete_hostname(
    config: &mut Config,
    id: &ContainerId,
    modes: Modes,
    host: &str,
) -> Result<(), Error> {
    const MAX_LEN: usize = 64;
    // Only what was asked for: the host may be called what it likes, "(none)" before anybody named it.
    for (what, text) in [("hostname", &config.hostname), ("domainname", &config.domainname)] {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if text.len() > MAX_LEN || !text.bytes().all(allowed) {
            return Err(Error::invalid(format!(
                "invalid {what} {text:?}: up to {MAX_LEN} letters, digits, dots, hyphens and underscores"
            )));
        }
    }
    if modes.uts == Sharing::Host {
        if !config.hostname.is_empty() {
            return Err(Error::invalid("conflicting options: hostname and the UTS mode"));
        }
        host.clone_into(&mut config.hostname);
    } else if config.hostname.is_empty() {
        let default = if modes.network == Network::Host { host } else { id.short() };
        default.clone_into(&mut config.hostname);
    }
    Ok(())
}
