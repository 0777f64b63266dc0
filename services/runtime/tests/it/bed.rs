//! A bundle in a temporary directory, with layers to make a root file system of.

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use gantry_runtime::{CreateOptions, Created, DeleteMode, Error, Rootfs, RootfsMount, Stdio};
use serde_json::{Value, json};

const BUSYBOX: &str = "/bin/busybox";

static NUMBER: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Bed {
    pub dir: tempfile::TempDir,
    pub id: String,
    pub config: Value,
}

/// The other ends of a process's streams.
pub(crate) struct Ends {
    pub stdin: fs::File,
    pub stdout: fs::File,
    pub stderr: fs::File,
}

impl Bed {
    pub(crate) fn new(args: &[&str]) -> Self {
        assert!(Path::new(BUSYBOX).exists(), "install busybox-static: {BUSYBOX} is missing");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let bed = Self {
            dir: tempfile::tempdir().unwrap(),
            id: format!("l{}-{number}", std::process::id()),
            config: json!({
                "ociVersion": "1.3.0",
                "process": {"args": args, "cwd": "/", "env": ["PATH=/bin"],
                    "user": {"uid": 0, "gid": 0}},
                "root": {"path": "ignored"},
                "mounts": [
                    {"destination": "/proc", "type": "proc", "source": "proc"},
                    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                        "options": ["mode=755"]},
                    {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                        "options": ["newinstance", "ptmxmode=0666", "mode=0620"]},
                ],
                "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}]}
            }),
        };
        let bin = bed.path("base/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::copy(BUSYBOX, bin.join("busybox")).unwrap();
        for applet in ["sh", "cat", "echo", "ls", "tty", "touch", "sleep", "cut", "rm", "grep"] {
            symlink("busybox", bin.join(applet)).unwrap();
        }
        for path in ["bundle", "top", "upper", "work"] {
            fs::create_dir(bed.path(path)).unwrap();
        }
        bed
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    /// The usual recipe: two layers and a writable one.
    pub(crate) fn overlay(&self) -> RootfsMount {
        let at = |name: &str| self.path(name).display().to_string();
        RootfsMount {
            kind: "overlay".into(),
            source: "overlay".into(),
            options: vec![
                format!("lowerdir={}:{}", at("top"), at("base")),
                format!("upperdir={}", at("upper")),
                format!("workdir={}", at("work")),
            ],
        }
    }

    pub(crate) fn create(&self, mount: &RootfsMount, stdio: Stdio) -> Result<Created, Error> {
        self.create_from(std::slice::from_ref(mount), stdio)
    }

    pub(crate) fn create_from(
        &self,
        mounts: &[RootfsMount],
        stdio: Stdio,
    ) -> Result<Created, Error> {
        let mut config = self.config.clone();
        config["linux"]["cgroupsPath"] = json!(format!("/gantry-runtime-test-{}", self.id));
        fs::write(self.path("bundle/config.json"), config.to_string()).unwrap();
        let (bundle, state_dir) = (self.path("bundle"), self.state_dir());
        gantry_runtime::create(&CreateOptions {
            rootfs: Rootfs::Mounts(mounts),
            stdio,
            ..CreateOptions::new(&self.id, &bundle, &state_dir)
        })
    }

    /// Runs the container to its end: what it wrote, and its exit code.
    pub(crate) fn run(&self, mount: &RootfsMount) -> (String, u8) {
        let (stdio, mut ends) = pipes();
        let created = self.create(mount, stdio).unwrap();
        gantry_runtime::start(&self.state_dir()).unwrap();
        let mut output = String::new();
        ends.stdout.read_to_string(&mut output).unwrap();
        ends.stderr.read_to_string(&mut output).unwrap();
        let code = wait(&created.pidfd);
        gantry_runtime::delete(&self.state_dir(), DeleteMode::IfStopped).unwrap();
        (output, code)
    }

    pub(crate) fn check_nothing_left(&self) {
        assert!(!self.state_dir().exists(), "the state directory is left");
        let left: Vec<PathBuf> = fs::read_dir("/sys/fs/cgroup")
            .unwrap()
            .flatten()
            .map(|hierarchy| hierarchy.path().join(format!("gantry-runtime-test-{}", self.id)))
            .filter(|path| path.exists())
            .collect();
        assert!(left.is_empty(), "cgroups are left: {left:?}");
        self.check_no_mounts();
    }

    pub(crate) fn check_no_mounts(&self) {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.dir.path().to_str().unwrap()), "a mount is on the host");
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        drop(gantry_runtime::delete(&self.state_dir(), DeleteMode::Force));
    }
}

pub(crate) fn pipes() -> (Stdio, Ends) {
    let pipe = || std::io::pipe().unwrap();
    let ((in_read, in_write), (out_read, out_write), (err_read, err_write)) =
        (pipe(), pipe(), pipe());
    let file = |fd: OwnedFd| fs::File::from(fd);
    (
        Stdio::Fds { stdin: in_read.into(), stdout: out_write.into(), stderr: err_write.into() },
        Ends {
            stdin: file(in_write.into()),
            stdout: file(out_read.into()),
            stderr: file(err_read.into()),
        },
    )
}

pub(crate) fn wait(process: &OwnedFd) -> u8 {
    gantry_sys::pidfd::wait(process.as_fd()).unwrap().code()
}
