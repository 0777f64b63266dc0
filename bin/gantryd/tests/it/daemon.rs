//! A `gantryd` of one test's own, ended with it.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tempfile::TempDir;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where a daemon keeps its things; each can be another daemon's.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) data_root: PathBuf,
    pub(crate) exec_root: PathBuf,
    pub(crate) pidfile: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) programs: PathBuf,
}

impl Places {
    /// Four places of their own below `dir`, none of which is there yet.
    pub(crate) fn below(dir: &TempDir, name: &str) -> Self {
        let programs = dir.path().join("programs");
        std::fs::create_dir_all(&programs).unwrap();
        for program in ["gantry-shim", "gantry-init"] {
            std::fs::write(programs.join(program), "").unwrap();
        }
        let own = dir.path().join(name);
        Self {
            data_root: own.join("data"),
            exec_root: own.join("exec"),
            pidfile: own.join("pid/gantryd.pid"),
            socket: own.join("api/gantry.sock"),
            programs,
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantryd"));
        command
            .arg("--data-root")
            .arg(&self.data_root)
            .arg("--exec-root")
            .arg(&self.exec_root)
            .arg("--pidfile")
            .arg(&self.pidfile)
            .arg("--host")
            .arg(format!("unix://{}", self.socket.display()))
            .args(["--log-level", "warn", "--bridge", "none"])
            // Where the programs are found that nobody starts here, if they are not beside the daemon.
            .env("PATH", &self.programs)
            .current_dir("/")
            .stdin(Stdio::null());
        command
    }

    /// Starts a daemon that has to come up.
    pub(crate) fn start(&self) -> Daemon {
        let mut child = self.command().spawn().unwrap();
        let asked = Instant::now();
        while !answers(&self.socket) {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the daemon ended with {ended:?}");
            assert!(asked.elapsed() < PATIENCE, "the daemon does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
        Daemon(child)
    }

    /// Starts a daemon that has to end with an error; returns what it said.
    pub(crate) fn refused(&self) -> String {
        // The socket may be another daemon's.
        let answered = answers(&self.socket);
        let mut child =
            self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let asked = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if asked.elapsed() > PATIENCE || !answered && answers(&self.socket) {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("the daemon came up");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let Output { status, stderr, .. } = child.wait_with_output().unwrap();
        assert_eq!(status.code(), Some(1));
        String::from_utf8(stderr).unwrap()
    }
}

/// Whether a whole answer comes: the engine is open then.
pub(crate) fn answers(socket: &Path) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = UnixStream::connect(socket) else { return false };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    stream.write_all(request).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

/// A daemon that runs.
pub(crate) struct Daemon(Child);

impl Daemon {
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Kills the daemon; until this value is dropped, it stays a zombie.
    pub(crate) fn become_zombie(&mut self) {
        self.0.kill().unwrap();
        // Completes when the last thread has ended, and lets the zombie be.
        let which = WaitId::Pid(Pid::from_child(&self.0));
        waitid(which, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    }

    /// Asks the daemon to end and waits until it has.
    pub(crate) fn end(mut self) {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
