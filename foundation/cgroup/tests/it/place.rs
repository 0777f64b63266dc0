//! A cgroup for one test, and processes in it.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gantry_cgroup::{Cgroup, CgroupPath, Error, Hierarchies};
use gantry_oci::runtime::LinuxResources;

/// A path that no other test has, cleared when it goes.
pub(crate) struct Place {
    pub(crate) hierarchies: Hierarchies,
    pub(crate) path: CgroupPath,
    parent: String,
}

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        let parent = format!("gantry-test-{}-{name}", std::process::id());
        Self {
            hierarchies: Hierarchies::detect().unwrap(),
            path: format!("/{parent}/one").parse().unwrap(),
            parent,
        }
    }

    pub(crate) fn create(&self, resources: serde_json::Value) -> Result<Cgroup, Error> {
        let resources: LinuxResources = serde_json::from_value(resources).unwrap();
        Cgroup::create(&self.hierarchies, &self.path, &resources)
    }

    /// The directories that exist for this test, over all hierarchies.
    pub(crate) fn directories(&self) -> Vec<PathBuf> {
        let roots = self.hierarchies.iter().map(|it| it.root().join(&self.parent));
        roots.filter(|directory| directory.exists()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(cgroup) = Cgroup::open(&self.hierarchies, &self.path) {
            cgroup.kill().and_then(|()| cgroup.remove()).unwrap();
        }
        for directory in self.directories() {
            fs::remove_dir(directory).unwrap();
        }
    }
}

/// A shell that joins the cgroup and runs `script`. It is there when this returns.
pub(crate) fn spawn(cgroup: &Cgroup, script: &str) -> Child {
    let child = start(cgroup, script);
    let pid = child.id().cast_signed();
    wait_for(|| cgroup.mounts().iter().all(|mount| holds(&mount.source, pid)));
    child
}

/// Like [`spawn`], without waiting: for a script that may end at once.
pub(crate) fn start(cgroup: &Cgroup, script: &str) -> Child {
    let join = "for d in \"$@\"; do
        if [ -e \"$d/tasks\" ]; then echo 0 > \"$d/tasks\"; else echo 0 > \"$d/cgroup.procs\"; fi
    done";
    Command::new("sh")
        .args(["-c", &format!("{join}\n{script}"), "sh"])
        .args(cgroup.mounts().iter().map(|mount| &mount.source))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn holds(directory: &std::path::Path, pid: i32) -> bool {
    let procs = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    procs.lines().any(|line| line == pid.to_string())
}

pub(crate) fn wait_for(mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < end, "waited in vain");
        std::thread::sleep(Duration::from_millis(1));
    }
}
