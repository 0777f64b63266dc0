//! `exec` of `true` by the runtimes alone, each in a container of its own that runs already.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::group::{Bar, Group, Subject};
use super::runtimes::{Bench, Config};

/// A container that runs until this is dropped.
pub(super) struct Running {
    program: PathBuf,
    state: PathBuf,
    id: String,
}

impl Running {
    fn start(bench: &Bench, config: &Config, (name, program): (&str, PathBuf)) -> Self {
        let label = format!("exec-{name}");
        let bundle = bench.bundle(config, &label, &["sleep", "100000"]);
        let id = format!("bench-{label}");
        let container = Self { program, state: bench.state(&label), id };
        let mut command = container.command("run");
        command.arg("--detach").arg("--bundle").arg(bundle).arg(&container.id);
        // The container keeps the streams: one that somebody reads to its end would never end.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = command.status().expect("start a runtime");
        assert!(started.success(), "{command:?} ended with {started}");
        container
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(&self.state).arg(verb);
        command
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let removed = self.command("delete").args(["--force", &self.id]).status();
        if !removed.is_ok_and(|status| status.success()) {
            eprintln!("gantry-bench: {} stays behind", self.id);
        }
    }
}

/// The group, and the containers that must run while it is measured.
pub(super) fn group(bench: &Bench, config: &Config) -> (Group, Vec<Running>) {
    let mut containers = Vec::new();
    let mut subjects = Vec::new();
    for (name, program) in bench.programs() {
        let running = Running::start(bench, config, (name, program.clone()));
        let (state, id) = (running.state.clone(), running.id.clone());
        containers.push(running);
        subjects.push(Subject::new(format!("{name} exec"), move |_| {
            let mut command = Command::new(&program);
            command.arg("--root").arg(&state).args(["exec", &id, "true"]);
            command
        }));
    }
    let bars = vec![Bar::Beside { ours: "gantry-runc exec", peer: "crun exec", limit: 0.5 }];
    let title = "runtimes: `exec` of `true`, the config that Docker generates".to_owned();
    (Group { title, subjects, bars }, containers)
}
