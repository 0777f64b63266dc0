//! Engines of others with our runtime in them, each in an [`Enclosure`] with roots of its own: podman and buildah, and dockerd.

use std::fs;
use std::os::unix::fs::symlink;

use crate::deadline::poll_for;
use crate::{Binaries, Enclosure, Invocation, Running, TIMEOUT, busybox, docker_cli};

/// What podman needs on a machine whose root may not raise limits.
const CONTAINERS_CONF: &str = r#"[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"#;

/// Podman and buildah of Debian, with storage of their own and `busybox:latest` in it.
#[derive(Debug)]
pub struct Podman {
    enclosure: Enclosure,
    runtime: String,
}

impl Podman {
    /// Sets it up with this runtime.
    pub fn start(runtime: &str) -> Self {
        let podman = Self { enclosure: Enclosure::new("podman"), runtime: runtime.to_owned() };
        let folder = podman.enclosure.folder();
        fs::write(folder.join("containers.conf"), CONTAINERS_CONF).expect("write containers.conf");
        let image = folder.join("image.tar");
        fs::write(&image, busybox().docker_archive()).expect("write the image");
        podman.podman(&["load", "-q", "-i", &image.to_string_lossy()]).run().success();
        podman
    }

    /// The enclosure.
    pub fn enclosure(&self) -> &Enclosure {
        &self.enclosure
    }

    /// `podman ARGUMENTS…`.
    pub fn podman(&self, arguments: &[&str]) -> Invocation {
        self.configured("podman").args(["--runtime", &self.runtime]).args(arguments)
    }

    /// `podman run` in our cgroup, and without a network unless the arguments ask for one.
    pub fn run(&self, arguments: &[&str]) -> Invocation {
        let cgroup = self.enclosure.cgroup();
        let network: &[&str] =
            if arguments.contains(&"--network") { &[] } else { &["--network", "none"] };
        self.podman(&["run", "--cgroup-parent", &cgroup]).args(network).args(arguments)
    }

    /// `buildah ARGUMENTS…` on the same storage.
    pub fn buildah(&self, arguments: &[&str]) -> Invocation {
        let folder = self.enclosure.folder();
        self.enclosure
            .command("buildah")
            .env("CONTAINERS_CONF", folder.join("containers.conf"))
            .args(["--root", &folder.join("root").to_string_lossy()])
            .args([
                "--runroot",
                &folder.join("run").to_string_lossy(),
                "--storage-driver",
                "overlay",
            ])
            .args(arguments)
    }

    /// Runs a command, asserts success, and gives what it printed.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        self.podman(arguments).run().success()
    }

    fn configured(&self, program: &str) -> Invocation {
        let folder = self.enclosure.folder();
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        self.enclosure
            .command(program)
            .env("CONTAINERS_CONF", folder.join("containers.conf"))
            .args(["--root", &path("root"), "--runroot", &path("run"), "--tmpdir", &path("tmp")])
            .args(["--storage-driver", "overlay"])
    }
}

/// A dockerd of Debian with `busybox:latest`. Its default runtime is what it finds as `runc` in its PATH: ours. It knows ours as
/// `gantry` as well.
pub struct Dockerd {
    enclosure: Enclosure,
    runtime: String,
    process: Option<Running>,
}

impl Dockerd {
    /// Starts it.
    pub fn start() -> Self {
        let runtime = Binaries::find().path("gantry-runc");
        let enclosure = Enclosure::new("dockerd");
        let bin = enclosure.folder().join("bin");
        fs::create_dir(&bin).expect("make a directory for the runtime");
        symlink(&runtime, bin.join("runc")).expect("link the runtime");
        fs::write(enclosure.folder().join("daemon.json"), "{}").expect("write daemon.json");
        let runtime = runtime.to_string_lossy().into_owned();
        let mut dockerd = Self { enclosure, runtime, process: None };
        dockerd.start_again();
        let image = busybox().docker_archive();
        dockerd.docker(&["load"]).input(image).run().success();
        dockerd
    }

    /// Starts it again on its roots, after it was killed.
    pub fn start_again(&mut self) {
        let folder = self.enclosure.folder();
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let search = std::env::var_os("PATH").unwrap_or_default();
        let search = std::iter::once(folder.join("bin")).chain(std::env::split_paths(&search));
        let search = std::env::join_paths(search).expect("our own PATH has no colons in it");
        let process = self
            .enclosure
            .command("dockerd")
            .env("PATH", search)
            .args(["--data-root", &path("data"), "--exec-root", &path("exec")])
            .args(["--pidfile", &path("pid"), "--config-file", &path("daemon.json")])
            .args(["-H", &self.host(), "--cgroup-parent", &self.enclosure.cgroup()])
            .args(["--add-runtime", &format!("gantry={}", self.runtime), "--live-restore"])
            .spawn();
        let answers =
            poll_for(TIMEOUT, || (self.docker(&["version"]).run().code == 0).then_some(()));
        assert!(answers.is_some(), "dockerd does not answer:\n{}", process.stderr());
        self.process = Some(process);
    }

    /// Kills dockerd without a warning; its containers run on.
    pub fn kill(&mut self) {
        let pid =
            fs::read_to_string(self.enclosure.folder().join("pid")).expect("read dockerd's pid");
        self.enclosure.command("sh").args(["-c", &format!("kill -9 {pid}")]).run().success();
        if let Some(process) = self.process.take() {
            process.wait();
        }
    }

    /// The enclosure.
    pub fn enclosure(&self) -> &Enclosure {
        &self.enclosure
    }

    /// `docker ARGUMENTS…`.
    pub fn docker(&self, arguments: &[&str]) -> Invocation {
        Invocation::new(docker_cli())
            .env("DOCKER_CONFIG", self.enclosure.folder().join("docker-config"))
            .args(["-H", &self.host()])
            .args(arguments)
    }

    /// Runs a command, asserts success, and gives what it printed.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        self.docker(arguments).run().success()
    }

    fn host(&self) -> String {
        format!("unix://{}", self.enclosure.folder().join("sock").display())
    }
}
