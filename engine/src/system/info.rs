//! `info`: the state of the engine and what its host can do.

use std::collections::BTreeMap;
use std::fs;

use gantry_api::system::{Commit, Info, Plugins, RegistryConfig, Runtime, SwarmInfo};

use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::record::State;

/// Tells about the engine and its host.
pub async fn info(engine: &Engine) -> Result<Info> {
    let engine = engine.clone();
    block(move || document(&engine)).await
}

fn document(engine: &Engine) -> Result<Info> {
    let host = &engine.host;
    let settings = &engine.settings;
    let states: Vec<State> =
        engine.containers.snapshots().into_iter().map(|s| s.record.state.clone()).collect();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let running = states.iter().filter(|state| state.is_active() && !state.is_paused()).count();
    let paused = states.iter().filter(|state| state.is_paused()).count();
    let uname = rustix::system::uname();
    let text = |text: &str| text.to_owned();
    Ok(Info {
        id: engine.identity()?,
        containers: count(states.len()),
        containers_running: count(running),
        containers_paused: count(paused),
        containers_stopped: count(states.len() - running - paused),
        images: count(engine.images.list()?.len()),
        driver: text("overlay2"),
        driver_status: vec![(text("Layer format"), text("overlay directories by diffID"))],
        plugins: Plugins {
            volume: Vec::new(),
            network: vec![text("host"), text("null")],
            log: vec![text("json-file"), text("local"), text("none")],
            ..Plugins::default()
        },
        memory_limit: true,
        swap_limit: true,
        cpu_cfs_period: true,
        cpu_cfs_quota: true,
        cpu_shares: true,
        cpu_set: true,
        pids_limit: true,
        ipv4_forwarding: fs::read_to_string("/proc/sys/net/ipv4/ip_forward")
            .is_ok_and(|t| t.trim() == "1"),
        debug: settings.debug,
        n_fd: count(fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)),
        n_goroutines: count(fs::read_dir("/proc/self/task").map_or(0, Iterator::count)),
        system_time: gantry_sys::clock::now().to_string(),
        logging_driver: text("json-file"),
        cgroup_driver: text("cgroupfs"),
        cgroup_version: text(if host.cgroup_v2 { "2" } else { "1" }),
        kernel_version: uname.release().to_string_lossy().into_owned(),
        operating_system: operating_system("PRETTY_NAME").unwrap_or_else(|| text("Linux")),
        os_version: operating_system("VERSION_ID").unwrap_or_default(),
        os_type: text("linux"),
        architecture: uname.machine().to_string_lossy().into_owned(),
        index_server_address: text("https://index.docker.io/v1/"),
        registry_config: RegistryConfig::default(),
        ncpu: i64::from(host.cpus),
        mem_total: i64::try_from(host.memory_bytes).unwrap_or(i64::MAX),
        docker_root_dir: settings.data_root.to_string_lossy().into_owned(),
        name: host.hostname.clone(),
        server_version: text(env!("CARGO_PKG_VERSION")),
        runtimes: BTreeMap::from([(
            text("gantry"),
            Runtime {
                path: settings.shim.to_string_lossy().into_owned(),
                runtime_args: Vec::new(),
            },
        )]),
        default_runtime: text("gantry"),
        swarm: SwarmInfo { local_node_state: text("inactive"), ..SwarmInfo::default() },
        live_restore_enabled: true,
        init_binary: settings.init.to_string_lossy().into_owned(),
        init_commit: Commit::default(),
        security_options: vec![text("name=seccomp,profile=builtin")],
        ..Info::default()
    })
}

/// One value of `os-release(5)`.
fn operating_system(key: &str) -> Option<String> {
    let text = fs::read_to_string("/etc/os-release")
        .or_else(|_| fs::read_to_string("/usr/lib/os-release"))
        .ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(line.trim_matches('"').to_owned())
}
