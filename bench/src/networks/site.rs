//! Where engines run: a host with a machine outside, and the engine on it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use gantry_testkit::{Binaries, Daemon, NetworkHost, Options, busybox};

use crate::compare::peer::Podman;
use crate::compare::stage::installed;

/// The host's address on the wire.
pub(super) const HOST: &str = "192.0.2.1";

/// A host, and a machine outside that is wired to it.
pub(super) struct Site {
    pub(super) host: Arc<NetworkHost>,
    pub(super) outside: NetworkHost,
}

impl Site {
    pub(super) fn new() -> Self {
        let (host, outside) = (Arc::new(NetworkHost::new()), NetworkHost::new());
        host.connect("wire", &format!("{HOST}/24"), &outside, "192.0.2.2/24");
        Self { host, outside }
    }
}

/// A command on a host instead of here.
pub(super) fn on(host: &NetworkHost, command: &Command) -> Command {
    let mut there = host.command(command.get_program());
    there.args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            there.env(name, value);
        }
    }
    there
}

/// Ours.
pub(crate) struct Gantry {
    pub(super) site: Site,
    pub(crate) daemon: Daemon,
}

impl Gantry {
    pub(crate) fn start() -> Self {
        let site = Site::new();
        let network = Some(Arc::clone(&site.host));
        let daemon = Daemon::start_with(Options { network, ..Options::default() });
        daemon.load(&busybox());
        Self { site, daemon }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(Binaries::find().path("gantry"));
        command.args(["-H", &self.daemon.host()]).args(arguments);
        command
    }

    /// Where a container is that does nothing.
    pub(super) fn idle(&self, flags: &[&str]) -> NetworkHost {
        let id = self.daemon.ok(&[&["run", "-d"], flags, &["busybox", "sleep", "86400"]].concat());
        let pid = self.daemon.ok(&["inspect", "-f", "{{.State.Pid}}", id.trim()]);
        NetworkHost::of_process(pid.trim().parse().expect("a process id"))
    }
}

/// Podman with netavark, on a host of its own.
pub(crate) struct Peer {
    site: Site,
    podman: Podman,
    config: String,
}

impl Peer {
    /// None when it is not installed.
    pub(crate) fn prepare(folder: &Path) -> Option<Self> {
        let archive = folder.join("busybox.tar");
        fs::write(&archive, busybox().docker_archive()).expect("write the image archive");
        let podman = Podman::prepare(folder, &archive)?;
        let config = podman.folder().join("networks.conf").display().to_string();
        let lines = fs::read_to_string(podman.folder().join("containers.conf"))
            .expect("read podman's configuration");
        let networks = podman.folder().join("networks").display().to_string();
        let more = format!(
            "[network]\nnetwork_backend = \"netavark\"\nnetwork_config_dir = {networks:?}\n"
        );
        fs::write(&config, format!("{lines}{more}")).expect("write podman's configuration");
        Some(Self { site: Site::new(), podman, config })
    }

    /// The same with crun, where that is installed: the fastest that podman can be.
    pub(crate) fn with_crun(self) -> Self {
        if installed("crun").is_some() {
            let lines = fs::read_to_string(&self.config).expect("read podman's configuration");
            let lines = lines.replace("runtime = \"runc\"", "runtime = \"crun\"");
            fs::write(&self.config, lines).expect("write podman's configuration");
        }
        self
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = on(&self.site.host, &self.podman.command(arguments));
        command.env("CONTAINERS_CONF", &self.config);
        command
    }
}
