//! `info`: the state of the engine and what its host can do.

mod containers;

use std::fs;

use gantry_api::system::{
    Commit, FirewallBackend, Info, Plugins, RegistryConfig, RegistryIndex, SwarmInfo,
};

use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::plan::PLUGIN_KIND;
use crate::record::State;

/// Tells about the engine and its host.
pub async fn info(engine: &Engine) -> Result<Info> {
    let engine = engine.clone();
    block(move || document(&engine)).await
}

fn document(engine: &Engine) -> Result<Info> {
    let host = &engine.host;
    let (settings, live) = (&engine.settings, engine.live());
    let states: Vec<State> =
        engine.containers.snapshots().into_iter().map(|s| s.record.state.clone()).collect();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let running = states.iter().filter(|state| state.is_active() && !state.is_paused()).count();
    let paused = states.iter().filter(|state| state.is_paused()).count();
    let uname = rustix::system::uname();
    let text = |text: &str| text.to_owned();
    let info = Info {
        id: engine.identity()?,
        containers: count(states.len()),
        containers_running: count(running),
        containers_paused: count(paused),
        containers_stopped: count(states.len() - running - paused),
        images: count(engine.images.list()?.len()),
        driver: text("overlay2"),
        driver_status: vec![
            (text("Layer format"), text("overlay directories by diffID")),
            (text("Project quotas"), engine.layers.can_limit().is_ok().to_string()),
        ],
        plugins: Plugins {
            volume: with_plugins(engine, &["local"], "VolumeDriver"),
            network: with_plugins(
                engine,
                &["bridge", "host", "ipvlan", "macvlan", "null"],
                "NetworkDriver",
            ),
            log: log_drivers(engine),
            authorization: live.authorization_plugins.clone(),
        },
        ipv4_forwarding: fs::read_to_string("/proc/sys/net/ipv4/ip_forward")
            .is_ok_and(|t| t.trim() == "1"),
        debug: live.debug,
        n_fd: count(fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)),
        n_goroutines: count(fs::read_dir("/proc/self/task").map_or(0, Iterator::count)),
        system_time: gantry_sys::clock::now().to_string(),
        logging_driver: settings.logs.driver.clone(),
        n_events_listener: count(engine.events.listeners()),
        cgroup_driver: text(settings.cgroup_driver.name()),
        cgroup_version: text(if host.cgroup_v2 { "2" } else { "1" }),
        kernel_version: uname.release().to_string_lossy().into_owned(),
        operating_system: operating_system("PRETTY_NAME").unwrap_or_else(|| text("Linux")),
        os_version: operating_system("VERSION_ID").unwrap_or_default(),
        os_type: text("linux"),
        architecture: uname.machine().to_string_lossy().into_owned(),
        index_server_address: text("https://index.docker.io/v1/"),
        registry_config: registries(&live.registries),
        ncpu: i64::from(host.cpus),
        mem_total: i64::try_from(host.memory_bytes).unwrap_or(i64::MAX),
        docker_root_dir: settings.data_root.to_string_lossy().into_owned(),
        name: host.hostname.clone(),
        server_version: text(env!("CARGO_PKG_VERSION")),
        warnings: warnings(engine),
        swarm: SwarmInfo { local_node_state: text("inactive"), ..SwarmInfo::default() },
        live_restore_enabled: true,
        firewall_backend: Some(FirewallBackend { driver: text("nftables") }),
        experimental_build: live.experimental,
        labels: live.labels.clone(),
        http_proxy: without_credentials(&live.registries.proxies.http),
        https_proxy: without_credentials(&live.registries.proxies.https),
        no_proxy: live.registries.proxies.exempt.clone(),
        init_binary: settings.init.to_string_lossy().into_owned(),
        init_commit: Commit::default(),
        ..Info::default()
    };
    Ok(containers::complete(engine, info))
}

/// How registries are spoken to, as Docker tells it.
fn registries(config: &gantry_registry_client::Config) -> RegistryConfig {
    let index = |name: &str, official: bool| {
        let mirrors = if official { config.mirrors.clone() } else { Vec::new() };
        let index = RegistryIndex { name: name.to_owned(), mirrors, secure: official, official };
        (name.to_owned(), index)
    };
    let (networks, hosts): (Vec<&String>, Vec<&String>) =
        config.insecure.iter().partition(|text| text.contains('/'));
    let networks = networks.into_iter().cloned();
    let loopback = ["::1/128", "127.0.0.0/8"].map(str::to_owned);
    RegistryConfig {
        insecure_registry_cidrs: networks.chain(loopback).collect(),
        index_configs: hosts
            .into_iter()
            .map(|host| index(host, false))
            .chain([index("docker.io", true)])
            .collect(),
        mirrors: config.mirrors.clone(),
    }
}

/// A URL whose user and password are nobody's business.
fn without_credentials(url: &str) -> String {
    // The scheme may be left out.
    let begin = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(begin);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}xxxxx:xxxxx@{host}{path}"),
        None => url.to_owned(),
    }
}

/// What users should know of this host.
fn warnings(engine: &Engine) -> Vec<String> {
    let networks = engine.networks.unavailable().filter(|_| engine.settings.default_bridge);
    let networks = networks
        .map(|reason| format!("WARNING: bridge networks cannot be used on this host: {reason}"));
    networks.into_iter().collect()
}

/// The drivers that are built in, and plugins that are managed here.
fn with_plugins(engine: &Engine, own: &[&str], kind: &str) -> Vec<String> {
    let own = own.iter().map(|name| (*name).to_owned());
    own.chain(engine.plugins.managed_names(kind)).collect()
}

/// The drivers that are built in, and plugins.
fn log_drivers(engine: &Engine) -> Vec<String> {
    let mut names: Vec<String> = ["json-file", "local", "none"].map(str::to_owned).to_vec();
    names.extend(gantry_log_drivers::NAMES.map(str::to_owned));
    names.extend(engine.plugins.names(PLUGIN_KIND));
    names.sort_unstable();
    names
}

/// One value of `os-release(5)`.
pub(super) fn operating_system(key: &str) -> Option<String> {
    let text = fs::read_to_string("/etc/os-release")
        .or_else(|_| fs::read_to_string("/usr/lib/os-release"))
        .ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(line.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_proxies_are_not_told() {
        for (url, shown) in [
            ("http://u:p@proxy:3128/x", "http://xxxxx:xxxxx@proxy:3128/x"),
            ("http://u:p@ss@proxy", "http://xxxxx:xxxxx@proxy"),
            ("http://proxy/a@b", "http://proxy/a@b"),
            ("proxy", "proxy"),
            ("u:p@proxy:3128", "xxxxx:xxxxx@proxy:3128"),
            ("", ""),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }

    #[test]
    fn registries_as_docker_tells_them() {
        let told = registries(&gantry_registry_client::Config {
            mirrors: vec!["https://m/".to_owned()],
            insecure: vec!["10.0.0.0/8".to_owned(), "r.corp:5000".to_owned()],
            ..Default::default()
        });
        assert_eq!(told.insecure_registry_cidrs, ["10.0.0.0/8", "::1/128", "127.0.0.0/8"]);
        assert!(!told.index_configs["r.corp:5000"].secure);
        assert_eq!(told.index_configs["docker.io"].mirrors, ["https://m/"]);
    }
}
