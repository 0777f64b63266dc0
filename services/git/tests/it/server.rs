//! A server of git's own on a port of this machine, for as long as a test wants it.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

pub(crate) struct Server {
    root: TempDir,
    daemon: Child,
    port: u16,
}

impl Server {
    pub(crate) fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        // Somebody else may take the port in between; then the daemon ends, and another is tried.
        loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut daemon = Command::new("git")
                .args(["daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1"])
                .arg(format!("--port={port}"))
                .arg(format!("--base-path={}", root.path().display()))
                .arg(root.path())
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0)
                .spawn()
                .unwrap();
            let deadline = Instant::now() + Duration::from_secs(30);
            while Instant::now() < deadline && daemon.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { root, daemon, port };
                }
                std::thread::yield_now();
            }
            daemon.kill().unwrap_or_default();
            daemon.wait().unwrap();
            assert!(Instant::now() < deadline, "git daemon does not come up");
        }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("git://127.0.0.1:{}/{name}", self.port)
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes files and makes a commit of all; its digest.
    pub(crate) fn commit(&self, name: &str, files: &[(&str, &str)]) -> String {
        let folder = self.folder(name);
        if !folder.join(".git").exists() {
            fs::create_dir_all(&folder).unwrap();
            self.git(name, &["init", "-q", "-b", "main"]);
        }
        for (path, content) in files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        self.git(name, &["add", "-A"]);
        self.git(name, &["commit", "-q", "-m", "a commit"]);
        self.git(name, &["rev-parse", "HEAD"])
    }

    pub(crate) fn git(&self, name: &str, words: &[&str]) -> String {
        output(&self.folder(name), words)
    }

    /// The same with something to read.
    pub(crate) fn feed(&self, name: &str, words: &[&str], input: &str) -> String {
        let mut child = git(&self.folder(name), words).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{words:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The daemon and those that serve.
        let group = i32::try_from(self.daemon.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process_group(group, Signal::KILL).unwrap_or_default();
        self.daemon.wait().unwrap();
    }
}

fn git(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.com"])
        .args(["-c", "protocol.file.allow=always", "-C"])
        .arg(folder)
        .args(words)
        .stdout(Stdio::piped())
        .env_remove("GIT_DIR");
    command
}

/// What a call prints that must succeed.
pub(crate) fn output(folder: &Path, words: &[&str]) -> String {
    let output = git(folder, words).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
