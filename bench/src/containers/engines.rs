//! The engines, spelled alike.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use gantry_testkit::{NetworkHost, busybox};

use crate::clock::time;
use crate::compare::peer::Dockerd;
use crate::networks::site::{Gantry, Peer};

/// What follows a command is its engine's own business: it must not be charged to whoever comes next.
const OUR_PAUSE: Duration = Duration::from_millis(100);
const PEER_PAUSE: Duration = Duration::from_millis(400);

/// Those that are installed; ours first.
pub(super) struct Engines {
    pub(super) gantry: Gantry,
    pub(super) podman: Option<Peer>,
    pub(super) dockerd: Option<Dockerd>,
}

/// One of them.
#[derive(Clone, Copy)]
pub(super) enum Engine<'a> {
    Gantry(&'a Gantry),
    Podman(&'a Peer),
    Docker(&'a Dockerd),
}

impl Engines {
    pub(super) fn start(folder: &Path) -> Self {
        let archive = archive(folder);
        Self {
            gantry: Gantry::start(),
            podman: Peer::prepare(folder).map(Peer::with_crun),
            dockerd: Dockerd::start_on(Some(NetworkHost::new()), folder, &archive),
        }
    }

    pub(super) fn all(&self) -> Vec<Engine<'_>> {
        let peers = self.podman.iter().map(Engine::Podman);
        let peers = peers.chain(self.dockerd.iter().map(Engine::Docker));
        std::iter::once(Engine::Gantry(&self.gantry)).chain(peers).collect()
    }
}

/// The image for the peers.
pub(super) fn archive(folder: &Path) -> PathBuf {
    let archive = folder.join("busybox-for-peers.tar");
    std::fs::write(&archive, busybox().docker_archive()).expect("write the image archive");
    archive
}

impl Engine<'_> {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Gantry(_) => "gantry",
            Self::Podman(_) => "podman",
            Self::Docker(_) => "docker",
        }
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        match self {
            Self::Gantry(gantry) => gantry.command(arguments),
            Self::Podman(podman) => podman.command(arguments),
            Self::Docker(dockerd) => dockerd.docker(arguments),
        }
    }

    /// Runs a command to its end, and lets the machine settle.
    pub(super) fn timed(&self, arguments: &[&str]) -> Duration {
        let took = time(&mut self.command(arguments));
        self.settle();
        took
    }

    /// The ids of the processes that serve all of its containers.
    pub(super) fn daemons(&self) -> Vec<String> {
        match self {
            Self::Gantry(gantry) => vec![gantry.daemon.pid().to_string()],
            Self::Podman(_) => Vec::new(),
            Self::Docker(dockerd) => {
                let parent = dockerd.pid().to_string();
                let children = format!("/proc/{parent}/task/{parent}/children");
                let children = std::fs::read_to_string(children).unwrap_or_default();
                let children = children.split_whitespace().map(str::to_owned);
                children.chain([parent.clone()]).collect()
            }
        }
    }

    pub(super) fn settle(&self) {
        thread::sleep(match self {
            Self::Gantry(_) => OUR_PAUSE,
            Self::Podman(_) | Self::Docker(_) => PEER_PAUSE,
        });
    }
}
