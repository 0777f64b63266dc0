//! The OCI bundles that runtimes are measured with: a busybox root and two configs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gantry_testkit::{Daemon, busybox_layer};
use serde_json::{Value, json};

/// Unpacks the busybox root.
pub(super) fn root(folder: &Path) -> PathBuf {
    let root = folder.join("rootfs");
    fs::create_dir_all(&root).expect("make the root");
    let archive = folder.join("rootfs.tar");
    fs::write(&archive, busybox_layer()).expect("write the root's archive");
    super::time(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&root));
    root
}

/// Writes a bundle from a config and the words to run; its container lies in a cgroup of its own.
pub(super) fn write(bundle: &Path, (config, args): (&Value, &[&str]), root: &Path) -> PathBuf {
    fs::create_dir_all(bundle).expect("make the bundle");
    let name = bundle.file_name().unwrap_or_default().to_string_lossy();
    let mut config = config.clone();
    // Debian's crun refuses a version that it has not heard of.
    config["ociVersion"] = json!("1.0.2");
    config["root"] = json!({"path": root, "readonly": false});
    config["process"]["args"] = json!(args);
    config["process"]["terminal"] = json!(false);
    config["linux"]["cgroupsPath"] = json!(format!("/gantry-bench/{name}"));
    fs::write(bundle.join("config.json"), config.to_string()).expect("write the config");
    bundle.to_owned()
}

/// What `runc spec` prints, without a terminal.
pub(super) fn plain_config() -> Value {
    let capabilities = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let quiet = ["nosuid", "noexec", "nodev"];
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true
        },
        "hostname": "bench",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": quiet},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}
        ],
        "linux": {
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}],
            "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
        }
    })
}

/// The config that the daemon makes for a container with Docker's defaults, seccomp profile included.
pub(super) fn docker_config(daemon: &Daemon) -> Value {
    let words = ["run", "-d", "--network", "none", "--name", "model", "busybox", "sleep", "100000"];
    let id = daemon.ok(&words);
    let path = daemon.exec_root().join("containers").join(id).join("config.json");
    let text = fs::read(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
    let config: Value = serde_json::from_slice(&text).expect("the daemon's config.json is JSON");
    assert!(config["linux"]["seccomp"].is_object(), "the daemon's config has a seccomp profile");
    config
}
