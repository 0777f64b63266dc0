//! What the daemon tells the engine once, at start. No defaults live here: `bin/gantryd` resolves them.

use std::path::PathBuf;

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
    /// The cgroup below which every container's own lies, with a leading slash.
    pub cgroup_parent: String,
    /// The form of extracted layers; `None` leaves the choice to what the host can.
    pub layer_format: Option<gantry_layers::Format>,
    /// Whether there is a default bridge; without one, containers that ask for no network have none.
    pub default_bridge: bool,
    /// Which registries may be spoken to, and how.
    pub registries: gantry_registry_client::Config,
    /// The signature policy that images from registries must fulfil; none lets everything in.
    pub signature_policy: Option<PathBuf>,
    /// Whether the daemon logs at debug level; `info` shows it.
    pub debug: bool,
    /// The OCI layout archive of the image that every new data root begins with.
    pub embedded_image: &'static [u8],
    /// The step at which a start fails on purpose; for tests of the undo.
    pub fail_at: Option<String>,
}

impl Settings {
    /// What a container keeps over its restarts: its log and the files mounted into `/etc`.
    pub(crate) fn container_dir(&self, id: &str) -> PathBuf {
        self.data_root.join("containers").join(id)
    }

    /// The OCI bundle of a running container, and its shim's sockets.
    pub(crate) fn bundle(&self, id: &str) -> PathBuf {
        self.exec_root.join("containers").join(id)
    }
}
