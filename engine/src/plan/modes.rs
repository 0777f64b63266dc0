//! Namespace modes: which namespaces a container has to itself and which it shares with the host.

use gantry_api::container::{Config, HostConfig};
use gantry_network::DEFAULT_NETWORK;
use gantry_types::ContainerId;
use serde::{Deserialize, Serialize};

use crate::error::Error;

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
pub(super) fn check_joined(host: &HostConfig, config: &Config) -> Result<(), Error> {
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

/// A namespace that is the container's own or the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sharing {
    Own,
    Host,
}

impl Sharing {
    pub(super) fn parse(what: &str, mode: &str) -> Result<Self, Error> {
        match mode {
            "" | "private" => Ok(Self::Own),
            "host" => Ok(Self::Host),
            other if other.starts_with("container:") => {
                Err(Error::not_there_yet(format!("{what} mode {other:?}")))
            }
            other => Err(Error::invalid(format!("invalid {what} mode: {other}"))),
        }
    }
}

/// The IPC namespace and its `/dev/shm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ipc {
    Private,
    /// Its own namespace without `/dev/shm`.
    None,
    Host,
}

impl Ipc {
    pub(super) fn parse(mode: &str) -> Result<Self, Error> {
        match mode {
            "" | "private" => Ok(Self::Private),
            "none" => Ok(Self::None),
            "host" => Ok(Self::Host),
            "shareable" => Err(Error::not_there_yet("IPC mode \"shareable\"")),
            other if other.starts_with("container:") => {
                Err(Error::not_there_yet(format!("IPC mode {other:?}")))
            }
            other => Err(Error::invalid(format!("invalid IPC mode: {other}"))),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::None => "none",
            Self::Host => "host",
        }
    }
}

/// Whether the container sees its own cgroup as the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CgroupNamespace {
    Private,
    Host,
}

impl CgroupNamespace {
    /// Docker's default: private where the unified hierarchy rules.
    pub(super) fn parse(mode: &str, cgroup_v2: bool) -> Result<Self, Error> {
        match mode {
            "" => Ok(if cgroup_v2 { Self::Private } else { Self::Host }),
            "private" => Ok(Self::Private),
            "host" => Ok(Self::Host),
            other => Err(Error::invalid(format!("invalid cgroup namespace mode: {other}"))),
        }
    }

    pub(super) fn name(self) -> &'static str {
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
    (uts, network): (Sharing, Network),
    host: &str,
) -> Result<(), Error> {
    const MAX_LEN: usize = 64;
    if uts == Sharing::Host {
        if !config.hostname.is_empty() {
            return Err(Error::invalid("conflicting options: hostname and the UTS mode"));
        }
        host.clone_into(&mut config.hostname);
    } else if config.hostname.is_empty() {
        let default = if network == Network::Host { host } else { id.short() };
        default.clone_into(&mut config.hostname);
    }
    for (what, text) in [("hostname", &config.hostname), ("domainname", &config.domainname)] {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if text.len() > MAX_LEN || !text.bytes().all(allowed) {
            return Err(Error::invalid(format!(
                "invalid {what} {text:?}: up to {MAX_LEN} letters, digits, dots, hyphens and underscores"
            )));
        }
    }
    Ok(())
}
