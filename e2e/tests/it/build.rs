//! Builds: what a Dockerfile says becomes an image, and only what changed is done again.

mod bad_input;
mod ends;
mod files;
mod memory;
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

/// `gantry build FLAGS… CONTEXT` of a context with this Dockerfile and these files; what it prints.
#[track_caller]
fn build(daemon: &Daemon, flags: &[&str], dockerfile: &str, files: &[(&str, &str)]) -> String {
    let files = [files, &[("Dockerfile", dockerfile)]].concat();
    let root = context(daemon, &crate::shared::unique("context"), &files);
    let root = root.to_str().unwrap();
    daemon.ok(&[&["build", "--network", "none"], flags, &[root]].concat())
}

/// What a command in an image prints.
#[track_caller]
fn run(daemon: &Daemon, image: &str, command: &[&str]) -> String {
    daemon.ok(&[&["run", "--rm", "--network", "none", image], command].concat())
}
