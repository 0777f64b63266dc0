//! A real `gantryd` of a test's own: own roots, own socket, own cgroup parent. It can be stopped, killed and started
//! again; dropped, everything it owned goes.

mod start;

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin};
use std::sync::{Mutex, PoisonError};

use rustix::process::Signal;
use serde_json::Value;

pub use self::start::Options;
use crate::deadline::poll;
use crate::invocation::send;
use crate::{Binaries, HttpReply, Image, Invocation, Snapshot, docker_cli, http};

thread_local! {
    /// Numbers the files that tests ask for.
    static COUNTER: RefCell<u64> = const { RefCell::new(0) };
}

/// A daemon under test.
pub struct Daemon {
    binaries: Binaries,
    options: Options,
    folder: PathBuf,
    cgroup_parent: String,
    process: Mutex<Option<Child>>,
    /// Held open as long as we live; its end tells the reaper to clean up, even when we are killed.
    lifeline: Option<ChildStdin>,
    reaper: Child,
}

impl Daemon {
    /// Starts a daemon with nothing but its built-in image.
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// Starts a daemon that knows `busybox:latest`.
    pub fn with_busybox() -> Self {
        let daemon = Self::start();
        daemon.load(&crate::busybox());
        daemon
    }

    /// The folder that holds its roots, its socket and its log.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its data root.
    pub fn data_root(&self) -> PathBuf {
        self.options.data_root.clone().unwrap_or_else(|| self.folder.join("data"))
    }

    /// Its exec root.
    pub fn exec_root(&self) -> PathBuf {
        self.folder.join(start::RUN).join("exec")
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("gantry.sock")
    }

    /// Its socket as clients name it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The cgroup below which its containers lie, without a leading slash.
    pub fn cgroup_parent(&self) -> &str {
        &self.cgroup_parent
    }

    /// Whether its containers lie below a cgroup that no other daemon uses.
    pub(crate) fn has_own_cgroups(&self) -> bool {
        self.cgroup_parent != start::SHARED_CGROUP_PARENT
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("gantryd.log")).unwrap_or_default()
    }

    /// Where the daemon listens over TCP, of which it was given `127.0.0.1:0`: another port after each start.
    #[track_caller]
    pub fn tcp_host(&self) -> String {
        let log = self.log();
        let told = log.lines().rev().find(|line| line.contains("listening"));
        let port = told.and_then(|line| {
            let (_, rest) = line.split_once("127.0.0.1:")?;
            rest.split(|letter: char| !letter.is_ascii_digit()).next()
        });
        format!("tcp://127.0.0.1:{}", port.expect("the daemon tells its port"))
    }

    /// A fresh path in the daemon's folder; gone with it.
    pub fn scratch(&self, name: &str) -> PathBuf {
        let number = COUNTER.with_borrow_mut(|counter| {
            *counter += 1;
            *counter
        });
        let thread = format!("{:?}", std::thread::current().id());
        let thread: String = thread.chars().filter(char::is_ascii_digit).collect();
        let folder = self.folder.join("scratch").join(format!("{thread}-{number}"));
        fs::create_dir_all(&folder).expect("make a scratch folder");
        folder.join(name)
    }

    /// `gantry ARGUMENTS…` against this daemon.
    pub fn gantry(&self, arguments: &[&str]) -> Invocation {
        Invocation::new(self.binaries.path("gantry"))
            .env("GANTRY_HOST", self.host())
            .env("GANTRY_AUTOSTART", "0")
            .args(arguments)
    }

    /// Runs `gantry ARGUMENTS…`, asserts success, returns what it printed.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        self.gantry(arguments).run().success()
    }

    /// `docker ARGUMENTS…` against this daemon.
    pub fn docker(&self, arguments: &[&str]) -> Invocation {
        Invocation::new(docker_cli())
            .env("DOCKER_HOST", self.host())
            .env("DOCKER_CONFIG", self.folder.join("docker-config"))
            .args(arguments)
    }

    /// One raw request; `target` begins with a slash.
    #[track_caller]
    pub fn http(&self, method: &str, target: &str, body: &[u8]) -> HttpReply {
        http(&self.socket(), method, target, body)
    }

    /// What the API says about a container.
    #[track_caller]
    pub fn inspect(&self, container: &str) -> Value {
        let reply = self.http("GET", &format!("/containers/{container}/json"), &[]);
        assert_eq!(reply.status, 200, "inspect {container}: {}", reply.text());
        reply.json()
    }

    /// Loads an image as `gantry load` does.
    #[track_caller]
    pub fn load(&self, image: &Image) {
        self.gantry(&["load"]).input(image.docker_archive()).run().success();
    }

    /// Removes containers by force, when the test is done with them.
    #[track_caller]
    pub fn remove(&self, containers: &[&str]) {
        let mut arguments = vec!["rm", "-f"];
        arguments.extend(containers);
        self.ok(&arguments);
    }

    /// Waits until the container is in this state: `running`, `exited`, …
    #[track_caller]
    pub fn await_status(&self, container: &str, status: &str) {
        poll(&format!("{container} to be {status}"), || {
            (self.inspect(container)["State"]["Status"] == status).then_some(())
        });
    }

    /// What this daemon has on the machine just now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(self)
    }

    /// Its process id; panics when it does not run.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_ref().expect("the daemon runs").id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Stops it as an init system does and waits for its end; containers run on. Returns the exit code.
    #[track_caller]
    pub fn stop(&self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.await_end()
    }

    /// Kills it without a warning; containers run on.
    #[track_caller]
    pub fn kill(&self) {
        self.signal(Signal::KILL);
        self.await_end();
    }

    #[track_caller]
    fn await_end(&self) -> Option<i32> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let mut child = process.take().expect("the daemon runs");
        poll("the daemon to end", || child.try_wait().ok().flatten()).code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.get(lines.len().saturating_sub(30)..).unwrap_or_default();
            eprintln!("--- the daemon's last words\n{}", last.join("\n"));
        }
        self.lifeline = None;
        // The reaper ends the daemon and everything it owns; it never waits for more than a few seconds.
        drop(self.reaper.wait());
        let process = self.process.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = process.take() {
            drop(child.wait());
        }
    }
}
