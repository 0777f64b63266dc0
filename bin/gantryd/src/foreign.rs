//! Keys of dockerd for parts that Gantry does not have: taken where what they ask for is so anyway, passed over with a
//! warning where nothing depends on them, refused where somebody would rely on them.

#![expect(clippy::doc_markdown, reason = "the help of the command is made of it")]

use std::num::NonZeroU64;

use gantry_types::ByteSize;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;

/// The keys.
#[derive(Debug, Default, clap::Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[command(next_help_heading = "Known from dockerd, with little or no effect")]
pub(crate) struct ForeignKeys {
    /// Containers always outlive the daemon
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub live_restore: Option<bool>,
    /// Passed over: there is no containerd
    #[arg(long, value_name = "ADDRESS")]
    pub containerd: Option<String>,
    /// Passed over: there is no containerd
    #[arg(long, value_name = "NAME")]
    pub containerd_namespace: Option<String>,
    /// Passed over: there is no containerd
    #[arg(long = "containerd-plugins-namespace", value_name = "NAME")]
    pub containerd_plugin_namespace: Option<String>,
    /// There is no containerd that could serve Kubernetes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub cri_containerd: Option<bool>,
    /// overlay2 is the only one
    #[arg(short = 's', long, value_name = "DRIVER")]
    pub storage_driver: Option<String>,
    /// overlay2.size=SIZE, what a container's writable layer may hold unless it says otherwise
    #[arg(long = "storage-opt", value_name = "OPTION")]
    pub storage_opts: Option<Vec<String>>,
    /// Cannot be switched off: the daemon's rules are a table of nftables of its own
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub iptables: Option<bool>,
    /// The same for IPv6
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub ip6tables: Option<bool>,
    /// So it is in any case: other tables' policies stay as they are
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub ip_forward_no_drop: Option<bool>,
    /// nftables is the only one
    #[arg(long, value_name = "NAME")]
    pub firewall_backend: Option<String>,
    /// Containers' own addresses are not reached from outside
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub allow_direct_routing: Option<bool>,
    /// Not there: put a rule into the chain `user` instead
    #[arg(long, value_name = "MARK")]
    pub bridge_accept_fwmark: Option<String>,
    /// Passed over: the daemon relays what the packet filter cannot lead by itself
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub userland_proxy: Option<bool>,
    /// Passed over: it is a thread of the daemon
    #[arg(long, value_name = "FILE")]
    pub userland_proxy_path: Option<String>,
    /// Not there
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub rootless: Option<bool>,
    /// So it is in any case: the log has no colours
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub raw_logs: Option<bool>,
    /// Passed over: there are no swarms
    #[arg(long, value_name = "BYTES")]
    pub network_control_plane_mtu: Option<i64>,
    /// Passed over: there are no swarms
    #[arg(long, value_name = "PORT", hide = true)]
    pub network_diagnostic_port: Option<i64>,
    /// Passed over: there are no swarms
    #[arg(long, value_name = "ADDRESS")]
    pub swarm_default_advertise_addr: Option<String>,
    #[arg(skip)]
    pub swarm_raft_heartbeat_tick: Option<u32>,
    #[arg(skip)]
    pub swarm_raft_election_tick: Option<u32>,
    /// Passed over: there are no swarms
    #[arg(long = "node-generic-resource", value_name = "RESOURCE")]
    pub node_generic_resources: Option<Vec<String>>,
    /// Passed over: containers have restart policies of their own
    #[arg(short = 'r', long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    pub restart: Option<bool>,
    /// Limits of BuildKit's cache, which there is not.
    #[arg(skip)]
    pub builder: Option<Value>,
    #[arg(skip)]
    pub deprecated_key_path: Option<String>,
    #[arg(long, hide = true)]
    pub api_cors_header: Option<String>,
}

/// What a writable layer may hold: the last size that was given.
pub(crate) fn default_layer_size(keys: &ForeignKeys) -> Result<Option<NonZeroU64>, Error> {
    let mut size = None;
    for option in keys.storage_opts.iter().flatten() {
        size = storage_option(option)?.or(size);
    }
    Ok(size)
}

/// The size that an option asks for; others are passed over.
fn storage_option(option: &str) -> Result<Option<NonZeroU64>, Error> {
    let refuse = |why: &str| refused("storage-opts", option, why);
    let (name, value) =
        option.split_once('=').ok_or_else(|| refuse("it takes the form opt=value"))?;
    match name.trim().to_ascii_lowercase().as_str() {
        "overlay2.override_kernel_check" => Ok(None),
        "overlay2.size" => {
            let size: ByteSize =
                value.trim().parse().map_err(|_| refuse("it takes a size such as 10G"))?;
            gantry_engine::writable_layer_bytes(size).map_err(|why| refuse(&why))
        }
        _ => Err(refuse("there is no such option")),
    }
}

/// Refuses what cannot be had; tells what is passed over.
pub(crate) fn check(keys: &ForeignKeys) -> Result<Vec<String>, Error> {
    storage(keys)?;
    networks(keys)?;
    host(keys)?;
    let mut warnings = passed_over(keys);
    if keys.live_restore == Some(false) {
        warnings
            .push("live-restore=false is passed over: containers outlive the daemon".to_owned());
    }
    Ok(warnings)
}

fn storage(keys: &ForeignKeys) -> Result<(), Error> {
    if let Some(driver) = &keys.storage_driver
        && !matches!(driver.as_str(), "" | "overlay2" | "overlayfs")
    {
        return Err(refused("storage-driver", driver, "overlay2 is the only one that there is"));
    }
    for option in keys.storage_opts.iter().flatten() {
        storage_option(option)?;
    }
    Ok(())
}

fn networks(keys: &ForeignKeys) -> Result<(), Error> {
    for (key, value) in [("iptables", keys.iptables), ("ip6tables", keys.ip6tables)] {
        if value == Some(false) {
            let why = "networks and published ports are rules of Gantry's own table, and no other table is touched; \
                       use bridge=none for a daemon without networks";
            return Err(refused(key, "false", why));
        }
    }
    if let Some(backend) = &keys.firewall_backend
        && !matches!(backend.as_str(), "" | "nftables")
    {
        return Err(refused("firewall-backend", backend, "nftables is the only one that there is"));
    }
    if keys.allow_direct_routing == Some(true) {
        let why = "containers' own addresses are not reached from outside";
        return Err(refused("allow-direct-routing", "true", why));
    }
    match keys.bridge_accept_fwmark.as_deref() {
        None | Some("") => Ok(()),
        Some(mark) => {
            let why = "accept the mark in the chain user of Gantry's own table instead";
            Err(refused("bridge-accept-fwmark", mark, why))
        }
    }
}

fn host(keys: &ForeignKeys) -> Result<(), Error> {
    for (key, value, why) in [
        ("cri-containerd", keys.cri_containerd, "there is no containerd in Gantry"),
        ("rootless", keys.rootless, "a daemon without root's rights is not there yet"),
    ] {
        if value == Some(true) {
            return Err(refused(key, "true", why));
        }
    }
    match keys.api_cors_header.as_deref() {
        None | Some("") => Ok(()),
        Some(header) => {
            let why = "Docker has it no longer: use a reverse proxy if you need CORS headers";
            Err(refused("api-cors-header", header, why))
        }
    }
}

fn passed_over(keys: &ForeignKeys) -> Vec<String> {
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let because = [
        ("containerd", given(&keys.containerd), "there is no containerd in Gantry"),
        (
            "containerd-namespace",
            given(&keys.containerd_namespace),
            "there is no containerd in Gantry",
        ),
        (
            "containerd-plugin-namespace",
            given(&keys.containerd_plugin_namespace),
            "there is no containerd in Gantry",
        ),
        (
            "userland-proxy",
            keys.userland_proxy == Some(false),
            "the daemon relays by itself, and only what it must",
        ),
        ("userland-proxy-path", given(&keys.userland_proxy_path), "it is a thread of the daemon"),
        ("builder", keys.builder.is_some(), "there is no BuildKit in Gantry"),
        (
            "swarm-default-advertise-addr",
            given(&keys.swarm_default_advertise_addr),
            "there are no swarms in Gantry",
        ),
        (
            "swarm-raft-heartbeat-tick",
            keys.swarm_raft_heartbeat_tick.is_some(),
            "there are no swarms in Gantry",
        ),
        (
            "swarm-raft-election-tick",
            keys.swarm_raft_election_tick.is_some(),
            "there are no swarms in Gantry",
        ),
        (
            "network-control-plane-mtu",
            keys.network_control_plane_mtu.is_some(),
            "there are no swarms in Gantry",
        ),
        (
            "network-diagnostic-port",
            keys.network_diagnostic_port.is_some_and(|port| port != 0),
            "there are no swarms in Gantry",
        ),
        (
            "node-generic-resources",
            keys.node_generic_resources.is_some(),
            "there are no swarms in Gantry",
        ),
        ("restart", keys.restart.is_some(), "containers have restart policies of their own"),
    ];
    because
        .into_iter()
        .filter(|(_, given, _)| *given)
        .map(|(key, _, why)| format!("{key} is passed over: {why}"))
        .collect()
}

fn refused(key: &'static str, value: &str, why: &str) -> Error {
    Error::Refused { key, value: value.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(json: &str) -> Result<Vec<String>, String> {
        check(&serde_json::from_str(json).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_so_anyway_is_taken() {
        for json in [
            "{}",
            r#"{"live-restore":true,"storage-driver":"overlay2","storage-opts":["overlay2.override_kernel_check=true"]}"#,
            r#"{"iptables":true,"firewall-backend":"nftables"}"#,
            r#"{"userland-proxy":true,"raw-logs":true,"ip-forward-no-drop":true}"#,
        ] {
            assert_eq!(checked(json).unwrap(), [""; 0], "{json}");
        }
    }

    #[test]
    fn what_does_not_matter_is_told() {
        for (json, says) in [
            (r#"{"containerd":"/run/containerd/containerd.sock"}"#, "containerd is passed over"),
            (r#"{"live-restore":false}"#, "outlive"),
            (r#"{"builder":{"gc":{"enabled":true}}}"#, "BuildKit"),
            (r#"{"node-generic-resources":["gpu=1"]}"#, "swarms"),
            (r#"{"userland-proxy":false}"#, "by itself"),
        ] {
            let warnings = checked(json).unwrap();
            assert!(warnings.len() == 1 && warnings[0].contains(says), "{json}: {warnings:?}");
        }
    }

    #[test]
    fn what_somebody_would_rely_on_is_refused() {
        for (json, says) in [
            (r#"{"storage-driver":"btrfs"}"#, "storage-driver cannot be btrfs"),
            (r#"{"storage-opts":["overlay2.size"]}"#, "opt=value"),
            (r#"{"storage-opts":["overlay2.size=much"]}"#, "a size such as 10G"),
            (r#"{"storage-opts":["overlay2.size=1k"]}"#, "64 KiB"),
            (r#"{"storage-opts":["dm.basesize=1G"]}"#, "dm.basesize=1G"),
            (r#"{"iptables":false}"#, "bridge=none"),
            (r#"{"ip6tables":false}"#, "ip6tables cannot be false"),
            (r#"{"firewall-backend":"iptables"}"#, "nftables"),
            (r#"{"allow-direct-routing":true}"#, "outside"),
            (r#"{"bridge-accept-fwmark":"1"}"#, "chain user"),
            (r#"{"rootless":true}"#, "root's rights"),
            (r#"{"api-cors-header":"*"}"#, "reverse proxy"),
            (r#"{"cri-containerd":true}"#, "no containerd"),
        ] {
            let error = checked(json).unwrap_err();
            assert!(error.contains(says), "{json}: {error}");
        }
    }
}
