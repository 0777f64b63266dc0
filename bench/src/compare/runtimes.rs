//! Runtimes: `run` of `true` from one bundle, and the program that does only what the kernel must.

use std::path::{Path, PathBuf};
use std::process::Command;

use gantry_testkit::{Binaries, checkout};
use serde_json::Value;
use tempfile::TempDir;

use super::group::{Bar, Group, Subject};
use super::stage::installed;
use super::{bundle, time};
use crate::memory;

const OURS: &str = "gantry-runc run";
const FLOOR: &str = "floor (kernel only)";

pub(super) const PLAIN_BARS: [Bar; 3] = [
    Bar::Beside { ours: OURS, peer: FLOOR, limit: 2.0 },
    Bar::Beside { ours: OURS, peer: "crun run", limit: 0.45 },
    Bar::Idle { ours: OURS, limit: 1.6 },
];
pub(super) const DOCKER_BARS: [Bar; 3] = [
    Bar::Beside { ours: OURS, peer: FLOOR, limit: 2.5 },
    Bar::Beside { ours: OURS, peer: "crun run", limit: 0.15 },
    Bar::Idle { ours: OURS, limit: 1.6 },
];

/// A config to measure with.
pub(super) struct Config {
    /// Part of file names.
    label: &'static str,
    title: &'static str,
    document: Value,
}

impl Config {
    pub(super) fn new(label: &'static str, title: &'static str, document: Value) -> Self {
        Self { label, title, document }
    }
}

/// What the runtimes are measured with: a root file system, places for bundles and records, the floor.
pub(super) struct Bench {
    folder: PathBuf,
    records: TempDir,
    root: PathBuf,
    floor: PathBuf,
    /// Ours and the installed peers.
    programs: Vec<(&'static str, PathBuf)>,
}

impl Bench {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            records: memory::folder(),
            root: bundle::root(folder),
            floor: compile_floor(folder),
            programs: programs(folder),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn programs(&self) -> Vec<(&'static str, PathBuf)> {
        self.programs.clone()
    }

    /// Writes a bundle that runs these words.
    pub(super) fn bundle(&self, config: &Config, label: &str, args: &[&str]) -> PathBuf {
        let name = format!("{}-{label}", config.label);
        bundle::write(&self.folder.join(name), (&config.document, args), &self.root)
    }

    /// Where a runtime keeps its records.
    pub(super) fn state(&self, label: &str) -> PathBuf {
        self.records.path().join(label)
    }

    /// `run` of `true` by every runtime, beside the floor.
    pub(super) fn run(&self, config: &Config, bars: &[Bar]) -> Group {
        let mut subjects = vec![self.floor_subject()];
        for (name, program) in self.programs() {
            let bundle = self.bundle(config, name, &["true"]);
            let state = self.state(&format!("{}-{name}", config.label));
            subjects.push(Subject::new(format!("{name} run"), move |number| {
                let mut command = Command::new(&program);
                command.arg("--root").arg(&state).arg("run").arg("--bundle").arg(&bundle);
                command.arg(format!("bench-{number}"));
                command
            }));
        }
        let title = format!("runtimes: `run` of `true`, {}", config.title);
        Group { title, subjects, bars: bars.to_vec() }
    }

    fn floor_subject(&self) -> Subject {
        let scratch = self.folder.join("scratch");
        std::fs::create_dir_all(&scratch).expect("make the scratch folder");
        let (program, root) = (self.floor.clone(), self.root.clone());
        Subject::new(FLOOR, move |_| {
            let mut command = Command::new(&program);
            command.arg(&root).arg(&scratch);
            command
        })
    }
}

/// Copies, made now: what the page cache keeps of a file, and in which pieces, depends on how it was written and how long ago.
fn programs(folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let mut all = vec![("gantry-runc", Binaries::find().path("gantry-runc"))];
    for name in ["crun", "runc"] {
        all.extend(installed(name).map(|path| (name, PathBuf::from(path))));
    }
    for (name, path) in &mut all {
        let copy = folder.join(*name);
        std::fs::copy(&*path, &copy)
            .unwrap_or_else(|error| panic!("copy {}: {error}", path.display()));
        *path = copy;
    }
    all
}

fn compile_floor(folder: &Path) -> PathBuf {
    let program = folder.join("floor");
    let source = checkout().join("bench/floor.c");
    time(Command::new("cc").args(["-O2", "-Wall", "-o"]).arg(&program).arg(source));
    program
}
