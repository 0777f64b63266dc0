//! The place of the measurement: a private mount namespace. There the empty v2 hierarchy of a hybrid machine is
//! hidden, since Debian's crun refuses such machines; and mounts that a peer forgets go with the namespace.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gantry_testkit::private_mounts;

use crate::machine;

const INSIDE: &str = "GANTRY_BENCH_INSIDE";

/// Starts this program again in a private namespace; returns none when we are there already.
pub(crate) fn enter_private_namespace(arguments: &[String]) -> Option<ExitCode> {
    if std::env::var_os(INSIDE).is_some() {
        return None;
    }
    let error = private_mounts(true).args(arguments).env(INSIDE, "1").exec();
    eprintln!("gantry-bench: run unshare: {error}");
    Some(ExitCode::FAILURE)
}

/// What peers and runtimes leave outside their own folders.
const TRACES: [&str; 7] = [
    "/sys/fs/cgroup/*/gantry-bench",
    "/sys/fs/cgroup/*/libpod_parent",
    "/sys/fs/cgroup/*/docker",
    "/run/docker",
    "/run/crun",
    "/run/runc",
    "/dev/shm/libpod_lock",
];

/// Removes, when dropped, the traces that were not there when it was made: empty folders, and podman's lock.
pub(crate) struct Sweeper {
    before: Vec<PathBuf>,
}

impl Sweeper {
    pub(crate) fn new() -> Self {
        Self { before: traces() }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        for path in traces().into_iter().filter(|path| !self.before.contains(path)) {
            sweep(&path);
        }
    }
}

fn traces() -> Vec<PathBuf> {
    let controllers = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    // The unified hierarchy is hidden here; what a peer writes there goes with our namespace.
    let controllers: Vec<String> = controllers
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != "unified")
        .collect();
    let all = TRACES.iter().flat_map(|pattern| {
        if pattern.contains('*') {
            controllers.iter().map(|name| pattern.replace('*', name)).collect()
        } else {
            vec![(*pattern).to_owned()]
        }
    });
    all.map(PathBuf::from).filter(|path| path.exists()).collect()
}

fn sweep(path: &Path) {
    let folders = fs::read_dir(path).into_iter().flatten().flatten();
    for entry in folders.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        sweep(&entry.path());
    }
    let removed = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
    if let Err(error) = removed {
        eprintln!("gantry-bench: {} stays behind: {error}", path.display());
    }
}

/// Where a program is; none when it is not installed.
pub(crate) fn installed(program: &str) -> Option<String> {
    machine::first_line("sh", &["-c", &format!("PATH=$PATH:/usr/sbin:/sbin command -v {program}")])
}
