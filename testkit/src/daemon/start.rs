//! How a test daemon is started, and started again.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::Daemon;
use crate::deadline::{TIMEOUT, poll_for};
use crate::http::answers;
use crate::{Binaries, NetworkHost, require_root, tmpfs};

/// What a test may want different.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// More flags for `gantryd`.
    pub flags: Vec<String>,
    /// Variables for `gantryd`.
    pub environment: Vec<(String, String)>,
    /// A data root elsewhere, for example on a small disk.
    pub data_root: Option<PathBuf>,
    /// A host of its own for bridges. Without one the daemon makes none: they would be the test machine's.
    pub network: Option<Arc<NetworkHost>>,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Where every daemon puts its containers when it is not told otherwise.
pub(super) const SHARED_CGROUP_PARENT: &str = "gantry";

/// Whether the daemon under test can put its containers below a cgroup of our choice.
static HAS_CGROUP_PARENT: LazyLock<bool> = LazyLock::new(|| FLAGS.contains("--cgroup-parent"));

/// Whether it can be told to make no bridges.
static KNOWS_BRIDGES: LazyLock<bool> = LazyLock::new(|| FLAGS.contains("--bridge"));

static FLAGS: LazyLock<String> = LazyLock::new(|| {
    let help = Command::new(Binaries::find().path("gantryd")).arg("--help").output();
    let help = help.expect("ask gantryd for its flags");
    String::from_utf8_lossy(&help.stdout).into_owned()
});

/// The folder below which the exec root lies: in memory, as `/run` is.
pub(super) const RUN: &str = "run";

const REAPER: &str = include_str!("../reap.sh");

impl Daemon {
    /// Starts a daemon with these options and waits until it answers.
    pub fn start_with(options: Options) -> Self {
        let daemon = Self::prepare(options);
        daemon.start_again();
        daemon
    }

    /// Lays out the folders of a daemon without starting it.
    pub fn prepare(options: Options) -> Self {
        require_root();
        let binaries = Binaries::find();
        let folder = tempfile::Builder::new().prefix("gantry-e2e-").tempdir();
        // From here on the reaper removes it.
        let folder = folder.expect("make a folder for the daemon").keep();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let own = format!("gantry-e2e-{}-{number}", std::process::id());
        let cgroup_parent = if *HAS_CGROUP_PARENT { own } else { SHARED_CGROUP_PARENT.to_owned() };
        let mut reaper = Command::new("sh")
            .args(["-c", REAPER])
            .env("ROOT", &folder)
            .env("CGROUP_PARENT", &cgroup_parent)
            .current_dir("/")
            .stdin(Stdio::piped())
            .spawn()
            .expect("start sh");
        let lifeline = reaper.stdin.take();
        let run = folder.join(RUN);
        fs::create_dir(&run).expect("make a folder for what a boot ends");
        tmpfs::mount_on(&run, "mode=755");
        let process = Mutex::new(None);
        Self { binaries, options, folder, cgroup_parent, process, lifeline, reaper }
    }

    /// Starts the daemon (again) on its folders and waits until it answers.
    #[track_caller]
    pub fn start_again(&self) {
        if let Err(log) = self.try_start() {
            panic!("gantryd did not come up:\n{log}");
        }
    }

    /// Starts the daemon; when it ends or stays silent instead of answering, returns its log.
    ///
    /// # Errors
    /// The text is what the daemon logged.
    pub fn try_start(&self) -> Result<(), String> {
        let mut child = self.command().spawn().expect("start gantryd");
        let came_up = poll_for(TIMEOUT, || {
            if matches!(child.try_wait(), Ok(Some(_))) {
                return Some(false);
            }
            answers(&self.socket()).then_some(true)
        });
        if came_up == Some(true) {
            *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
            return Ok(());
        }
        end(&mut child);
        Err(self.log())
    }

    /// The command that starts this daemon.
    fn command(&self) -> Command {
        let log = File::options().create(true).append(true).open(self.folder.join("gantryd.log"));
        let log = log.expect("open the daemon's log");
        let program = self.binaries.path("gantryd");
        let mut command = match &self.options.network {
            Some(host) => host.command(&program),
            None => Command::new(program),
        };
        if *KNOWS_BRIDGES && self.options.network.is_none() {
            command.args(["--bridge", "none"]);
        }
        command
            .arg("--data-root")
            .arg(self.data_root())
            .arg("--exec-root")
            .arg(self.exec_root())
            .arg("--pidfile")
            .arg(self.folder.join("gantryd.pid"))
            .args(["--host", &self.host()])
            .args(&self.options.flags)
            .envs(self.options.environment.iter().cloned())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("duplicate the log"))
            .stderr(log);
        if *HAS_CGROUP_PARENT {
            command.args(["--cgroup-parent", &format!("/{}", self.cgroup_parent)]);
        }
        fs::create_dir_all(self.folder.join("scratch")).expect("make the scratch folder");
        command
    }
}

fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}
