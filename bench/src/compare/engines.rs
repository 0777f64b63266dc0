//! Engines: `run --rm --network none busybox true` through the whole chain.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gantry_testkit::{Binaries, Daemon, busybox, docker_cli};

use super::group::{Bar, Group, Subject};
use super::peer::{Dockerd, Podman};

const RUN: [&str; 6] = ["run", "--rm", "--network", "none", "busybox", "true"];

/// The image for the peers.
pub(super) fn archive(folder: &Path) -> PathBuf {
    let archive = folder.join("busybox.tar");
    fs::write(&archive, busybox().docker_archive()).expect("write the image archive");
    archive
}

pub(super) fn group(daemon: &Daemon, folder: &Path, dockerd: Option<&Dockerd>) -> Group {
    let gantry = Binaries::find().path("gantry");
    let host = daemon.host();
    let mut subjects = vec![Subject::new("gantry run", move |_| {
        let mut command = Command::new(&gantry);
        command.args(["-H", &host]).args(RUN);
        command
    })];
    if let Some(podman) = Podman::prepare(folder, &archive(folder)) {
        subjects.push(Subject::new("podman run", move |_| podman.command(&RUN)));
    }
    if let Some(dockerd) = dockerd {
        let (docker, host): (PathBuf, String) = (docker_cli(), dockerd.host());
        subjects.push(Subject::new("docker run", move |_| {
            let mut command = Command::new(&docker);
            command.args(["-H", &host]).args(RUN);
            command
        }));
    }
    let bars = vec![
        Bar::Beside { ours: "gantry run", peer: "podman run", limit: 0.35 },
        Bar::Beside { ours: "gantry run", peer: "docker run", limit: 0.35 },
    ];
    let title = "engines: `run --rm --network none busybox true`".to_owned();
    Group { title, subjects, bars }
}
