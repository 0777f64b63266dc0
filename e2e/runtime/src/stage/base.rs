//! What every case begins with: a root with busybox and the probe, and a plain config.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::mount::{UnmountFlags, unmount};
use serde_json::{Value, json};
use tempfile::TempDir;

const BUSYBOX: &str = "/bin/busybox";

/// What scripts of cases call.
const APPLETS: [&str; 51] = [
    "awk", "cat", "chmod", "chown", "cut", "dd", "df", "echo", "env", "false", "find", "grep",
    "head", "id", "ifconfig", "ionice", "ip", "kill", "ln", "ls", "mkdir", "mkfifo", "mknod",
    "mount", "printf", "ps", "pwd", "readlink", "rm", "seq", "setsid", "sh", "sleep", "sort",
    "stat", "stty", "sync", "tail", "test", "touch", "tr", "true", "tty", "umount", "uname", "wc",
    "wget", "hostname", "basename", "dirname", "date",
];

/// A root to copy, and the folder in which stages lie.
pub(crate) struct Template {
    work: TempDir,
}

impl Template {
    /// Copies busybox and this program, which is the probe, to a folder of their own.
    pub(crate) fn new() -> Self {
        let work = tempfile::Builder::new().prefix("gantry-conformance-").tempdir();
        let work = work.expect("make a work folder");
        open(work.path());
        let own = std::env::current_exe().expect("find our own executable");
        for (from, name) in [(Path::new(BUSYBOX), "busybox"), (own.as_path(), "probe")] {
            let to = work.path().join(name);
            fs::copy(from, &to).unwrap_or_else(|error| {
                panic!("copy {}: {error}; `make test-tools` installs busybox", from.display())
            });
            open(&to);
        }
        Self { work }
    }

    pub(crate) fn work(&self) -> &Path {
        self.work.path()
    }

    /// A new folder for a stage, which every user may enter.
    pub(super) fn new_folder(&self) -> TempDir {
        let folder = tempfile::Builder::new().prefix("s").tempdir_in(self.work.path());
        let folder = folder.expect("make a stage's folder");
        open(folder.path());
        folder
    }

    /// Fills a new root.
    pub(super) fn fill(&self, root: &Path) {
        for name in ["bin", "etc", "tmp", "var", "root", "proc", "sys", "dev"] {
            fs::create_dir_all(root.join(name)).expect("make the root's folders");
        }
        let folders: [PathBuf; 3] = [root.join(".."), root.to_owned(), root.join("bin")];
        for folder in &folders {
            open(folder);
        }
        for name in ["busybox", "probe"] {
            let link = fs::hard_link(self.work.path().join(name), root.join("bin").join(name));
            link.expect("link a program into the root");
        }
        for applet in APPLETS {
            symlink("busybox", root.join("bin").join(applet)).expect("link an applet");
        }
        fs::write(root.join("marker"), "the root\n").expect("mark the root");
        fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").expect("write it");
        fs::write(root.join("etc/group"), "root:x:0:\n").expect("write it");
    }
}

/// Unmounts what a case mounted below its folder, the latest first.
pub(super) fn unmount_under(folder: &Path) {
    let folder = folder.to_string_lossy().into_owned();
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let places = table.lines().filter_map(|line| line.split(' ').nth(4));
    let ours: Vec<&str> = places.filter(|place| place.starts_with(&folder)).collect();
    for place in ours.iter().rev() {
        if let Err(error) = unmount(*place, UnmountFlags::DETACH) {
            eprintln!("unmount {place}: {error}");
        }
    }
}

fn open(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("let everybody in");
}

/// A config with everything in it that ordinary containers have, and no limits.
pub(super) fn config(cgroup: &str) -> Value {
    let capabilities = json!([
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FSETID",
        "CAP_FOWNER",
        "CAP_MKNOD",
        "CAP_NET_RAW",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETFCAP",
        "CAP_SETPCAP",
        "CAP_NET_BIND_SERVICE",
        "CAP_SYS_CHROOT",
        "CAP_KILL",
        "CAP_AUDIT_WRITE"
    ]);
    let closed = ["nosuid", "noexec", "nodev"];
    json!({
        // The oldest that all follow; Debian's crun refuses versions that it has not heard of.
        "ociVersion": "1.0.2",
        "process": {
            "args": ["touch", "/ran"],
            "cwd": "/",
            "env": ["PATH=/bin"],
            "user": {"uid": 0, "gid": 0},
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities
            }
        },
        "root": {"path": "rootfs"},
        "hostname": "conformance",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
                "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": closed},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs",
                "options": ["nosuid", "noexec", "nodev", "ro"]}
        ],
        "linux": {
            "cgroupsPath": cgroup,
            "namespaces": [
                {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
                {"type": "mount"}, {"type": "cgroup"}
            ],
            "resources": {}
        }
    })
}
