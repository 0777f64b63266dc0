//! A rootless engine calls the runtime: Debian's podman, as the user, with storage of his own. It makes a user namespace around the
//! runtime, and keeps a process in it until it is told to end.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::rig::{Rig, USER, Who, output_of};
use crate::bed::text;

const SETTINGS: &str = r#"[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"#;

struct Podman(Rig);

impl Podman {
    fn new() -> Self {
        let rig = Rig::new(Who::User);
        let top = rig.bed.dir.path();
        fs::write(top.join("run/settings"), SETTINGS).unwrap();
        rig.hand_over();
        Self(rig)
    }

    fn command(&self, args: &[&str]) -> Command {
        let podman = Path::new("/usr/bin/podman");
        assert!(podman.exists(), "install podman");
        let ours = env!("CARGO_BIN_EXE_gantry-runc");
        let run = self.0.bed.dir.path().join("run");
        let args = [&["--storage-driver", "vfs", "--runtime", ours][..], args].concat();
        let mut command = self.0.program(podman, &args);
        command.env("CONTAINERS_CONF", run.join("settings")).env("HOME", &run).env("USER", "mara");
        command
    }

    fn call(&self, args: &[&str]) -> Output {
        output_of(self.command(args), &self.0.bed.dir.path().join("said"))
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.call(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn run(&self, flags: &[&str], script: &str) -> String {
        let rootfs = self.0.bed.rootfs();
        let rootfs = ["--rootfs", rootfs.to_str().unwrap(), "/bin/sh", "-c", script];
        self.ok(&[&["run"], flags, &rootfs].concat())
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        drop(self.call(&["rm", "--all", "--force", "--time", "0"]));
        // Ends the process that holds the namespaces.
        drop(self.call(&["system", "migrate"]));
        // It has a name of its own for each user, outside of all folders.
        drop(fs::remove_file(format!("/dev/shm/libpod_rootless_lock_{USER}")));
    }
}

#[test]
fn podman_runs_containers_without_root() {
    let podman = Podman::new();
    let isolated = ["--rm", "--network", "none"];
    let ids = format!("0\n0 {USER} 1\n");
    let script = "id -u; awk '{print $1,$2,$3}' /proc/self/uid_map | head -1; echo x > /dev/null";
    assert_eq!(podman.run(&isolated, script), ids);
    // The host's namespaces belong to somebody else there.
    let host = ["--rm", "--network", "host", "--pid", "host", "--uts", "host"];
    assert_eq!(podman.run(&host, "test -d /proc/2 && ls -d /sys/class/net"), "/sys/class/net\n");
    // A user namespace within podman's.
    let mapped = [&isolated[..], &["--uidmap", "0:1:100", "--gidmap", "0:1:100"]].concat();
    let script = "id -u; awk '{print $1,$2,$3}' /proc/self/uid_map";
    assert_eq!(podman.run(&mapped, script), "0\n0 1 100\n");
    let more = ["--read-only", "--tmpfs", "/tmp", "--sysctl", "net.ipv4.ip_forward=1"];
    let script = "touch /tmp/x && ! touch /x 2> /dev/null && cat /proc/sys/net/ipv4/ip_forward";
    assert_eq!(podman.run(&[&isolated[..], &more].concat(), script), "1\n");

    let args = ["-d", "--name", "c", "--network", "none"];
    podman.run(&args, "exec sleep 1000");
    assert_eq!(podman.ok(&["exec", "--user", "7", "c", "id", "-u"]), "7\n");
    assert!(podman.ok(&["exec", "-t", "c", "tty"]).contains("/dev/pts/0"));
    assert!(podman.ok(&["top", "c", "huser", "args"]).contains("sleep 1000"));
    let joined = ["--rm", "--network", "container:c", "--pid", "container:c"];
    assert!(podman.run(&joined, "ps").contains("sleep 1000"));
    podman.ok(&["kill", "c"]);
    podman.ok(&["wait", "c"]);
    assert_eq!(podman.ok(&["inspect", "-f", "{{.State.ExitCode}}", "c"]), "137\n");
}
