//! The plan of a container: what was asked for, checked and completed, once.
//!
//! `request → plan` happens here, `plan → OCI spec` in [`spec`]; both are pure functions of their arguments.

mod capabilities;
mod cgroup;
mod checks;
mod device_edits;
mod endpoint_options;
mod endpoints;
mod log;
mod modes;
mod mounts;
mod ports;
mod process;
mod refused;
mod resources;
mod seccomp_profile;
mod security;
mod spec;
mod storage;
mod support;
mod sysctls;
mod update;
mod user_namespace;

use std::num::NonZeroU64;
use std::path::PathBuf;

use gantry_api::container::{Config, CreateRequest, HostConfig};
use gantry_api::image::ImageConfig;
use gantry_oci::runtime::{LinuxResources, Rlimit};
use gantry_types::{ContainerId, Signal};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::settings::{CgroupDriver, ContainerDefaults, LogDefaults};

pub(crate) use cgroup::CgroupPlace;
pub(crate) use device_edits::{ContainerEdits, Specification, is_qualified};
pub(crate) use endpoints::{EndpointPlan, endpoint, refusal};
pub(crate) use log::{
    Destination, LogFormat, LogPlan, PLUGIN_KIND, TagFields, remote, render_tag,
    resolve as resolve_log,
};
use modes::Modes;
pub(crate) use modes::{CgroupNamespace, Ipc, Network, Sharing, joined};
pub(crate) use mounts::{
    BindSource, ImageSource, MountPlan, MountSource, Relabel, VolumeSource, VolumesFrom,
    complete_mounts,
};
pub(crate) use ports::{parse_port, ports};
pub(crate) use resources::with_devices;
pub(crate) use security::{SeccompPlan, SecurityPlan, has_label_options, is_open, label_options};
pub(crate) use spec::{
    FoundSource, JoinedNamespaces, POINTS, SpecFacts, exec_process, mount_points, to_spec,
};
pub use storage::writable_layer_bytes;
pub(crate) use support::LimitSupport;
pub use user_namespace::UserNamespace;

/// What the host can give; gathered once, when the engine opens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub(crate) struct HostFacts {
    /// Processors.
    pub cpus: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// The daemon's own capability bounding set, as `/proc/self/status` shows it.
    pub capability_bounds: u64,
    /// Whether the unified hierarchy carries the controllers.
    pub cgroup_v2: bool,
    /// Whether the kernel makes mounts read-only with all that lies below them.
    pub recursive_read_only: bool,
    /// Whether namespaces of networks say who may bind low ports and ping.
    pub network_sysctls: bool,
    /// The host's name.
    pub hostname: String,
    /// Whether there is a default bridge.
    pub default_bridge: bool,
    /// The kernel's major and minor number.
    pub kernel: (u32, u32),
    /// Whether the kernel confines by AppArmor.
    pub apparmor: bool,
    /// The program that loads profiles of AppArmor, where there is one.
    pub apparmor_parser: Option<PathBuf>,
    /// Whether containers get labels of SELinux.
    pub selinux: bool,
    /// What the kernel can limit.
    pub limits: LimitSupport,
}

/// What a request is completed from, besides the image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub host: &'a HostFacts,
    pub defaults: &'a ContainerDefaults,
    pub logs: &'a LogDefaults,
    pub cgroup_driver: CgroupDriver,
}

impl HostFacts {
    /// What a privileged process gets.
    pub(crate) fn all_capabilities(&self) -> Vec<String> {
        capabilities::all(self.capability_bounds)
    }
}

/// Everything that a start needs to know, with every default applied and every value checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ContainerPlan {
    /// As `inspect` shows it: the request completed by the image.
    pub config: Config,
    /// As `inspect` shows it: the request completed by the engine's defaults.
    pub host_config: HostConfig,
    /// Program and arguments: entrypoint, then command.
    pub args: Vec<String>,
    pub mounts: Vec<MountPlan>,
    pub capabilities: Vec<String>,
    pub network: Network,
    /// Its places in networks, the way out first.
    #[serde(default)]
    pub endpoints: Vec<EndpointPlan>,
    pub ipc: Ipc,
    pub pid: Sharing,
    pub uts: Sharing,
    pub cgroup_namespace: CgroupNamespace,
    /// Its ids on the host, where they are other ones.
    #[serde(default)]
    pub user_namespace: Option<UserNamespace>,
    pub security: SecurityPlan,
    pub resources: LinuxResources,
    pub rlimits: Vec<Rlimit>,
    pub additional_gids: Vec<u32>,
    /// For the runtime to look up in the container's own group file.
    #[serde(default)]
    pub additional_group_names: Vec<String>,
    /// `None` leaves the score as the engine has it.
    #[serde(default)]
    pub oom_score_adj: Option<i32>,
    /// Bytes that its writable layer may hold; `None` is as many as there are.
    #[serde(default)]
    pub writable_layer_bytes: Option<NonZeroU64>,
    pub stop_signal: Signal,
    /// Seconds between the stop signal and the kill; negative waits for ever.
    pub stop_timeout_s: i64,
    /// Where the output goes; `None` keeps no log.
    pub log: Option<LogPlan>,
}

const DEFAULT_STOP_TIMEOUT_S: i64 = 10;

impl ContainerPlan {
    /// Completes `request` from `image`, checks everything that can be checked without I/O, and tells what to warn of.
    pub(crate) fn resolve(
        id: &ContainerId,
        request: CreateRequest,
        image: &ImageConfig,
        around: Surroundings<'_>,
    ) -> Result<(Self, Vec<String>), Error> {
        let mut warnings = Vec::new();
        refused::check(&request)?;
        let CreateRequest { config, mut host_config, networking_config } = request;
        let mut config = process::complete(config, image)?;
        if let Some(check) = &config.healthcheck {
            crate::container::validate_health_check(check)?;
        }
        update::restart_policy(&host_config.restart_policy, host_config.auto_remove)?;
        let modes = Modes::resolve(&mut host_config, &config, around)?;
        let user_namespace =
            user_namespace::resolve(&host_config, modes, around.defaults.user_namespace.as_ref())?;
        let endpoints = endpoints::resolve(modes.network, &mut host_config, networking_config)?;
        // Checked now, chosen at each start.
        ports(&config, &host_config)?;
        warnings.extend(endpoints::warnings(&endpoints, &host_config));
        modes::complete_hostname(&mut config, id, modes, &around.host.hostname)?;
        checks::all(&config, &host_config)?;
        CgroupPlace::asked_for(&host_config.cgroup_parent, around.cgroup_driver, id)?;
        sysctls::check(&host_config.sysctls, modes)?;
        let groups = process::additional_groups(&host_config.group_add)?;
        let capabilities = capabilities::resolve(
            host_config.privileged,
            &host_config.cap_add,
            &host_config.cap_drop,
            around.host.capability_bounds,
        )?;
        let who = (&*capabilities, modes.cgroup_namespace);
        let security = SecurityPlan::resolve(&host_config, who, &around, &mut warnings)?;
        complete_host_config(&mut host_config, around.defaults);
        let stop_signal = match config.stop_signal.as_str() {
            "" => Signal::TERM,
            text => text.parse().map_err(|error| Error::invalid(format!("{error}")))?,
        };
        let plan = Self {
            args: process::args(&config)?,
            mounts: mounts::resolve(&host_config)?,
            capabilities,
            network: modes.network,
            endpoints,
            ipc: modes.ipc,
            pid: modes.pid,
            uts: modes.uts,
            cgroup_namespace: modes.cgroup_namespace,
            user_namespace,
            security,
            resources: resources::resolve(&mut host_config, around.host, &mut warnings)?,
            rlimits: resources::rlimits(&host_config.ulimits, &around.defaults.ulimits)?,
            additional_gids: groups.ids,
            additional_group_names: groups.names,
            oom_score_adj: checks::oom_score_adj(host_config.oom_score_adj)?,
            writable_layer_bytes: storage::size(
                &host_config.storage_opt,
                around.defaults.writable_layer_bytes,
            )?,
            stop_signal,
            stop_timeout_s: config.stop_timeout.unwrap_or(DEFAULT_STOP_TIMEOUT_S),
            log: log::resolve(&mut host_config.log_config, around.logs)?,
            config,
            host_config,
        };
        Ok((plan, warnings))
    }

    /// Whether a pseudo-terminal carries the process's input and output.
    pub(crate) fn tty(&self) -> bool {
        self.config.tty
    }
}

/// Fills in what `inspect` shows for settings that were left empty.
fn complete_host_config(host_config: &mut HostConfig, defaults: &ContainerDefaults) {
    if host_config.shm_size == 0 {
        host_config.shm_size = defaults.shm_size_bytes;
    }
    security::complete(host_config);
    if host_config.restart_policy.name.is_empty() {
        "no".clone_into(&mut host_config.restart_policy.name);
    }
    let unmasked = host_config.privileged || security::systempaths_unconfined(host_config);
    host_config.masked_paths.get_or_insert_with(|| security::masked_paths(unmasked));
    host_config.readonly_paths.get_or_insert_with(|| security::readonly_paths(unmasked));
}

#[cfg(test)]
mod tests;
