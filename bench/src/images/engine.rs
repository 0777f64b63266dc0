//! What the engines have in common: the same commands, with each one's own flags.

use std::path::Path;
use std::process::Command;

use gantry_testkit::{Binaries, Daemon};

use super::words;
use crate::compare::peer::{Dockerd, Podman};

/// Something that pulls, pushes and keeps images.
pub(super) trait Engine {
    fn name(&self) -> &'static str;

    /// A command that all of them spell alike.
    fn command(&self, arguments: &[&str]) -> Command;

    fn pull(&self, image: &str) -> Command {
        self.command(&["pull", "-q", image])
    }

    fn push(&self, image: &str) -> Command {
        self.command(&["push", image])
    }

    fn save(&self, image: &str, archive: &Path) -> Command {
        self.command(&["save", "-o", &archive.to_string_lossy(), image])
    }

    fn load(&self, archive: &Path) -> Command {
        self.command(&["load", "-q", "-i", &archive.to_string_lossy()])
    }
}

/// Ours, with a daemon of its own.
pub(super) struct Gantry {
    daemon: Daemon,
}

impl Gantry {
    pub(super) fn start() -> Self {
        Self { daemon: Daemon::start() }
    }
}

impl Engine for Gantry {
    fn name(&self) -> &'static str {
        "gantry"
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = words(Binaries::find().path("gantry"), &["-H", &self.daemon.host()]);
        command.args(arguments);
        command
    }
}

impl Engine for Dockerd {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.docker(arguments)
    }
}

impl Engine for Podman {
    fn name(&self) -> &'static str {
        "podman"
    }

    fn command(&self, arguments: &[&str]) -> Command {
        Self::command(self, arguments)
    }

    fn pull(&self, image: &str) -> Command {
        let policy = self.policy();
        let flags = ["--tls-verify=false", "--signature-policy", &policy];
        Self::command(self, &[&["pull", "-q"], &flags[..], &[image]].concat())
    }

    fn push(&self, image: &str) -> Command {
        let policy = self.policy();
        let flags = ["--tls-verify=false", "--signature-policy", &policy];
        Self::command(self, &[&["push", "-q"], &flags[..], &[image]].concat())
    }

    fn save(&self, image: &str, archive: &Path) -> Command {
        let archive = archive.to_string_lossy();
        let policy = self.policy();
        let flags = ["-q", "--signature-policy", &policy, "-o", &archive];
        Self::command(self, &[&["save"], &flags[..], &[image]].concat())
    }

    fn load(&self, archive: &Path) -> Command {
        let archive = archive.to_string_lossy();
        let policy = self.policy();
        Self::command(self, &["load", "-q", "-i", &archive, "--signature-policy", &policy])
    }
}
