//! Builds: what a Dockerfile says becomes an image, and only what changed is done again.

mod agents;
mod attestations;
mod bad_input;
mod caches;
mod compressions;
mod contexts;
mod ends;
mod exporters;
mod failures;
mod files;
mod full_disks;
mod history;
mod in_place;
mod layouts;
mod memory;
mod mirrored;
mod mounts;
mod outputs;
mod platforms;
mod programs;
mod progress;
mod reproducible;
mod run_mounts;
mod sandboxes;
mod sources;
mod squash;
mod stalled;
mod steps;

use std::fs;
use std::path::PathBuf;

use gantry_testkit::Daemon;

/// A context with these files; a path that ends with a slash is a directory.
fn context(daemon: &Daemon, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let root = daemon.scratch(name);
    fs::create_dir_all(&root).unwrap();
    for (path, content) in files {
        let path = root.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).unwrap();
        }
        fs::write(path, content).unwrap();
    }
    root
}

/// `gantry build FLAGS… CONTEXT` of a context with this Dockerfile and these files; what it prints, results and progress.
#[track_caller]
fn build(daemon: &Daemon, flags: &[&str], dockerfile: &str, files: &[(&str, &str)]) -> String {
    let files = [files, &[("Dockerfile", dockerfile)]].concat();
    let root = context(daemon, &crate::shared::unique("context"), &files);
    let root = root.to_str().unwrap();
    let words = [&["build", "--network", "none", "--progress", "plain"], flags, &[root]].concat();
    let outcome = daemon.gantry(&words).run();
    assert_eq!(outcome.code, 0, "{}\n{}", outcome.stdout, outcome.stderr);
    format!("{}{}", outcome.stdout, outcome.stderr)
}

/// Whether nothing is left of what builds have while they go on.
fn is_over(daemon: &Daemon) -> bool {
    let is_empty = |path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    let (exec, data) = (daemon.exec_root(), daemon.data_root());
    let shims = [exec.join("containers"), exec.join("build-sandboxes")];
    let files = [exec.join("build-secrets"), data.join("builds"), data.join("containers")];
    shims.into_iter().chain(files).all(is_empty)
}

/// How many steps were remembered, as plain progress tells.
fn cached(printed: &str) -> usize {
    printed.lines().filter(|line| line.starts_with('#') && line.ends_with(" CACHED")).count()
}

/// What a command in an image prints.
#[track_caller]
fn run(daemon: &Daemon, image: &str, command: &[&str]) -> String {
    daemon.ok(&[&["run", "--rm", "--network", "none", image], command].concat())
}
