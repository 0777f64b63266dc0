//! `plan → OCI spec`: a pure function of the plan and of what the start found out.

mod devices;
mod mounts;
mod project;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) use mounts::POINTS;

use gantry_api::exec::ExecCreateRequest;
use gantry_oci::runtime::{
    BlockIo, ConsoleSize, Device, DeviceRule, Linux, LinuxCapabilities, Namespace, NamespaceKind,
    Process, Root, SPEC_VERSION, Seccomp as SeccompProfile, Spec, User,
};

use super::device_edits::ContainerEdits;
use super::{
    CgroupNamespace, ContainerPlan, Ipc, Network, SeccompPlan, Sharing, UserNamespace, with_devices,
};

const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a start found out that the plan cannot know.
pub(crate) struct SpecFacts {
    /// Holds `hostname`, `hosts` and `resolv.conf`; another container's, where its network is joined.
    pub container_dir: PathBuf,
    /// What is joined of other containers.
    pub joined: JoinedNamespaces,
    /// The tiny init, when the container asked for one.
    pub init: Option<PathBuf>,
    /// Devices of the host that the container gets, with their cgroup rights.
    pub devices: Vec<(Device, DeviceRule)>,
    /// Whether the host shows its message queues as files.
    pub host_queues: bool,
    /// Weights and throttles of single block devices, by their numbers.
    pub block_io: BlockIo,
    /// What specifications of devices change, in their order.
    pub edits: Vec<ContainerEdits>,
    /// `/<parent>/<id>`.
    pub cgroup_path: String,
    /// SELinux's label of its files; empty for none.
    pub mount_label: String,
    /// Whether the kernel makes mounts read-only with all that lies below them.
    pub recursive_read_only: bool,
    /// Whether namespaces of networks have what [`sysctls`] sets in them.
    pub network_sysctls: bool,
    /// Variables that links bring; the plan's own win.
    pub environment: Vec<String>,
    /// Where the volumes and images are found now, by target.
    pub sources: BTreeMap<String, FoundSource>,
}

impl SpecFacts {
    /// Nothing found out, and nothing given.
    pub(crate) fn none() -> Self {
        Self {
            container_dir: PathBuf::new(),
            joined: JoinedNamespaces::default(),
            init: None,
            devices: Vec::new(),
            host_queues: false,
            block_io: BlockIo::default(),
            edits: Vec::new(),
            cgroup_path: String::new(),
            mount_label: String::new(),
            recursive_read_only: true,
            network_sysctls: false,
            environment: Vec::new(),
            sources: BTreeMap::new(),
        }
    }
}

/// Paths of namespaces that a container joins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct JoinedNamespaces {
    pub network: Option<PathBuf>,
    pub pid: Option<PathBuf>,
    pub ipc: Option<PathBuf>,
    /// The `/dev/shm` that goes with the IPC namespace.
    pub shm: Option<PathBuf>,
}

impl JoinedNamespaces {
    fn path(&self, kind: NamespaceKind) -> Option<&Path> {
        match kind {
            NamespaceKind::Network => self.network.as_deref(),
            NamespaceKind::Pid => self.pid.as_deref(),
            NamespaceKind::Ipc => self.ipc.as_deref(),
            _ => None,
        }
    }
}

/// Where a volume or an image is while a container is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FoundSource {
    /// At a path of the host.
    Path(String),
    /// The same, where something of the host's is: its ids are the host's.
    Foreign(String),
    /// In a mount of its own.
    Mount { kind: String, options: Vec<String> },
}

/// The bundle's `config.json`.
pub(crate) fn to_spec(plan: &ContainerPlan, facts: &SpecFacts) -> Spec {
    let mut spec = Spec {
        oci_version: SPEC_VERSION.to_owned(),
        process: Some(process(plan, facts)),
        root: Some(Root { path: "rootfs".to_owned(), readonly: plan.host_config.readonly_rootfs }),
        hostname: own_uts(plan, &plan.config.hostname),
        domainname: own_uts(plan, &plan.config.domainname),
        mounts: mounts::all(plan, facts),
        annotations: plan.host_config.annotations.clone(),
        linux: Some(linux(plan, facts)),
        ..Spec::default()
    };
    for edits in &facts.edits {
        edits.apply(&mut spec);
    }
    spec
}

/// Every path at which something is mounted when the container runs.
pub(crate) fn mount_points(plan: &ContainerPlan) -> Vec<String> {
    // Where the sources are and which devices there are does not matter.
    let facts = SpecFacts {
        joined: JoinedNamespaces {
            shm: (plan.ipc == Ipc::Container).then(PathBuf::new),
            ..JoinedNamespaces::default()
        },
        init: Some(PathBuf::new()),
        host_queues: true,
        ..SpecFacts::none()
    };
    mounts::all(plan, &facts).into_iter().map(|mount| mount.destination).collect()
}

fn own_uts(plan: &ContainerPlan, text: &str) -> String {
    if plan.uts == Sharing::Own { text.to_owned() } else { String::new() }
}

fn process(plan: &ContainerPlan, facts: &SpecFacts) -> Process {
    let mut args = plan.args.clone();
    if facts.init.is_some() {
        args.splice(0..0, [mounts::INIT_TARGET.to_owned(), "--".to_owned()]);
    }
    let [rows, columns] = plan.host_config.console_size;
    Process {
        terminal: plan.tty(),
        console_size: plan.tty().then(|| console_size([rows, columns])).flatten(),
        user: user(plan, &plan.config.user),
        args,
        env: env(plan, plan.tty(), &facts.environment),
        cwd: cwd(&plan.config.working_dir),
        capabilities: Some(capabilities(&plan.capabilities)),
        rlimits: plan.rlimits.clone(),
        no_new_privileges: plan.security.no_new_privileges,
        apparmor_profile: plan.security.apparmor.clone(),
        selinux_label: plan.security.selinux.process.clone(),
        oom_score_adj: plan.oom_score_adj,
        ..Process::default()
    }
}

/// The process of an exec session, which inherits what the request leaves open.
pub(crate) fn exec_process(
    plan: &ContainerPlan,
    request: &ExecCreateRequest,
    all: &[String],
) -> Process {
    let own = |text: &str, inherited: &str| {
        if text.is_empty() { inherited.to_owned() } else { text.to_owned() }
    };
    let mut environment = env(plan, request.tty, &[]);
    environment.extend(request.env.iter().cloned());
    let capabilities_set = if request.privileged { all } else { &plan.capabilities };
    Process {
        terminal: request.tty,
        console_size: request.console_size.and_then(console_size),
        user: user(plan, &own(&request.user, &plan.config.user)),
        args: request.cmd.clone(),
        env: environment,
        cwd: cwd(&own(&request.working_dir, &plan.config.working_dir)),
        capabilities: Some(capabilities(capabilities_set)),
        rlimits: plan.rlimits.clone(),
        no_new_privileges: plan.security.no_new_privileges,
        apparmor_profile: plan.security.apparmor.clone(),
        selinux_label: plan.security.selinux.process.clone(),
        ..Process::default()
    }
}

fn console_size([rows, columns]: [u32; 2]) -> Option<ConsoleSize> {
    let height = u16::try_from(rows).ok().filter(|rows| *rows > 0)?;
    let width = u16::try_from(columns).ok().filter(|columns| *columns > 0)?;
    Some(ConsoleSize { height, width })
}

/// What the user wrote, for the runtime to look up in the container's own files; uid 0 when nothing was written.
fn user(plan: &ContainerPlan, text: &str) -> User {
    let username = if text.is_empty() { "0" } else { text };
    User {
        username: username.to_owned(),
        additional_gids: plan.additional_gids.clone(),
        additional_group_names: plan.additional_group_names.clone(),
        ..User::default()
    }
}

fn cwd(text: &str) -> String {
    if text.is_empty() { "/".to_owned() } else { text.to_owned() }
}

/// Docker's own variables first; the plan's override them by coming later under the same name.
fn env(plan: &ContainerPlan, tty: bool, linked: &[String]) -> Vec<String> {
    let mut defaults = vec![DEFAULT_PATH.to_owned(), format!("HOSTNAME={}", plan.config.hostname)];
    if tty {
        defaults.push("TERM=xterm".to_owned());
    }
    defaults.extend(linked.iter().cloned());
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    defaults.retain(|default| plan.config.env.iter().all(|own| name(own) != name(default)));
    defaults.extend(plan.config.env.iter().cloned());
    defaults
}

fn capabilities(bounding: &[String]) -> LinuxCapabilities {
    // The inheritable and ambient sets stay empty: they would hand capabilities to programs without file capabilities.
    let set = bounding.to_vec();
    LinuxCapabilities {
        bounding: set.clone(),
        effective: set.clone(),
        permitted: set,
        ..LinuxCapabilities::default()
    }
}

fn linux(plan: &ContainerPlan, facts: &SpecFacts) -> Linux {
    let mut resources = with_devices(&plan.resources, facts.block_io.clone());
    resources.devices = devices::rules(&plan.host_config, &facts.devices);
    let mut seccomp = match &plan.security.seccomp {
        SeccompPlan::Default => Some(gantry_seccomp::default_profile(&plan.capabilities)),
        SeccompPlan::Unconfined => None,
        SeccompPlan::Own(profile) => Some(SeccompProfile::clone(profile)),
    };
    // In a user namespace the kernel itself does not let it.
    if plan.writable_layer_bytes.is_some() && plan.user_namespace.is_none() {
        seccomp.iter_mut().for_each(project::keep);
    }
    Linux {
        namespaces: namespaces(plan, facts),
        uid_mappings: plan
            .user_namespace
            .as_ref()
            .map(UserNamespace::user_mappings)
            .unwrap_or_default(),
        gid_mappings: plan
            .user_namespace
            .as_ref()
            .map(UserNamespace::group_mappings)
            .unwrap_or_default(),
        devices: facts.devices.iter().map(|(device, _)| device.clone()).collect(),
        resources: Some(resources),
        cgroups_path: facts.cgroup_path.clone(),
        seccomp,
        sysctl: sysctls(plan, facts),
        masked_paths: plan.host_config.masked_paths.clone().unwrap_or_default(),
        readonly_paths: plan.host_config.readonly_paths.clone().unwrap_or_default(),
        mount_label: facts.mount_label.clone(),
        ..Linux::default()
    }
}

/// What was asked for, and in a network of the container's own what Docker gives to all users there: low ports, and sockets for pings,
/// of which those of other user namespaces are not to be had.
fn sysctls(plan: &ContainerPlan, facts: &SpecFacts) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    if facts.network_sysctls && !matches!(plan.network, Network::Host | Network::Container) {
        let mut set = |name: &str, value: &str| all.insert(name.to_owned(), value.to_owned());
        set("net.ipv4.ip_unprivileged_port_start", "0");
        if plan.user_namespace.is_none() {
            set("net.ipv4.ping_group_range", "0 2147483647");
        }
    }
    all.extend(plan.host_config.sysctls.clone());
    all
}

fn namespaces(plan: &ContainerPlan, facts: &SpecFacts) -> Vec<Namespace> {
    let own = [
        (NamespaceKind::User, plan.user_namespace.is_some()),
        (NamespaceKind::Mount, true),
        (NamespaceKind::Network, plan.network != Network::Host),
        (NamespaceKind::Uts, plan.uts == Sharing::Own),
        (NamespaceKind::Pid, plan.pid != Sharing::Host),
        (NamespaceKind::Ipc, plan.ipc != Ipc::Host),
        (NamespaceKind::Cgroup, plan.cgroup_namespace == CgroupNamespace::Private),
    ];
    let path = |kind| {
        facts.joined.path(kind).map_or_else(String::new, |path| path.to_string_lossy().into_owned())
    };
    own.into_iter()
        .filter(|(_, own)| *own)
        .map(|(kind, _)| Namespace { kind, path: path(kind) })
        .collect()
}
