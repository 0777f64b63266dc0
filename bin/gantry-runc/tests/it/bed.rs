//! A bundle, a root and a cgroup parent of one test's own, all gone when the test ends.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const BUSYBOX: &str = "/bin/busybox";
const APPLETS: [&str; 42] = [
    "sh", "true", "false", "ls", "cat", "id", "mount", "sleep", "ps", "hostname", "stat", "touch",
    "echo", "ip", "env", "pwd", "test", "grep", "readlink", "head", "tty", "stty", "mkdir", "kill",
    "chmod", "printf", "wc", "cut", "sort", "basename", "dirname", "umask", "find", "mkfifo",
    "seq", "tr", "sed", "awk", "date", "trap", "dd", "rm",
];

static NUMBER: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Bed {
    pub dir: tempfile::TempDir,
    pub id: String,
    /// Of all containers of this bed, in every hierarchy.
    pub cgroup: String,
    pub config: Value,
}

impl Bed {
    pub(crate) fn new() -> Self {
        assert!(Path::new(BUSYBOX).exists(), "install busybox-static: {BUSYBOX} is missing");
        let dir = tempfile::tempdir().unwrap();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let id = format!("t{}-{number}", std::process::id());
        let cgroup = format!("/gantry-runc-test-{id}");
        for path in ["bin", "etc", "tmp", "var"] {
            fs::create_dir_all(dir.path().join("bundle/rootfs").join(path)).unwrap();
        }
        let bed = Self { config: config(&cgroup), dir, id, cgroup };
        fs::copy(BUSYBOX, bed.rootfs().join("bin/busybox")).unwrap();
        for applet in APPLETS {
            symlink("busybox", bed.rootfs().join("bin").join(applet)).unwrap();
        }
        bed
    }

    pub(crate) fn bundle(&self) -> PathBuf {
        self.dir.path().join("bundle")
    }

    pub(crate) fn rootfs(&self) -> PathBuf {
        self.bundle().join("rootfs")
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.path().join("root").join(&self.id)
    }

    /// What the container's process runs: a shell script.
    pub(crate) fn script(&mut self, script: &str) -> &mut Self {
        self.set("/process/args", json!(["sh", "-c", script]))
    }

    /// Sets a field of `config.json` by its pointer; its parent must be there.
    pub(crate) fn set(&mut self, pointer: &str, value: Value) -> &mut Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        self.config.pointer_mut(parent).unwrap()[name] = value;
        self
    }

    pub(crate) fn push(&mut self, pointer: &str, value: Value) -> &mut Self {
        self.config.pointer_mut(pointer).unwrap().as_array_mut().unwrap().push(value);
        self
    }

    /// Gives the container a user namespace, whose root owns its root file system and can reach it.
    pub(crate) fn map_users(&mut self) -> &mut Self {
        for path in [self.dir.path(), &self.bundle(), &self.rootfs()] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut owner = Command::new("chown");
        assert!(owner.args(["-R", "100000:100000"]).arg(self.rootfs()).status().unwrap().success());
        let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        self.push("/linux/namespaces", json!({"type": "user"}));
        self.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map)
    }

    pub(crate) fn write_config(&self) {
        fs::write(self.bundle().join("config.json"), self.config.to_string()).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantry-runc"));
        command.arg("--root").arg(self.dir.path().join("root")).args(args);
        command.current_dir(self.bundle()).stdin(Stdio::null());
        command
    }

    pub(crate) fn call(&self, args: &[&str]) -> Output {
        self.output_of(self.command(args), args)
    }

    /// Calls with a variable in the environment, and expects success.
    pub(crate) fn ok_with(&self, args: &[&str], name: &str, value: &Path) {
        let mut command = self.command(args);
        command.env(name, value);
        let output = self.output_of(command, args);
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    }

    fn output_of(&self, mut command: Command, args: &[&str]) -> Output {
        if !args.iter().any(|arg| matches!(*arg, "create" | "-d")) {
            return command.output().unwrap();
        }
        // What runs on in the background would keep a pipe open, and we would wait for its end.
        let path = self.dir.path().join("stderr");
        command.stdout(Stdio::null()).stderr(fs::File::create(&path).unwrap());
        let status = command.status().unwrap();
        Output { status, stdout: Vec::new(), stderr: fs::read(path).unwrap() }
    }

    /// Calls, expects success, and gives what was printed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let output = self.call(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Calls, expects failure, and gives the message.
    pub(crate) fn err(&self, args: &[&str]) -> String {
        let output = self.call(args);
        assert!(!output.status.success(), "{args:?} succeeded: {}", text(&output.stdout));
        text(&output.stderr)
    }

    /// Runs the container to its end and gives its output.
    pub(crate) fn run(&self) -> String {
        self.write_config();
        self.ok(&["run", &self.id])
    }

    pub(crate) fn run_err(&self) -> String {
        self.write_config();
        self.err(&["run", &self.id])
    }

    /// A container in the background. Its output goes nowhere.
    pub(crate) fn start(&self) {
        self.write_config();
        self.ok(&["run", "-d", &self.id]);
    }

    pub(crate) fn state(&self) -> Value {
        serde_json::from_str(&self.ok(&["state", &self.id])).unwrap()
    }

    pub(crate) fn status(&self) -> String {
        self.state()["status"].as_str().unwrap().to_owned()
    }

    pub(crate) fn wait_for_status(&self, status: &str) {
        wait_until(status, || self.status() == status);
    }

    /// What the bed's containers left on the host.
    pub(crate) fn check_nothing_left(&self) {
        assert!(!self.state_dir().exists(), "the state directory is left");
        let left = self.cgroup_dirs(&self.id);
        assert!(left.is_empty(), "cgroups are left: {left:?}");
        let needle = self.dir.path().to_string_lossy().into_owned();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(&needle), "mounts are left");
        for process in fs::read_dir("/proc").unwrap().flatten() {
            // A process of ours would still have our bundle as its working directory, or our cgroup.
            let read = |name| fs::read_to_string(process.path().join(name)).unwrap_or_default();
            // Who inherits a dead child may be slow to take note.
            let dead = read("stat").contains(") Z ");
            let left = read("cgroup").contains(&format!("{}/", self.cgroup)) && !dead;
            assert!(!left, "{} is left", process.path().display());
        }
    }

    /// Those of this bed with that name.
    pub(crate) fn cgroup_dirs(&self, name: &str) -> Vec<PathBuf> {
        fs::read_dir("/sys/fs/cgroup")
            .unwrap()
            .flatten()
            .map(|hierarchy| hierarchy.path().join(&self.cgroup[1..]).join(name))
            .filter(|path| path.exists())
            .collect()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        drop(self.call(&["delete", "--force", &self.id]));
        for path in self.cgroup_dirs("") {
            drop(fs::remove_dir(path));
        }
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    poll(what, || {
        let is_met = condition();
        if !is_met {
            std::thread::sleep(Duration::from_millis(2));
        }
        is_met.then_some(())
    });
}

/// Looks without a pause: for what lasts a moment.
pub(crate) fn poll<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
    }
}

fn config(cgroup: &str) -> Value {
    let tmpfs = |at: &str, options: &[&str]| json!({"destination": at, "type": "tmpfs", "source": "tmpfs", "options": options});
    json!({
        "ociVersion": "1.3.0",
        "process": {
            "args": ["true"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0},
            "capabilities": {
                "bounding": ["CAP_CHOWN", "CAP_KILL"], "effective": ["CAP_CHOWN", "CAP_KILL"],
                "permitted": ["CAP_CHOWN", "CAP_KILL"]
            }
        },
        "root": {"path": "rootfs"},
        "hostname": "the-host",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            tmpfs("/dev", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs",
                "options": ["nosuid", "noexec", "nodev", "ro"]},
        ],
        "linux": {
            "cgroupsPath": format!("{cgroup}/{}", cgroup.rsplit_once("test-").unwrap().1),
            "namespaces": [
                {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
                {"type": "mount"}, {"type": "cgroup"}
            ],
            "maskedPaths": ["/proc/keys", "/proc/acpi", "/proc/no-such-file", "/sys/firmware"],
            "readonlyPaths": ["/proc/sys", "/proc/sysrq-trigger"],
            "resources": {}
        }
    })
}
