//! What the daemon tells the engine once, at start. No defaults live here: `bin/gantryd` resolves them.

mod containers;
mod live;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use containers::{ContainerDefaults, DefaultSeccomp, OWN_RUNTIME, RuntimeSettings};
pub use live::LiveSettings;

/// Where the engine keeps things and which programs it starts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What outlives a reboot: images, layers, records, logs.
    pub data_root: PathBuf,
    /// What does not: bundles and sockets.
    pub exec_root: PathBuf,
    /// The `gantry-shim` binary.
    pub shim: PathBuf,
    /// The `gantry-init` binary, for `--init`.
    pub init: PathBuf,
    /// Who makes containers' cgroups.
    pub cgroup_driver: CgroupDriver,
    /// The cgroup below which every container's own lies, with a leading slash; with systemd, the name of the slice.
    pub cgroup_parent: String,
    /// Whether containers get labels of SELinux, where the kernel has it.
    pub selinux: bool,
    /// The form of extracted layers; `None` leaves the choice to what the host can.
    pub layer_format: Option<gantry_layers::Format>,
    /// How long nothing may have come in before archives of layers go that can be put together again; without it,
    /// all of them stay.
    pub layer_archives: Option<Duration>,
    /// Whether there is a default bridge; without one, containers that ask for no network have none.
    pub default_bridge: bool,
    /// Where plugins are.
    pub plugins: gantry_plugins::Config,
    /// What networks get that ask for nothing else.
    pub networks: NetworkSettings,
    /// Names of containers and of the world outside.
    pub names: NameSettings,
    /// Where containers' output goes that ask for nothing else.
    pub logs: LogDefaults,
    /// What may change while the daemon runs, as it is at the start.
    pub live: LiveSettings,
    /// The signature policy that images from registries must fulfil; none lets everything in.
    pub signature_policy: Option<PathBuf>,
    /// The OCI layout archive of the image that every new data root begins with.
    pub embedded_image: &'static [u8],
    /// The step at which a start fails on purpose; for tests of the undo.
    pub fail_at: Option<String>,
}

/// Who makes containers' cgroups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CgroupDriver {
    /// The runtime, as directories.
    #[default]
    Cgroupfs,
    /// systemd, as a scope for each container.
    Systemd,
}

impl CgroupDriver {
    /// The word of the Engine API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cgroupfs => "cgroupfs",
            Self::Systemd => "systemd",
        }
    }
}

/// Where containers' output goes that ask for nothing else. Containers keep what they were created with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDefaults {
    /// The log driver's name.
    pub driver: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
}

impl Default for LogDefaults {
    fn default() -> Self {
        Self { driver: "local".to_owned(), options: BTreeMap::new() }
    }
}

/// What containers get that ask for nothing else, for the names that they ask for.
#[derive(Debug, Clone)]
pub struct NameSettings {
    /// Name servers, instead of the host's.
    pub servers: Vec<std::net::IpAddr>,
    /// Domains that are tried behind a name, instead of the host's.
    pub search: Vec<String>,
    /// Options of `resolv.conf(5)`, instead of the host's.
    pub options: Vec<String>,
    /// What `host-gateway` means in `--add-host`; the default bridge's own address where there is none.
    pub host_gateways: Vec<std::net::IpAddr>,
    /// The host's own file.
    pub resolv_conf: PathBuf,
}

impl Default for NameSettings {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            search: Vec::new(),
            options: Vec::new(),
            host_gateways: Vec::new(),
            resolv_conf: "/etc/resolv.conf".into(),
        }
    }
}

/// What networks get that ask for nothing else.
#[derive(Debug, Clone)]
pub struct NetworkSettings {
    /// What the default network is told; its name is passed over.
    pub default_network: gantry_network::CreateOptions,
    /// A bridge that the user made for the default network.
    pub users_bridge: Option<String>,
    /// Whether the host may be made a router.
    pub forwards: bool,
    /// Subnets, each cut into pieces of that many bits; Docker's for a family that has none.
    pub pools: Vec<(ipnet::IpNet, u8)>,
    /// Bytes in a packet.
    pub mtu: Option<u32>,
    /// Options by driver.
    pub options: BTreeMap<String, BTreeMap<String, String>>,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            default_network: gantry_network::CreateOptions::default(),
            users_bridge: None,
            forwards: true,
            pools: Vec::new(),
            mtu: None,
            options: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// What a container keeps over its restarts: its log and the files mounted into `/etc`.
    pub(crate) fn container_dir(&self, id: &str) -> PathBuf {
        self.data_root.join("containers").join(id)
    }

    /// What a managed plugin has while it runs.
    pub(crate) fn plugin_dir(&self, id: &str) -> PathBuf {
        self.exec_root.join("plugins").join(id)
    }

    /// Where it makes its socket.
    pub(crate) fn plugin_sockets(&self, id: &str) -> PathBuf {
        self.plugin_dir(id).join("sockets")
    }

    /// Where a log plugin's fifos are.
    pub(crate) fn plugin_logging(&self, id: &str) -> PathBuf {
        self.plugin_dir(id).join("logging")
    }

    /// Its OCI bundle, and its shim's sockets.
    pub(crate) fn plugin_bundle(&self, id: &str) -> PathBuf {
        self.plugin_dir(id).join("bundle")
    }

    /// The OCI bundle of a running container, and its shim's sockets.
    pub(crate) fn bundle(&self, id: &str) -> PathBuf {
        self.exec_root.join("containers").join(id)
    }
}
