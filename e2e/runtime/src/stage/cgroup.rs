//! The container's cgroups, seen from the host.

use std::fs;
use std::path::{Path, PathBuf};

use super::{CGROUP, Stage};
use crate::machine::Machine;

impl Stage {
    /// The container's directory in a controller's hierarchy, as the kernel tells it of the container's process.
    pub(crate) fn cgroup(&mut self, controller: &str) -> PathBuf {
        let pid = self.pid();
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup"));
        let text = text.unwrap_or_else(|error| panic!("read the cgroups of {pid}: {error}"));
        let path = path_in(&text, controller);
        let path = path.unwrap_or_else(|| panic!("no cgroup of {controller} in {text}"));
        self.machine().hierarchy(controller).join(path.trim_start_matches('/'))
    }

    /// One file of the container's cgroup, trimmed.
    pub(crate) fn cgroup_file(&mut self, name: &str) -> String {
        let controller = name.split('.').next().unwrap_or_default();
        // The unified hierarchy has neither of these as a controller.
        let controller = if controller == "cgroup" { "pids" } else { controller };
        let path = self.cgroup(controller).join(name);
        let text = fs::read_to_string(&path);
        text.unwrap_or_else(|error| panic!("read {}: {error}", path.display())).trim().to_owned()
    }

    /// Gives the container some of the time that a kernel with budgets for real-time processes keeps from cgroups.
    pub(crate) fn allow_real_time(&mut self) {
        let machine = self.machine();
        if machine.is_pure_v2() {
            return;
        }
        let parent = machine.hierarchy("cpu").join(CGROUP.trim_start_matches('/'));
        let budget = parent.join("cpu.rt_runtime_us");
        fs::create_dir_all(&parent).expect("make the suite's cgroup");
        if budget.exists() {
            fs::write(budget, "400000").expect("give the suite's cgroup time");
            self.set("/linux/resources/cpu/realtimeRuntime", serde_json::json!(20_000));
        }
    }

    /// Where the config's cgroupsPath should be in a controller's hierarchy.
    pub(crate) fn configured_cgroup(&self, controller: &str) -> PathBuf {
        self.machine().hierarchy(controller).join(CGROUP.trim_start_matches('/')).join(&self.id)
    }
}

/// The path in the line of this controller, else in the line of the unified hierarchy.
fn path_in<'a>(text: &'a str, controller: &str) -> Option<&'a str> {
    let lines = || {
        text.lines().filter_map(|line| {
            let (_, rest) = line.split_once(':')?;
            rest.split_once(':')
        })
    };
    let own = lines().find(|(names, _)| names.split(',').any(|name| name == controller));
    own.or_else(|| lines().find(|(names, _)| names.is_empty())).map(|(_, path)| path)
}

/// Removes what a failed case left in the cgroups.
pub(super) fn sweep(machine: &Machine, id: &str) {
    for hierarchy in machine.hierarchies() {
        remove(&hierarchy.join(CGROUP.trim_start_matches('/')).join(id));
    }
}

/// Removes the suite's own cgroup when the last container is gone.
pub(crate) fn sweep_parent(machine: &Machine) {
    for hierarchy in machine.hierarchies() {
        remove(&hierarchy.join(CGROUP.trim_start_matches('/')));
    }
}

fn remove(path: &Path) {
    let children = fs::read_dir(path).into_iter().flatten().flatten();
    for child in children.filter(|child| child.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove(&child.path());
    }
    // Not there, or still in use by the container that the runtime did not end: neither is ours to mend.
    drop(fs::remove_dir(path));
}
