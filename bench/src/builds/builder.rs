//! The builders, each with its own flags for the same things. None of the steps needs a network, and none gets one.

use std::path::Path;
use std::process::Command;

use gantry_testkit::{Binaries, Daemon};

use crate::compare::peer::{Dockerd, Podman};
use crate::compare::stage::installed;
use crate::machine;

/// Something that makes images of Dockerfiles.
pub(super) trait Builder {
    fn name(&self) -> &'static str;

    /// `build FLAGS… CONTEXT`.
    fn build(&self, flags: &[&str], context: &Path) -> Command;

    /// Sends an image to the registry that its name begins with.
    fn push(&self, image: &str) -> Command;

    /// Removes an image.
    fn remove(&self, image: &str) -> Command;
}

/// Ours, with a daemon of its own.
pub(super) struct Gantry {
    daemon: Daemon,
}

impl Gantry {
    pub(super) fn start() -> Self {
        Self { daemon: Daemon::with_busybox() }
    }

    pub(super) fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(Binaries::find().path("gantry"));
        command.args(["-H", &self.daemon.host()]).args(arguments);
        command
    }
}

impl Builder for Gantry {
    fn name(&self) -> &'static str {
        "gantry"
    }

    fn build(&self, flags: &[&str], context: &Path) -> Command {
        let mut command = self.command(&["build", "--network", "none"]);
        command.args(flags).arg(context);
        command
    }

    fn push(&self, image: &str) -> Command {
        self.command(&["push", image])
    }

    fn remove(&self, image: &str) -> Command {
        self.command(&["rmi", image])
    }
}

/// Debian's buildah, on the storage of a podman.
pub(super) struct Buildah {
    program: String,
    podman: Podman,
}

impl Buildah {
    /// None when it is not installed.
    pub(super) fn prepare(folder: &Path, archive: &Path) -> Option<Self> {
        let program = installed("buildah")?;
        let podman = Podman::prepare(folder, archive)?;
        Some(Self { program, podman })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.podman.on_storage(&self.program);
        command.args(arguments);
        command
    }
}

impl Builder for Buildah {
    fn name(&self) -> &'static str {
        "buildah"
    }

    fn build(&self, flags: &[&str], context: &Path) -> Command {
        let policy = self.podman.policy();
        let fixed =
            ["build", "--layers", "--network", "none", "--pull-never", "--signature-policy"];
        let mut command = self.command(&fixed);
        command.arg(policy).args(flags).arg(context);
        command
    }

    fn push(&self, image: &str) -> Command {
        let policy = self.podman.policy();
        self.command(&["push", "-q", "--tls-verify=false", "--signature-policy", &policy, image])
    }

    fn remove(&self, image: &str) -> Command {
        self.command(&["rmi", image])
    }
}

/// Debian's command line of Docker, which brings its own client of `BuildKit`; later ones need a plugin for that.
const DEBIAN_CLI: &str = "/usr/bin/docker";

/// Whether it is installed.
pub(super) fn has_debian_cli() -> bool {
    Path::new(DEBIAN_CLI).exists()
}

fn docker(dockerd: &Dockerd, arguments: &[&str]) -> Command {
    let mut command = Command::new(DEBIAN_CLI);
    command.args(["-H", &dockerd.host()]).args(arguments);
    command
}

/// The `BuildKit` that is in Debian's dockerd.
pub(super) struct BuildKit<'a>(pub(super) &'a Dockerd);

impl Builder for BuildKit<'_> {
    fn name(&self) -> &'static str {
        "buildkit"
    }

    fn build(&self, flags: &[&str], context: &Path) -> Command {
        let mut command = docker(self.0, &["build", "--network", "none", "--progress", "plain"]);
        command.args(flags).arg(context).env("DOCKER_BUILDKIT", "1");
        command
    }

    fn push(&self, image: &str) -> Command {
        docker(self.0, &["push", image])
    }

    fn remove(&self, image: &str) -> Command {
        docker(self.0, &["rmi", image])
    }
}

/// Docker's builder before that.
pub(super) struct Classic<'a>(pub(super) &'a Dockerd);

impl Builder for Classic<'_> {
    fn name(&self) -> &'static str {
        "classic"
    }

    fn build(&self, flags: &[&str], context: &Path) -> Command {
        let mut command = docker(self.0, &["build", "--network", "none"]);
        command.args(flags).arg(context).env("DOCKER_BUILDKIT", "0");
        command
    }

    fn push(&self, image: &str) -> Command {
        docker(self.0, &["push", image])
    }

    fn remove(&self, image: &str) -> Command {
        docker(self.0, &["rmi", image])
    }
}

/// What buildah says of itself.
pub(super) fn version() -> String {
    let version = installed("buildah").and_then(|path| machine::first_line(&path, &["--version"]));
    version.unwrap_or_else(|| "no buildah".to_owned())
}
