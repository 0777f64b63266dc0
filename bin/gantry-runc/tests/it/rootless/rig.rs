//! Somebody who is not root, with a bundle of his own. No user is made on the machine: he has a number, and where tools ask for his name
//! and his subordinate ids they find files of this rig's, in a mount namespace of the call.

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::bed::{Bed, text};

/// The user's id; his group's is the same.
pub(super) const USER: u32 = 54_321;
/// His first subordinate id, of [`COUNT`].
pub(super) const FIRST: u32 = 700_000;
pub(super) const COUNT: u32 = 1000;

/// How the runtime is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    User,
    /// The user, as root of a user namespace in which he has no other id.
    NamespaceRoot,
    /// The same with a mount namespace of that user namespace's own.
    NamespaceRootWithMounts,
}

pub(super) struct Rig {
    pub bed: Bed,
    pub who: Who,
}

impl Rig {
    /// A bundle with a user namespace in which the caller's own id is root, and no other is anybody.
    pub(super) fn new(who: Who) -> Self {
        let bed = Bed::new();
        let top = bed.dir.path();
        fs::set_permissions(top, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(top.join("passwd"), format!("root:x:0:0::/:/bin/sh\nmara:x:{USER}:{USER}::/:\n"))
            .unwrap();
        for name in ["subuid", "subgid"] {
            fs::write(top.join(name), format!("mara:{FIRST}:{COUNT}\n")).unwrap();
        }
        fs::create_dir(top.join("root")).unwrap();
        fs::create_dir(top.join("run")).unwrap();
        let mut rig = Self { bed, who };
        rig.bed.set("/linux/resources", json!({}));
        if who == Who::User {
            rig.bed.push("/linux/namespaces", json!({"type": "user"}));
            rig.map(&json!([{"containerID": 0, "hostID": USER, "size": 1}]));
        }
        rig
    }

    /// The same mappings for users and groups.
    pub(super) fn map(&mut self, mappings: &Value) -> &mut Self {
        self.bed.set("/linux/uidMappings", mappings.clone());
        self.bed.set("/linux/gidMappings", mappings.clone());
        self
    }

    /// His own id as root and his subordinate ones as all others.
    pub(super) fn map_ranges(&mut self) -> &mut Self {
        self.map(&json!([
            {"containerID": 0, "hostID": USER, "size": 1},
            {"containerID": 1, "hostID": FIRST, "size": COUNT},
        ]))
    }

    pub(super) fn script(&mut self, script: &str) -> &mut Self {
        self.bed.script(script);
        self
    }

    /// Everything that is there now becomes the user's.
    pub(super) fn hand_over(&self) {
        for name in ["bundle", "root", "run"] {
            own(&self.bed.dir.path().join(name));
        }
    }

    /// A call of the runtime, or of another program, by who it is.
    pub(super) fn program(&self, program: &Path, args: &[&str]) -> Command {
        self.program_after("", program, args)
    }

    /// Another runtime. Debian's crun refuses machines that have the unified hierarchy besides others: it is hidden.
    pub(super) fn peer(&self, name: &str, args: &[&str]) -> Command {
        const HIDE: &str = "if test -d /sys/fs/cgroup/unified; then mount -t tmpfs -o mode=755 x /sys/fs/cgroup/unified; fi && ";
        let places = ["/usr/bin", "/usr/sbin"].map(|place| Path::new(place).join(name));
        let program = places.iter().find(|path| path.exists());
        let program = program.unwrap_or_else(|| panic!("install {name}"));
        let root = self.bed.dir.path().join("root").join(name);
        let args = [&["--root", root.to_str().unwrap()], args].concat();
        self.program_after(HIDE, program, &args)
    }

    /// The same after shell commands of root's in the call's mount namespace, which end with `&&`.
    pub(super) fn program_after(&self, first: &str, program: &Path, args: &[&str]) -> Command {
        const PREPARE: &str = "mount --bind passwd /etc/passwd && mount --bind subuid /etc/subuid && \
                               mount --bind subgid /etc/subgid && cd bundle && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c"]);
        command.arg(format!("{first}{PREPARE}")).arg("sh");
        let id = USER.to_string();
        command.args(["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"]);
        match self.who {
            Who::User => {}
            Who::NamespaceRoot => {
                command.args(["unshare", "--map-root-user"]);
            }
            Who::NamespaceRootWithMounts => {
                command.args(["unshare", "--map-root-user", "--mount"]);
            }
        }
        command.arg(program).args(args);
        command.env("XDG_RUNTIME_DIR", self.bed.dir.path().join("run"));
        command.current_dir(self.bed.dir.path()).stdin(Stdio::null());
        command
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let root = self.bed.dir.path().join("root");
        let args = [&["--root", root.to_str().unwrap()], args].concat();
        self.program(Path::new(env!("CARGO_BIN_EXE_gantry-runc")), &args)
    }

    pub(super) fn call(&self, args: &[&str]) -> Output {
        output_of(self.command(args), &self.bed.dir.path().join("said"))
    }

    /// Calls, expects success, and gives what was printed.
    pub(super) fn ok(&self, args: &[&str]) -> String {
        let output = self.call(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Calls, expects failure, and gives the message.
    pub(super) fn err(&self, args: &[&str]) -> String {
        let output = self.call(args);
        assert!(!output.status.success(), "{args:?} succeeded: {}", text(&output.stdout));
        text(&output.stderr)
    }

    /// Runs the container to its end and gives its output.
    pub(super) fn run(&self) -> String {
        self.write();
        self.ok(&["run", &self.bed.id])
    }

    pub(super) fn run_err(&self) -> String {
        self.write();
        let message = self.err(&["run", &self.bed.id]);
        self.bed.check_nothing_left();
        message
    }

    /// A container in the background.
    pub(super) fn start(&self) {
        self.write();
        self.ok(&["run", "-d", &self.bed.id]);
    }

    pub(super) fn write(&self) {
        self.bed.write_config();
        self.hand_over();
    }

    pub(super) fn state(&self) -> Value {
        serde_json::from_str(&self.ok(&["state", &self.bed.id])).unwrap()
    }

    pub(super) fn pid(&self) -> i64 {
        self.state()["pid"].as_i64().unwrap()
    }
}

/// Through files: a container in the background would keep a pipe open.
pub(super) fn output_of(mut command: Command, prefix: &Path) -> Output {
    let (out, err) = (prefix.with_extension("out"), prefix.with_extension("err"));
    command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
    let status = command.status().unwrap();
    Output { status, stdout: fs::read(out).unwrap(), stderr: fs::read(err).unwrap() }
}

fn own(path: &Path) {
    lchown(path, Some(USER), Some(USER)).unwrap();
    if path.symlink_metadata().unwrap().is_dir() {
        let entries = fs::read_dir(path).unwrap().flatten();
        entries.map(|entry| entry.path()).for_each(|path: PathBuf| own(&path));
    }
}
