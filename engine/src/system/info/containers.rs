//! The part of `info` about what containers can ask for: limits, runtimes, filters, devices.

use gantry_api::system::{DiscoveredDevice, Info, Runtime};

use crate::container::cdi::Catalogue;
use crate::engine::Engine;
use crate::settings::{ContainerDefaults, DefaultSeccomp, OWN_RUNTIME};

/// Fills that part in.
pub(super) fn complete(engine: &Engine, info: Info) -> Info {
    let limits = &engine.host.limits;
    let defaults = &engine.live().containers;
    let own = Runtime {
        path: engine.settings.shim.to_string_lossy().into_owned(),
        runtime_args: Vec::new(),
    };
    let others = defaults.runtimes.iter().map(|(name, settings)| {
        let runtime =
            Runtime { path: settings.program.clone(), runtime_args: settings.arguments.clone() };
        (name.clone(), runtime)
    });
    let runtimes = others.chain([(OWN_RUNTIME.to_owned(), own)]).collect();
    let discovered = Catalogue::read(&defaults.cdi_spec_dirs);
    let device = |name: &String| DiscoveredDevice { source: "cdi".to_owned(), id: name.clone() };
    Info {
        memory_limit: limits.memory,
        swap_limit: limits.swap,
        cpu_cfs_period: limits.cpu_cfs,
        cpu_cfs_quota: limits.cpu_cfs,
        cpu_shares: limits.cpu_shares,
        cpu_set: limits.cpuset,
        pids_limit: limits.pids,
        oom_kill_disable: limits.oom_kill_disable,
        warnings: info.warnings.iter().cloned().chain(warnings(engine)).collect(),
        runtimes,
        default_runtime: defaults.default_runtime.clone(),
        security_options: security_options(engine, defaults),
        cdi_spec_dirs: defaults
            .cdi_spec_dirs
            .iter()
            .map(|dir| dir.to_string_lossy().into_owned())
            .collect(),
        discovered_devices: discovered.names().map(device).collect(),
        ..info
    }
}

/// What the kernel cannot limit, in Docker's words.
fn warnings(engine: &Engine) -> Vec<String> {
    let limits = &engine.host.limits;
    let missing = [
        (limits.memory, "memory limit"),
        (limits.swap, "swap limit"),
        (limits.cpu_cfs, "cpu cfs quota"),
        (limits.cpu_cfs, "cpu cfs period"),
        (limits.cpu_shares, "cpu shares"),
        (limits.cpuset, "cpuset"),
    ];
    let missing = missing.into_iter().filter(|(is_there, _)| !is_there);
    missing.map(|(_, what)| format!("WARNING: No {what} support")).collect()
}

fn security_options(engine: &Engine, defaults: &ContainerDefaults) -> Vec<String> {
    let profile = match &defaults.seccomp_profile {
        DefaultSeccomp::Builtin => "builtin".to_owned(),
        DefaultSeccomp::Unconfined => "unconfined".to_owned(),
        DefaultSeccomp::Profile { path, .. } => path.to_string_lossy().into_owned(),
    };
    let mut options = Vec::new();
    if engine.host.apparmor && engine.host.apparmor_parser.is_some() {
        options.push("name=apparmor".to_owned());
    }
    options.push(format!("name=seccomp,profile={profile}"));
    if engine.host.selinux {
        options.push("name=selinux".to_owned());
    }
    let is_default = match defaults.cgroupns_mode.as_deref() {
        Some(mode) => mode == "private",
        None => engine.host.cgroup_v2,
    };
    if is_default {
        options.push("name=cgroupns".to_owned());
    }
    if defaults.user_namespace.is_some() {
        options.push("name=userns".to_owned());
    }
    if defaults.no_new_privileges {
        options.push("name=no-new-privileges".to_owned());
    }
    options
}
