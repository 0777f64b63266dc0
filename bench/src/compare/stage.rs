//! The place of the measurement: a private mount namespace. There the empty v2 hierarchy of a hybrid machine is
//! hidden, since Debian's crun refuses such machines; and mounts that a peer forgets go with the namespace.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::machine;

const INSIDE: &str = "GANTRY_BENCH_INSIDE";

/// Starts this program again in a private namespace; returns none when we are there already.
pub(super) fn enter_private_namespace(arguments: &[String]) -> Option<ExitCode> {
    if std::env::var_os(INSIDE).is_some() {
        return None;
    }
    let hide = if Path::new("/sys/fs/cgroup/unified").is_dir() {
        "mount -t tmpfs tmpfs /sys/fs/cgroup/unified && "
    } else {
        ""
    };
    let own = std::env::current_exe().expect("find our own executable");
    let error = Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            &format!("{hide}exec \"$@\""),
            "sh",
        ])
        .arg(own)
        .args(arguments)
        .env(INSIDE, "1")
        .exec();
    eprintln!("gantry-bench: run unshare: {error}");
    Some(ExitCode::FAILURE)
}

/// Where a program is; none when it is not installed.
pub(super) fn installed(program: &str) -> Option<String> {
    machine::first_line("sh", &["-c", &format!("PATH=$PATH:/usr/sbin:/sbin command -v {program}")])
}
