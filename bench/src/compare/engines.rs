//! Engines: `run --rm --network none busybox true` through the whole chain.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gantry_testkit::{Binaries, Daemon, busybox, docker_cli};

use super::peer::{Dockerd, Podman};
use super::{Bar, Group, Subject};

const RUN: [&str; 6] = ["run", "--rm", "--network", "none", "busybox", "true"];

/// The group, and what must stay alive while it is measured.
pub(super) fn group(daemon: &Daemon, folder: &Path) -> (Group, (Option<Podman>, Option<Dockerd>)) {
    let archive = folder.join("busybox.tar");
    fs::write(&archive, busybox().docker_archive()).expect("write the image archive");
    let gantry = Binaries::find().path("gantry");
    let host = daemon.host();
    let mut subjects = vec![Subject::new("gantry run", move |_| {
        let mut command = Command::new(&gantry);
        command.args(["-H", &host]).args(RUN);
        command
    })];
    let podman = Podman::prepare(folder, &archive);
    if let Some(podman) = &podman {
        let podman = podman.clone();
        subjects.push(Subject::new("podman run", move |_| podman.command(&RUN)));
    }
    let dockerd = Dockerd::start(folder, &archive);
    if let Some(dockerd) = &dockerd {
        let (docker, host): (PathBuf, String) = (docker_cli(), dockerd.host());
        subjects.push(Subject::new("docker run", move |_| {
            let mut command = Command::new(&docker);
            command.args(["-H", &host]).args(RUN);
            command
        }));
    }
    let bars = vec![
        Bar { ours: "gantry run", peer: "podman run", ratio: 0.35 },
        Bar { ours: "gantry run", peer: "docker run", ratio: 0.35 },
    ];
    let title = "engines: `run --rm --network none busybox true`".to_owned();
    (Group { title, subjects, bars }, (podman, dockerd))
}
