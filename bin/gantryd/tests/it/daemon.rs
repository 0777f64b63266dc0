//! A `gantryd` of one test's own, ended with it.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tempfile::TempDir;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Where a daemon keeps its things; each can be another daemon's.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) data_root: PathBuf,
    pub(crate) exec_root: PathBuf,
    pub(crate) pidfile: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) programs: PathBuf,
    /// Where it listens; none leaves that to the other flags.
    pub(crate) host: Option<String>,
    pub(crate) more: Vec<String>,
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
            host: Some(format!("unix://{}", own.join("api/gantry.sock").display())),
            socket: own.join("api/gantry.sock"),
            programs,
            more: Vec::new(),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantryd"));
        command.args(self.flags());
        self.furnish(&mut command);
        command
    }

    /// The program and what it is told, for a command that starts it another way.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let program = OsString::from(env!("CARGO_BIN_EXE_gantryd"));
        std::iter::once(program).chain(self.flags()).collect()
    }

    /// What the program needs besides.
    pub(crate) fn furnish(&self, command: &mut Command) {
        // Where the programs are found that nobody starts here, if they are not beside the daemon.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs = std::iter::once(self.programs.clone()).chain(std::env::split_paths(&path));
        command
            .env("PATH", std::env::join_paths(dirs).unwrap())
            .env_remove("NOTIFY_SOCKET")
            .env_remove("DOCKER_TLS_VERIFY")
            .env_remove("DOCKER_CERT_PATH")
            .current_dir("/")
            .stdin(Stdio::null());
    }

    fn flags(&self) -> Vec<OsString> {
        let mut flags: Vec<OsString> = Vec::new();
        for (flag, path) in [
            ("--data-root", &self.data_root),
            ("--exec-root", &self.exec_root),
            ("--pidfile", &self.pidfile),
        ] {
            flags.extend([flag.into(), path.into()]);
        }
        if let Some(host) = &self.host {
            flags.extend(["--host".into(), host.into()]);
        }
        flags.extend(["--bridge", "none"].map(OsString::from));
        flags.extend(self.more.iter().map(OsString::from));
        if !self.more.iter().any(|flag| flag.contains("log-level") || flag.contains("config-file"))
        {
            flags.extend(["--log-level", "warn"].map(OsString::from));
        }
        flags
    }

    /// With these flags, too.
    pub(crate) fn with(mut self, flags: &[&str]) -> Self {
        self.more.extend(flags.iter().map(ToString::to_string));
        self
    }

    /// Starts a daemon that has to come up.
    pub(crate) fn start(&self) -> Daemon {
        self.started(self.command())
    }

    /// Waits for a daemon that `command` starts.
    pub(crate) fn started(&self, mut command: Command) -> Daemon {
        let mut child = command.spawn().unwrap();
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
    ask(socket, "GET", "/_ping", "").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// The whole answer to a request with a JSON body or none; nothing when nobody answers.
pub(crate) fn ask(socket: &Path, method: &str, path: &str, body: &str) -> Option<String> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    exchange(&mut stream, method, path, body)
}

/// [`ask`] over a connection that is there.
pub(crate) fn exchange(
    stream: &mut (impl Read + Write),
    method: &str,
    path: &str,
    body: &str,
) -> Option<String> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).ok()?;
    stream.read_to_string(&mut answer).ok()?;
    (!answer.is_empty()).then_some(answer)
}

/// Looks again and again until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let asked = Instant::now();
    while !is_so() {
        assert!(asked.elapsed() < PATIENCE, "{what}: it does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
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

    /// Sends the daemon a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Asks the daemon to end and waits until it has.
    pub(crate) fn end(self) {
        self.signal(Signal::TERM);
        assert_eq!(self.code(), Some(0));
    }

    /// Waits for its end; its exit code.
    pub(crate) fn code(mut self) -> Option<i32> {
        let mut status = None;
        until("the daemon's end", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
