//! Runtimes: `run` of `true` from one bundle, and the program that does only what the kernel must.

use std::path::{Path, PathBuf};
use std::process::Command;

use gantry_testkit::{Binaries, Daemon, checkout};

use super::stage::installed;
use super::{Bar, Group, Subject, bundle, time};

pub(super) fn groups(daemon: &Daemon, folder: &Path) -> Vec<Group> {
    let root = bundle::root(folder);
    let floor = compile_floor(folder);
    let configs = [
        ("plain", "the config of `runc spec`", bundle::plain_config()),
        (
            "docker",
            "the config that Docker generates, with its seccomp profile",
            bundle::docker_config(daemon),
        ),
    ];
    configs
        .into_iter()
        .map(|(label, title, config)| {
            let mut subjects = vec![floor_subject(&floor, &root, folder)];
            for (name, program) in programs() {
                let name_of_bundle = format!("{label}-{name}");
                let bundle = bundle::write(folder, &name_of_bundle, &config, &root);
                let state = folder.join("state").join(&name_of_bundle);
                subjects.push(Subject::new(format!("{name} run"), move |number| {
                    let mut command = Command::new(&program);
                    command.arg("--root").arg(&state).arg("run").arg("--bundle").arg(&bundle);
                    command.arg(format!("bench-{number}"));
                    command
                }));
            }
            let bars = vec![Bar { ours: "gantry-runc run", peer: "crun run", ratio: 1.0 }];
            Group { title: format!("runtimes: `run` of `true`, {title}"), subjects, bars }
        })
        .collect()
}

/// Ours and the installed peers.
fn programs() -> Vec<(&'static str, PathBuf)> {
    let mut all = vec![("gantry-runc", Binaries::find().path("gantry-runc"))];
    for name in ["crun", "runc"] {
        all.extend(installed(name).map(|path| (name, PathBuf::from(path))));
    }
    all
}

fn compile_floor(folder: &Path) -> PathBuf {
    let program = folder.join("floor");
    let source = checkout().join("bench/floor.c");
    time(Command::new("cc").args(["-O2", "-Wall", "-o"]).arg(&program).arg(source));
    program
}

fn floor_subject(program: &Path, root: &Path, folder: &Path) -> Subject {
    let scratch = folder.join("scratch");
    std::fs::create_dir_all(&scratch).expect("make the scratch folder");
    let (program, root) = (program.to_owned(), root.to_owned());
    Subject::new("floor (kernel only)", move |_| {
        let mut command = Command::new(&program);
        command.arg(&root).arg(&scratch);
        command
    })
}
