//! A machine within the machine for a foreign engine: mounts, processes and network of its own, and a folder and a cgroup that go with
//! it. However the test ends, nothing of the engine is left. The engines themselves are next door.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::deadline::poll;
use crate::{Binaries, Invocation, require_root};

const SCRIPT: &str = include_str!("enclosure.sh");

/// Where an engine runs. Everything in it ends when this is dropped, or when the test's process ends.
#[derive(Debug)]
pub struct Enclosure {
    folder: PathBuf,
    cgroup: String,
    /// The first process in it, as the host numbers it.
    first: u32,
    /// Held open as long as we live.
    lifeline: Option<ChildStdin>,
    keeper: Child,
}

impl Enclosure {
    /// Makes one; `name` becomes part of its folder's and its cgroup's name.
    pub fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        require_root();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let cgroup = format!("gantry-{name}-{}-{number}", std::process::id());
        // Short: engines make sockets in there. From here on the keeper removes it.
        let folder = tempfile::Builder::new().prefix("gantry-").tempdir_in("/tmp");
        let folder = folder.expect("make the engine's folder").keep();
        let mut keeper = Command::new("sh")
            .args(["-c", SCRIPT])
            .env("ROOT", &folder)
            .env("CGROUP", &cgroup)
            .env("INIT", Binaries::find().path("gantry-init"))
            .current_dir("/")
            .stdin(Stdio::piped())
            .spawn()
            .expect("start sh");
        let lifeline = keeper.stdin.take();
        let first = poll("the enclosure to stand", || {
            folder.join("ready").exists().then_some(())?;
            only_child(only_child(keeper.id())?)
        });
        Self { folder, cgroup, first, lifeline, keeper }
    }

    /// The engine's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The cgroup below which its containers are to live, with a leading slash.
    pub fn cgroup(&self) -> String {
        format!("/{}", self.cgroup)
    }

    /// A program in there, its arguments still to be added.
    pub fn command(&self, program: &str) -> Invocation {
        let first = self.first.to_string();
        Invocation::new("nsenter").args(["-t", &first, "-m", "-n", "-p", "--", program])
    }
}

impl Drop for Enclosure {
    fn drop(&mut self) {
        self.lifeline = None;
        drop(self.keeper.wait());
    }
}

fn only_child(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
