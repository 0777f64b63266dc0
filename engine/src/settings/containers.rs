//! What containers get that ask for nothing else: limits, modes, profiles, and the runtimes that they may ask for.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::PathBuf;

use gantry_api::container::Ulimit;

use crate::plan::UserNamespace;

/// The name of the runtime that is built in.
pub const OWN_RUNTIME: &str = "gantry";

/// What a container gets whose request leaves it open.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerDefaults {
    /// By name; a container's own limit of the same name wins.
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Bytes of `/dev/shm`.
    pub shm_size_bytes: i64,
    /// `private` or `shareable`.
    pub ipc_mode: String,
    /// `private` or `host`; `None` is Docker's default, which depends on the cgroup version.
    pub cgroupns_mode: Option<String>,
    /// Whether containers are kept from gaining privileges unless they ask for it.
    pub no_new_privileges: bool,
    /// Whether a tiny init runs as their first process.
    pub init: bool,
    /// Which ids of the host containers have instead of the host's own.
    pub user_namespace: Option<UserNamespace>,
    /// The system call filter.
    pub seccomp_profile: DefaultSeccomp,
    /// Where specifications of the Container Device Interface are, the later the stronger; none turns it off.
    pub cdi_spec_dirs: Vec<PathBuf>,
    /// Other runtimes, by the name that containers ask for.
    pub runtimes: BTreeMap<String, RuntimeSettings>,
    /// Bytes that a writable layer may hold; `None` is as many as there are.
    pub writable_layer_bytes: Option<NonZeroU64>,
    /// One of them, or [`OWN_RUNTIME`].
    pub default_runtime: String,
    /// Microseconds of realtime in a period that all containers may share; cgroup v1 only, zero leaves it alone.
    pub cpu_rt_runtime_us: i64,
    /// Microseconds; zero leaves it alone.
    pub cpu_rt_period_us: i64,
}

/// The system call filter of containers that name none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultSeccomp {
    /// Docker's profile.
    Builtin,
    Unconfined,
    /// A profile in Docker's form, and the file that it is from.
    Profile {
        path: PathBuf,
        json: String,
    },
}

/// A runtime besides the one that is built in: a program with runc's command line, which our shim runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimeSettings {
    /// An absolute path, or a name that is looked for in the usual folders.
    pub program: String,
    /// What stands before the program's own words.
    pub arguments: Vec<String>,
    /// Where the program keeps its state; empty leaves that to it.
    pub root: String,
    /// Whether it shall not use `pivot_root(2)`.
    pub no_pivot_root: bool,
    /// Whether it shall make no session keyring.
    pub no_new_keyring: bool,
}

impl Default for ContainerDefaults {
    fn default() -> Self {
        Self {
            ulimits: BTreeMap::new(),
            shm_size_bytes: 64 << 20,
            ipc_mode: "private".to_owned(),
            cgroupns_mode: None,
            no_new_privileges: false,
            init: false,
            user_namespace: None,
            seccomp_profile: DefaultSeccomp::Builtin,
            cdi_spec_dirs: ["/etc/cdi", "/var/run/cdi"].map(PathBuf::from).to_vec(),
            runtimes: BTreeMap::new(),
            writable_layer_bytes: None,
            default_runtime: OWN_RUNTIME.to_owned(),
            cpu_rt_runtime_us: 0,
            cpu_rt_period_us: 0,
        }
    }
}
