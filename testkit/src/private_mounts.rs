//! A private mount namespace for a program: what it mounts and forgets goes with the namespace.

use std::path::Path;
use std::process::Command;

const UNIFIED: &str = "/sys/fs/cgroup/unified";

/// A command that runs this program again in a private mount namespace, its arguments still to be added. With
/// `hide_unified`, the unified hierarchy of a hybrid machine is covered there: Debian's crun refuses such machines.
pub fn private_mounts(hide_unified: bool) -> Command {
    let hide = if hide_unified && Path::new(UNIFIED).is_dir() {
        format!("mount -t tmpfs tmpfs {UNIFIED} && ")
    } else {
        String::new()
    };
    let own = std::env::current_exe().expect("find our own executable");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c"]);
    command.arg(format!("{hide}exec \"$@\"")).arg("sh").arg(own);
    command
}
