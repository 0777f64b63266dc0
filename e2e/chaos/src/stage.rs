//! Where containers live and what of them may be left: a folder with a root file system and a bundle for each container, and cgroups
//! with a name of their own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gantry_testkit::busybox_layer;
use serde_json::{Value, json};

use crate::dice::Dice;

/// What the container's program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// Ends at once with this status.
    Quick(i32),
    /// Ends with this status when it is asked to by SIGTERM.
    Polite(i32),
    /// Has to be killed.
    Stubborn,
}

impl Program {
    pub(crate) fn throw(dice: &mut Dice) -> Self {
        let status = i32::try_from(dice.below(100)).unwrap_or_default();
        dice.pick(&[Self::Quick(status), Self::Polite(status), Self::Stubborn])
    }

    /// The status that it ends with, as a shell has it.
    pub(crate) fn expected(self) -> i32 {
        match self {
            Self::Quick(status) | Self::Polite(status) => status,
            Self::Stubborn => 137,
        }
    }
}

/// One run's folder: the root file system that all containers share, and a folder for each.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    folder: PathBuf,
}

impl Stage {
    /// Unpacks the root file system.
    pub(crate) fn build(folder: &Path) -> Self {
        let root = folder.join("rootfs");
        fs::create_dir(&root).expect("make the root file system's folder");
        let archive = folder.join("rootfs.tar");
        fs::write(&archive, busybox_layer()).expect("write the root file system's archive");
        let status = Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&root).status();
        assert!(status.expect("run tar").success(), "unpack {}", archive.display());
        fs::remove_file(&archive).expect("remove the archive");
        Self::at(folder)
    }

    /// One that was built before.
    pub(crate) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// A container's bundle.
    pub(crate) fn bundle(&self, id: &str, program: Program, mapped: bool) -> Bundle {
        let path = self.folder.join(id);
        fs::create_dir(&path).unwrap_or_else(|error| panic!("make {}: {error}", path.display()));
        let config = config(id, &self.folder.join("rootfs"), program, mapped);
        fs::write(path.join("config.json"), config.to_string()).expect("write config.json");
        Bundle { path, id: id.to_owned(), state_root: self.state_root() }
    }

    /// What the runtime's `--root` is.
    pub(crate) fn state_root(&self) -> PathBuf {
        self.folder.join("state")
    }
}

/// A container's bundle, and where its traces would be.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub path: PathBuf,
    pub id: String,
    state_root: PathBuf,
}

impl Bundle {
    /// Says what a container that is gone has left, else removes the bundle. `expected` are files that may lie in it.
    pub(crate) fn close(self, expected: &[&str]) -> Result<(), String> {
        let mut left = BTreeSet::new();
        if self.state_root.join(&self.id).exists() {
            left.insert(format!("state directory {}", self.state_root.join(&self.id).display()));
        }
        for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            let path = hierarchy.path().join(&self.id);
            if path.exists() {
                left.insert(format!("cgroup {}", path.display()));
            }
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let needle = self.path.to_string_lossy();
        left.extend(
            mounts
                .lines()
                .filter(|line| line.contains(&*needle))
                .map(|line| format!("mount {line}")),
        );
        for entry in fs::read_dir(&self.path).expect("list the bundle").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != "config.json" && !expected.contains(&name.as_str()) {
                left.insert(format!("file {}", entry.path().display()));
            }
        }
        if !left.is_empty() {
            return Err(format!(
                "left behind: {}",
                left.into_iter().collect::<Vec<_>>().join("; ")
            ));
        }
        fs::remove_dir_all(&self.path).map_err(|error| format!("remove the bundle: {error}"))
    }
}

/// A process that is run beside the first one, and ends with 7.
pub(crate) fn exec_process() -> Value {
    process(&["sh", "-c", "exit 7"])
}

fn process(args: &[&str]) -> Value {
    let capabilities = json!(["CAP_KILL", "CAP_CHOWN"]);
    json!({
        "args": args, "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0},
        "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
    })
}

fn config(id: &str, root: &Path, program: Program, mapped: bool) -> Value {
    let script = match program {
        Program::Quick(status) => format!("exit {status}"),
        Program::Polite(status) => {
            format!("trap 'exit {status}' TERM; while :; do sleep 1000 & wait; done")
        }
        Program::Stubborn => "exec sleep 1000".to_owned(),
    };
    let mut namespaces: Vec<Value> = ["pid", "mount", "ipc", "uts", "network", "cgroup"]
        .map(|kind| json!({"type": kind}))
        .into();
    let mut linux = json!({
        // One component, so that no parent is left.
        "cgroupsPath": format!("/{id}"),
        "maskedPaths": ["/proc/keys", "/proc/kcore"],
        "readonlyPaths": ["/proc/sys"],
        "resources": {"pids": {"limit": 50}, "devices": [{"allow": false, "access": "rwm"}]},
        "seccomp": {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["swapon"], "action": "SCMP_ACT_ERRNO"}]
        },
    });
    if mapped {
        namespaces.push(json!({"type": "user"}));
        let ids = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        linux["uidMappings"] = ids.clone();
        linux["gidMappings"] = ids;
    }
    linux["namespaces"] = Value::Array(namespaces);
    let quiet = ["nosuid", "noexec", "nodev"];
    json!({
        "ociVersion": "1.0.2",
        "process": process(&["sh", "-c", &script]),
        "root": {"path": root, "readonly": true},
        "hostname": "chaos",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": quiet},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": quiet},
        ],
        "linux": linux,
    })
}
