//! The other engines, each with its own folders, so that nothing of the machine's own setup takes part.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gantry_testkit::{docker_cli, poll};

use super::stage::installed;

/// What podman needs on a machine whose root may not raise limits.
const CONTAINERS_CONF: &str = r#"[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"#;

/// The file in podman's folder that lets every image in.
const POLICY: &str = "policy.json";

/// Podman with storage of its own.
pub(crate) struct Podman {
    program: String,
    folder: PathBuf,
}

impl Podman {
    /// Sets podman up and loads the image; none when podman or runc is not installed.
    pub(crate) fn prepare(folder: &Path, archive: &Path) -> Option<Self> {
        installed("runc")?;
        let podman = Self { program: installed("podman")?, folder: folder.join("podman") };
        fs::create_dir_all(&podman.folder).expect("make podman's folder");
        fs::write(podman.folder.join("containers.conf"), CONTAINERS_CONF)
            .expect("write containers.conf");
        let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
        fs::write(podman.folder.join(POLICY), policy).expect("write policy.json");
        let path = archive.to_string_lossy();
        let load = ["load", "-q", "-i", &path, "--signature-policy", &podman.policy()];
        super::time(&mut podman.command(&load));
        Some(podman)
    }

    /// What `--signature-policy` takes.
    pub(crate) fn policy(&self) -> String {
        self.folder.join(POLICY).display().to_string()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--root")
            .arg(self.folder.join("root"))
            .arg("--runroot")
            .arg(self.folder.join("run"))
            .arg("--tmpdir")
            .arg(self.folder.join("tmp"))
            .args(["--storage-driver", "overlay"])
            .args(arguments)
            .env("CONTAINERS_CONF", self.folder.join("containers.conf"));
        command
    }
}

/// A dockerd with roots of its own. Ended when dropped.
pub(crate) struct Dockerd {
    process: Child,
    folder: PathBuf,
}

impl Dockerd {
    /// Starts a dockerd and loads the image; none when none is installed.
    pub(crate) fn start(folder: &Path, archive: &Path) -> Option<Self> {
        let program = installed("dockerd")?;
        let folder = folder.join("docker");
        fs::create_dir_all(&folder).expect("make dockerd's folder");
        let log = File::create(folder.join("log")).expect("make dockerd's log");
        let process = Command::new(program)
            .arg("--data-root")
            .arg(folder.join("data"))
            .arg("--exec-root")
            .arg(folder.join("exec"))
            .arg("--pidfile")
            .arg(folder.join("pid"))
            .arg("-H")
            .arg(format!("unix://{}", folder.join("sock").display()))
            // The bridge would change the machine's firewall; these runs need no network.
            .args(["--bridge=none", "--iptables=false"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("duplicate the log"))
            .stderr(log)
            .spawn()
            .expect("start dockerd");
        let dockerd = Self { process, folder };
        poll("dockerd to answer", || {
            dockerd.docker(&["version"]).output().ok()?.status.success().then_some(())
        });
        super::time(&mut dockerd.docker(&["load", "-i", &archive.to_string_lossy()]));
        Some(dockerd)
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.folder.join("sock").display())
    }

    /// Runs `docker ARGUMENTS…` against it, and asserts success.
    pub(crate) fn ok(&self, arguments: &[&str]) {
        super::time(&mut self.docker(arguments));
    }

    pub(crate) fn docker(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(docker_cli());
        command.args(["-H", &self.host()]).args(arguments);
        command
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        let id = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id
            && rustix::process::kill_process(id, rustix::process::Signal::TERM).is_ok()
        {
            drop(self.process.wait());
        }
    }
}
