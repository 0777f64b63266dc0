//! A containerd of Debian with its own directories, and `ctr` for it. All of it goes when it is dropped.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::Signal;

use crate::deadline::{TIMEOUT, poll_for};
use crate::invocation::send;
use crate::{Terminal, busybox};

const NAMESPACE: &str = "gantry-tests";
const IMAGE: &str = "docker.io/library/busybox:latest";

/// What of ours containerd uses.
#[derive(Debug, Clone)]
pub enum Under {
    /// The shim at this path, as `io.containerd.gantry.v2`.
    Shim(PathBuf),
    /// The same in the place of containerd's own shim for runc, for which `ctr` has options.
    ShimForRunc(PathBuf),
    /// The runtime at this path, run by containerd's own shim for runc.
    Runtime(PathBuf),
}

/// A containerd, alive or stopped.
pub struct Containerd {
    directory: tempfile::TempDir,
    under: Under,
    /// `None` while it is stopped.
    child: Option<Child>,
    /// Makes cgroups of many tests differ.
    number: u32,
}

/// What `ctr events` printed so far.
pub struct Events {
    path: PathBuf,
    child: Child,
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("the output is UTF-8")
}

#[track_caller]
fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("run {command:?}: {error}"))
}

#[track_caller]
fn succeed(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{command:?}: {output:?}");
    text(output.stdout)
}

#[track_caller]
fn poll(what: &str, mut condition: impl FnMut() -> bool) {
    let met = poll_for(TIMEOUT, || condition().then_some(()));
    assert!(met.is_some(), "waited in vain: {what}");
}

impl Containerd {
    /// A containerd that knows an image of busybox.
    pub fn start(under: Under) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        for program in ["containerd", "ctr"] {
            assert!(
                Command::new(program).arg("--version").output().is_ok(),
                "these tests need {program} of Debian's package containerd"
            );
        }
        // The system's own directory for temporary files: containerd's sockets need a short path.
        let directory = tempfile::Builder::new().prefix("gantry-ctr-").tempdir_in("/tmp");
        let directory = directory.expect("make containerd's directory");
        let bin = directory.path().join("bin");
        fs::create_dir(&bin).expect("make a directory for the shim");
        let shim = match &under {
            Under::Shim(shim) => Some((shim, "containerd-shim-gantry-v2")),
            Under::ShimForRunc(shim) => Some((shim, "containerd-shim-runc-v2")),
            Under::Runtime(_) => None,
        };
        if let Some((shim, name)) = shim {
            std::os::unix::fs::symlink(shim, bin.join(name)).expect("link the shim");
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut containerd = Self { directory, under, child: None, number };
        containerd.write_config();
        containerd.start_again();
        let image = containerd.path().join("image.tar");
        fs::write(&image, busybox().docker_archive()).expect("write the image");
        containerd.ok(&["image", "import", &image.to_string_lossy()]);
        containerd
    }

    /// Everything of it is below this directory.
    pub fn path(&self) -> &Path {
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
        fs::write(self.path().join("config.toml"), config).expect("write containerd's config");
    }

    /// Starts it again on its directories.
    pub fn start_again(&mut self) {
        self.spawn();
        poll("containerd answers", || output(&mut self.ctr(&["version"])).status.success());
    }

    fn spawn(&mut self) {
        let rest = std::env::var_os("PATH").unwrap_or_default();
        // The shim is found in PATH.
        let path = std::iter::once(self.path().join("bin")).chain(std::env::split_paths(&rest));
        let log =
            File::options().create(true).append(true).open(self.path().join("containerd.log"));
        let log = log.expect("open containerd's log");
        let child = Command::new("containerd")
            .arg("--config")
            .arg(self.path().join("config.toml"))
            .env("PATH", std::env::join_paths(path).expect("our own PATH has no colons in it"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("duplicate the log"))
            .stderr(log)
            .spawn()
            .expect("start containerd");
        self.child = Some(child);
    }

    /// Asks it to end; its containers go on.
    pub fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// Kills it without a warning; its containers go on.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut child) = self.child.take() {
            send(child.id(), signal);
            child.wait().expect("wait for containerd");
        }
    }

    /// `ctr ARGUMENTS…` for this containerd.
    pub fn ctr(&self, arguments: &[&str]) -> Command {
        // In the foreground: else it could not use a terminal.
        let mut command = Command::new("timeout");
        command
            .args(["--foreground", "--kill-after=5", "30", "ctr", "--address"])
            .arg(self.path().join("c.sock"));
        command.args(["--namespace", NAMESPACE]).args(arguments).stdin(Stdio::null());
        command
    }

    /// What a successful `ctr` prints.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        succeed(&mut self.ctr(arguments))
    }

    /// The container's cgroup: of one component, so that no parent is left.
    pub fn cgroup(&self, id: &str) -> String {
        format!("/gantry-ctr-{}-{}-{id}", std::process::id(), self.number)
    }

    fn run_command(&self, flags: &[&str], id: &str, program: &[&str]) -> Command {
        let mut command = self.ctr(&["run", "--cgroup", &self.cgroup(id)]);
        match &self.under {
            Under::Shim(_) => command.args(["--runtime", "io.containerd.gantry.v2"]),
            Under::ShimForRunc(_) => command.args(["--runtime", "io.containerd.runc.v2"]),
            Under::Runtime(runtime) => {
                command.arg("--runc-binary").arg(runtime);
                command.arg("--runc-root").arg(self.path().join("runc"))
            }
        };
        command.arg("--fifo-dir").arg(self.path().join("fifo"));
        command.args(flags).args([IMAGE, id]).args(program);
        command
    }

    /// Runs this program in a container to its end.
    pub fn run_program(&self, flags: &[&str], id: &str, program: &[&str]) -> Output {
        output(&mut self.run_command(flags, id, program))
    }

    /// Runs a shell script in a container to its end.
    pub fn run(&self, flags: &[&str], id: &str, script: &str) -> Output {
        self.run_program(flags, id, &["sh", "-c", script])
    }

    /// Leaves a shell script running in a container.
    pub fn run_detached(&self, flags: &[&str], id: &str, script: &str) {
        let flags = [&["--detach"], flags].concat();
        succeed(&mut self.run_command(&flags, id, &["sh", "-c", script]));
    }

    /// Runs a shell script in a container with a terminal, itself in a terminal of this size.
    pub fn run_in_terminal(&self, id: &str, script: &str, size: (u16, u16)) -> Terminal {
        let mut command = self.run_command(&["--rm", "--tty"], id, &["sh", "-c", script]);
        for name in ["PATH", "LLVM_PROFILE_FILE"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        Terminal::start(&command, size.0, size.1)
    }

    fn exec_command(&self, id: &str, exec_id: &str, script: &str) -> Command {
        let mut command = self.ctr(&["task", "exec", "--exec-id", exec_id]);
        command.arg("--fifo-dir").arg(self.path().join("fifo"));
        command.args([id, "sh", "-c", script]);
        command
    }

    /// Runs a shell script beside the first process of a container to its end.
    pub fn exec(&self, id: &str, exec_id: &str, script: &str) -> Output {
        output(&mut self.exec_command(id, exec_id, script))
    }

    /// `script` gets `input` and has to repeat it; then its input ends. What it prints.
    pub fn exec_with_input(&self, id: &str, exec_id: &str, script: &str, input: &str) -> String {
        let mut command = self.exec_command(id, exec_id, script);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("start ctr");
        let mut stdin = child.stdin.take().expect("its input is a pipe");
        let mut stdout = child.stdout.take().expect("its output is a pipe");
        stdin.write_all(input.as_bytes()).expect("write to ctr");
        let mut printed = vec![0; input.len()];
        stdout.read_exact(&mut printed).expect("read what ctr repeats");
        // Not earlier: ctr forgets to pass on an end that comes before the exec is made.
        drop(stdin);
        stdout.read_to_end(&mut printed).expect("read what ctr prints");
        assert!(child.wait().expect("wait for ctr").success(), "ctr task exec failed");
        text(printed)
    }

    /// Id, pid and status of each task, by id.
    #[track_caller]
    pub fn tasks(&self) -> Vec<(String, u32, String)> {
        let table = self.ok(&["task", "list"]);
        let row = |line: &str| {
            let mut words = line.split_whitespace();
            let mut word =
                || words.next().expect("a row of `ctr task list` has three words").to_owned();
            (word(), word().parse().expect("the second is a number"), word())
        };
        let mut tasks: Vec<_> = table.lines().skip(1).map(row).collect();
        tasks.sort();
        tasks
    }

    fn bundle_root(&self) -> PathBuf {
        self.path().join("state/io.containerd.runtime.v2.task").join(NAMESPACE)
    }

    /// The bundle of a container that runs.
    pub fn bundle(&self, id: &str) -> PathBuf {
        self.bundle_root().join(id)
    }

    /// Whose bundles are there.
    pub fn bundles(&self) -> Vec<String> {
        let entries = fs::read_dir(self.bundle_root()).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Follows events from now on.
    pub fn events(&self) -> Events {
        let path = self.path().join("events");
        let file = File::create(&path).expect("make the file for events");
        let child = self.ctr(&["events"]).stdout(file).spawn().expect("start ctr");
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
        let tasks = self.ctr(&["task", "list", "--quiet"]).output();
        let tasks = tasks.map(|output| output.stdout).unwrap_or_default();
        for id in String::from_utf8_lossy(&tasks).lines() {
            drop(self.ctr(&["task", "rm", "--force", id]).output());
        }
        self.stop();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.path().join("containerd.log")).unwrap_or_default();
            let telling = log.lines().filter(|line| !line.contains("level=info"));
            eprintln!("containerd's log:\n{}", telling.collect::<Vec<_>>().join("\n"));
            return;
        }
        let start = self.cgroup("");
        let left: Vec<_> = fs::read_dir("/sys/fs/cgroup/pids")
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| format!("/{}", entry.file_name().display()))
            .filter(|name| name.starts_with(&start))
            .collect();
        assert_eq!(left, Vec::<String>::new());
    }
}

impl Events {
    /// All of it.
    pub fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap_or_default()
    }

    /// The topics of tasks, without their common start.
    pub fn topics(&self) -> Vec<String> {
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
