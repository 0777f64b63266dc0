//! The other engines, each with its own folders, so that nothing of the machine's own setup takes part.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gantry_testkit::{NetworkHost, docker_cli, poll};
use tempfile::TempDir;

use super::stage::installed;
use crate::memory;

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
    run: TempDir,
}

impl Podman {
    /// Sets podman up and loads the image; none when podman or runc is not installed.
    pub(crate) fn prepare(folder: &Path, archive: &Path) -> Option<Self> {
        installed("runc")?;
        let program = installed("podman")?;
        // A storage remembers its runroot, and refuses another.
        let folder = tempfile::Builder::new().prefix("podman-").tempdir_in(folder);
        let folder = folder.expect("make podman's folder").keep();
        let podman = Self { program, folder, run: memory::folder() };
        fs::write(podman.folder.join("containers.conf"), CONTAINERS_CONF)
            .expect("write containers.conf");
        let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
        fs::write(podman.folder.join(POLICY), policy).expect("write policy.json");
        let path = archive.to_string_lossy();
        let load = ["load", "-q", "-i", &path, "--signature-policy", &podman.policy()];
        super::time(&mut podman.command(&load));
        Some(podman)
    }

    /// Where its storage and its configuration lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What `--signature-policy` takes.
    pub(crate) fn policy(&self) -> String {
        self.folder.join(POLICY).display().to_string()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.on_storage(&self.program);
        command.arg("--tmpdir").arg(self.run.path().join("tmp")).args(arguments);
        command
    }

    /// A program that knows the same storage.
    pub(crate) fn on_storage(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg("--root")
            .arg(self.folder.join("root"))
            .arg("--runroot")
            .arg(self.run.path().join("run"))
            .args(["--storage-driver", "overlay"])
            .env("CONTAINERS_CONF", self.folder.join("containers.conf"));
        command
    }
}

/// A dockerd with roots of its own. Ended when dropped.
pub(crate) struct Dockerd {
    program: String,
    folder: PathBuf,
    exec: TempDir,
    /// Where it has its bridge; without one it has none.
    network: Option<NetworkHost>,
    process: Option<Child>,
}

impl Dockerd {
    /// Starts a dockerd and loads the image; none when none is installed.
    pub(crate) fn start(folder: &Path, archive: &Path) -> Option<Self> {
        Self::start_on(None, folder, archive)
    }

    /// The same, with a bridge on a host of its own.
    pub(crate) fn start_on(
        network: Option<NetworkHost>,
        folder: &Path,
        archive: &Path,
    ) -> Option<Self> {
        let program = installed("dockerd")?;
        let folder = folder.join("docker");
        fs::create_dir_all(&folder).expect("make dockerd's folder");
        let mut dockerd = Self { program, folder, exec: memory::folder(), network, process: None };
        dockerd.launch();
        poll("dockerd to answer", || {
            dockerd.docker(&["version"]).output().ok()?.status.success().then_some(())
        });
        super::time(&mut dockerd.docker(&["load", "-i", &archive.to_string_lossy()]));
        Some(dockerd)
    }

    /// Starts it on its folders, and waits for nothing.
    pub(crate) fn launch(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.join("log"));
        let log = log.expect("open dockerd's log");
        let mut command = match &self.network {
            Some(host) => host.command(&self.program),
            None => Command::new(&self.program),
        };
        if self.network.is_none() {
            // The bridge would change the machine's firewall; these runs need no network.
            command.args(["--bridge=none", "--iptables=false"]);
        }
        let process = command
            .arg("--data-root")
            .arg(self.folder.join("data"))
            .arg("--exec-root")
            .arg(self.exec.path())
            .arg("--pidfile")
            .arg(self.folder.join("pid"))
            .arg("-H")
            .arg(self.host())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("duplicate the log"))
            .stderr(log)
            .spawn()
            .expect("start dockerd");
        self.process = Some(process);
    }

    /// Ends it, and waits for that.
    pub(crate) fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let id = i32::try_from(process.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id
            && rustix::process::kill_process(id, rustix::process::Signal::TERM).is_ok()
        {
            drop(process.wait());
        }
    }

    /// The id of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Child::id)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("sock")
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
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
        self.stop();
    }
}
