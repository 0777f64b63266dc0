//! A containerd with its own directories, and `ctr` for it. All of it goes when it is dropped.

use crate::container::{binary, make_rootfs, poll};
use crate::survival::send;
use gantry_types::Signal;
use serde_json::json;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

const RUNTIME: &str = "io.containerd.gantry.v2";
const IMAGE: &str = "docker.io/library/busybox:test";
const NAMESPACE: &str = "shim-tests";

pub(crate) struct Containerd {
    directory: tempfile::TempDir,
    /// `None` while it is stopped.
    child: Option<Child>,
    /// Makes cgroups of many tests differ.
    number: u32,
}

/// What `ctr events` printed so far.
pub(crate) struct Events {
    path: PathBuf,
    child: Child,
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

impl Containerd {
    /// A containerd with an image of busybox, and the shim in its PATH.
    pub(crate) fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        for program in ["containerd", "ctr"] {
            assert!(
                Command::new(program).arg("--version").output().is_ok(),
                "these tests need {program} of Debian's package containerd"
            );
        }
        // The system's own directory for temporary files: containerd's sockets need a short path.
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        let bin = directory.path().join("bin");
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(binary(), bin.join("containerd-shim-gantry-v2")).unwrap();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut containerd = Self { directory, child: None, number };
        containerd.write_config();
        containerd.start_again();
        let image = make_image(containerd.path());
        containerd.ok(&["image", "import", image.to_str().unwrap()]);
        containerd
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write_config(&self) {
        let path = self.path().display();
        let plugins = [
            "grpc.v1.cri",
            "internal.v1.opt",
            "snapshotter.v1.btrfs",
            "snapshotter.v1.zfs",
            "snapshotter.v1.aufs",
            "snapshotter.v1.devmapper",
        ];
        let disabled = plugins.map(|plugin| format!("\"io.containerd.{plugin}\"")).join(", ");
        let config = format!(
            "version = 2\nroot = \"{path}/root\"\nstate = \"{path}/state\"\n\
             disabled_plugins = [{disabled}]\n[grpc]\n  address = \"{path}/c.sock\"\n"
        );
        fs::write(self.path().join("config.toml"), config).unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        self.spawn();
        poll("containerd answers", || self.ctr(&["version"]).output().unwrap().status.success());
    }

    fn spawn(&mut self) {
        let bin = self.path().join("bin");
        #[expect(clippy::disallowed_methods, reason = "the shim is found in PATH")]
        let rest = std::env::var("PATH").unwrap();
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path().join("containerd.log"))
            .unwrap();
        let child = Command::new("containerd")
            .arg("--config")
            .arg(self.path().join("config.toml"))
            .env("PATH", format!("{}:{rest}", bin.display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Ends it; its containers go on.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            send(child.id(), Signal::TERM);
            child.wait().unwrap();
        }
    }

    pub(crate) fn ctr(&self, arguments: &[&str]) -> Command {
        // In the foreground: else it could not use a terminal.
        let mut command = Command::new("timeout");
        command
            .args(["--foreground", "--kill-after=5", "30", "ctr", "--address"])
            .arg(self.path().join("c.sock"));
        command.args(["--namespace", NAMESPACE]).args(arguments).stdin(Stdio::null());
        command
    }

    /// What a successful `ctr` prints.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        succeed(&mut self.ctr(arguments))
    }

    /// The container's cgroup: of one component, so that no parent is left.
    fn cgroup(&self, id: &str) -> String {
        format!("/gantry-ctr-{}-{}-{id}", std::process::id(), self.number)
    }

    fn run_command(&self, flags: &[&str], id: &str, program: &[&str]) -> Command {
        let mut command = self.ctr(&["run", "--runtime", RUNTIME, "--cgroup", &self.cgroup(id)]);
        command.arg("--fifo-dir").arg(self.path().join("fifo"));
        command.args(flags).args([IMAGE, id]).args(program);
        command
    }

    pub(crate) fn run_program(&self, flags: &[&str], id: &str, program: &[&str]) -> Output {
        self.run_command(flags, id, program).output().unwrap()
    }

    pub(crate) fn run(&self, flags: &[&str], id: &str, script: &str) -> Output {
        self.run_program(flags, id, &["sh", "-c", script])
    }

    pub(crate) fn run_detached(&self, flags: &[&str], id: &str, script: &str) {
        let flags = [&["--detach"], flags].concat();
        succeed(&mut self.run_command(&flags, id, &["sh", "-c", script]));
    }

    /// In a terminal of 33 rows and 101 columns.
    pub(crate) fn run_in_terminal(&self, id: &str, script: &str) -> Output {
        let run = self.run_command(&["--rm", "--tty"], id, &["sh", "-c", script]);
        let mut line = "stty rows 33 cols 101; exec timeout".to_owned();
        for word in run.get_args() {
            line.extend([" '", word.to_str().unwrap(), "'"]);
        }
        Command::new("script").args(["-qec", &line, "/dev/null"]).output().unwrap()
    }

    fn exec_command(&self, id: &str, exec_id: &str, script: &str) -> Command {
        let mut command = self.ctr(&["task", "exec", "--exec-id", exec_id]);
        command.arg("--fifo-dir").arg(self.path().join("fifo"));
        command.args([id, "sh", "-c", script]);
        command
    }

    pub(crate) fn exec(&self, id: &str, exec_id: &str, script: &str) -> Output {
        self.exec_command(id, exec_id, script).output().unwrap()
    }

    /// `script` gets `input` and has to repeat it; then its input ends. What it prints.
    pub(crate) fn exec_with_input(
        &self,
        id: &str,
        exec_id: &str,
        script: &str,
        input: &str,
    ) -> String {
        let mut command = self.exec_command(id, exec_id, script);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        let mut printed = vec![0; input.len()];
        stdout.read_exact(&mut printed).unwrap();
        // Not earlier: ctr forgets to pass on an end that comes before the exec is made.
        drop(stdin);
        stdout.read_to_end(&mut printed).unwrap();
        assert!(child.wait().unwrap().success());
        String::from_utf8(printed).unwrap()
    }

    /// Id, pid and status of each task, by id.
    pub(crate) fn tasks(&self) -> Vec<(String, u32, String)> {
        let table = self.ok(&["task", "list"]);
        let row = |line: &str| {
            let mut words = line.split_whitespace();
            let mut word = || words.next().unwrap().to_owned();
            (word(), word().parse().unwrap(), word())
        };
        let mut tasks: Vec<_> = table.lines().skip(1).map(row).collect();
        tasks.sort();
        tasks
    }

    fn bundle_root(&self) -> PathBuf {
        self.path().join("state/io.containerd.runtime.v2.task").join(NAMESPACE)
    }

    pub(crate) fn bundle(&self, id: &str) -> PathBuf {
        self.bundle_root().join(id)
    }

    /// Whose bundles are there.
    pub(crate) fn bundles(&self) -> Vec<String> {
        fs::read_dir(self.bundle_root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// Follows events from now on.
    pub(crate) fn events(&self) -> Events {
        let path = self.path().join("events");
        let child = self.ctr(&["events"]).stdout(File::create(&path).unwrap()).spawn().unwrap();
        let events = Events { path, child };
        // It says nothing when it begins to listen.
        poll("events come", || {
            self.ok(&["namespace", "label", NAMESPACE, "noise=made"]);
            !events.text().is_empty()
        });
        events
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        if self.child.is_none() {
            // A test that failed in between: its containers still run.
            self.spawn();
        }
        // Names only, and patiently: a test that failed already must not fail in here.
        let tasks = self.ctr(&["task", "list", "--quiet"]).output().unwrap().stdout;
        for id in String::from_utf8_lossy(&tasks).lines() {
            drop(self.ctr(&["task", "rm", "--force", id]).output());
        }
        self.stop();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.path().join("containerd.log")).unwrap_or_default();
            eprintln!("containerd's log:\n{log}");
            return;
        }
        let start = self.cgroup("");
        let left: Vec<_> = fs::read_dir("/sys/fs/cgroup/pids")
            .unwrap()
            .map(|entry| format!("/{}", entry.unwrap().file_name().display()))
            .filter(|name| name.starts_with(&start))
            .collect();
        assert_eq!(left, Vec::<String>::new());
    }
}

impl Events {
    pub(crate) fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    /// The topics of tasks, without their common start.
    pub(crate) fn topics(&self) -> Vec<String> {
        let text = self.text();
        let words = text.split_whitespace().filter_map(|word| word.strip_prefix("/tasks/"));
        words.map(str::to_owned).collect()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // It may have ended with containerd.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A docker-archive with one layer.
fn make_image(directory: &Path) -> PathBuf {
    let (image, rootfs) = (directory.join("image"), directory.join("image/rootfs"));
    make_rootfs(&rootfs);
    fs::create_dir(rootfs.join("sys")).unwrap();
    let tar = |from: &Path, to: &str, names: &[&str]| {
        succeed(Command::new("tar").arg("-C").arg(from).arg("-cf").arg(image.join(to)).args(names));
    };
    let digest = |name: &str| {
        let line = succeed(Command::new("sha256sum").arg(image.join(name)));
        line[..64].to_owned()
    };
    tar(&rootfs, "layer.tar", &["."]);
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": { "Env": ["PATH=/bin"], "Cmd": ["sh"] },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", digest("layer.tar"))] },
    });
    fs::write(image.join("config"), config.to_string()).unwrap();
    let config = format!("{}.json", digest("config"));
    fs::rename(image.join("config"), image.join(&config)).unwrap();
    let manifest = json!([{ "Config": config, "RepoTags": [IMAGE], "Layers": ["layer.tar"] }]);
    fs::write(image.join("manifest.json"), manifest.to_string()).unwrap();
    tar(&image, "image.tar", &[&config, "manifest.json", "layer.tar"]);
    image.join("image.tar")
}
