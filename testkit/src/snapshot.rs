//! What one daemon has on the machine: mounts, cgroups, processes, open files, directories. Two of them compared
//! prove that nothing was left behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::Daemon;
use crate::deadline::poll_for;

/// Everything of one daemon's on the machine, at one moment, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    things: BTreeSet<String>,
}

/// Work that a daemon may still be doing after it has answered, such as emptying its trash.
const SETTLE: Duration = Duration::from_secs(10);

impl Snapshot {
    /// Looks at everything that belongs to `daemon`, once it has finished its work in the background.
    pub fn take(daemon: &Daemon) -> Self {
        let mut last = Self::look(daemon);
        let settled = poll_for(SETTLE, || {
            let now = Self::look(daemon);
            let at_rest = now == last && !now.things.iter().any(|thing| thing.contains("/trash/"));
            last = now;
            at_rest.then(|| last.clone())
        });
        settled.unwrap_or(last)
    }

    fn look(daemon: &Daemon) -> Self {
        let folder = daemon.folder().to_string_lossy().into_owned();
        let mut things = BTreeSet::new();
        mounts(&folder, &mut things);
        if daemon.has_own_cgroups() {
            cgroups(daemon.cgroup_parent(), &mut things);
        }
        processes(&folder, daemon, &mut things);
        files(&daemon.data_root(), "data", &mut things);
        files(&daemon.exec_root(), "exec", &mut things);
        open_files(daemon.pid(), &mut things);
        Self { things }
    }

    /// Asserts that the daemon has nothing more and nothing less than at this snapshot, after a moment to settle.
    #[track_caller]
    pub fn assert_restored(&self, daemon: &Daemon) {
        self.compare(daemon, |snapshot| snapshot.things.clone());
    }

    #[track_caller]
    fn compare(&self, daemon: &Daemon, of_interest: impl Fn(&Self) -> BTreeSet<String>) {
        let mut now = BTreeSet::new();
        let settled = poll_for(SETTLE, || {
            now = of_interest(&Self::look(daemon));
            (now == self.things).then_some(())
        });
        if settled.is_none() {
            let left: Vec<_> = now.difference(&self.things).collect();
            let lost: Vec<_> = self.things.difference(&now).collect();
            panic!("left behind: {left:#?}\nlost: {lost:#?}");
        }
    }
}

impl Snapshot {
    /// As [`Snapshot::assert_restored`] for a daemon that was started anew since: its own process and its open
    /// files are other ones.
    #[track_caller]
    pub fn assert_same_things_as(&self, daemon: &Daemon) {
        Self { things: self.lasting() }.compare(daemon, Self::lasting);
    }

    fn lasting(&self) -> BTreeSet<String> {
        let lasting =
            |thing: &&String| !thing.contains("gantryd --") && !thing.starts_with("open ");
        self.things.iter().filter(lasting).cloned().collect()
    }
}

fn mounts(folder: &str, things: &mut BTreeSet<String>) {
    // Our own namespace is the host's; the daemon's may differ.
    let text = fs::read_to_string("/proc/1/mountinfo").unwrap_or_default();
    for line in text.lines().filter(|line| line.contains(folder)) {
        things.insert(format!("mount {line}"));
    }
}

fn cgroups(parent: &str, things: &mut BTreeSet<String>) {
    let controllers = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    for controller in controllers {
        folders_below(&controller.path().join(parent), &mut |path| {
            things.insert(format!("cgroup {}", path.display()));
        });
    }
    folders_below(&Path::new("/sys/fs/cgroup").join(parent), &mut |path| {
        things.insert(format!("cgroup {}", path.display()));
    });
}

fn folders_below(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            visit(&entry.path());
            folders_below(&entry.path(), visit);
        }
    }
}

fn processes(folder: &str, daemon: &Daemon, things: &mut BTreeSet<String>) {
    let below = format!("/{}/", daemon.cgroup_parent());
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        if !pid.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let read = |name: &str| {
            let bytes = fs::read(entry.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let directory = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        let command = read("cmdline");
        let owned = command.contains(folder)
            || directory.starts_with(folder)
            || (daemon.has_own_cgroups() && read("cgroup").contains(&below));
        if owned {
            things.insert(format!("process {pid} {command}"));
        }
    }
}

/// Paths whose presence says nothing: the database's own files.
fn is_database(name: &str) -> bool {
    name.starts_with("meta.db")
}

fn files(root: &Path, label: &str, things: &mut BTreeSet<String>) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let label = format!("{label}/{name}");
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        // The content of an extracted layer is one thing: its directory.
        let is_layer = label.ends_with("/fs") || label.contains("/rw/");
        if is_folder && !is_layer {
            files(&entry.path(), &label, things);
        }
        // The folders that spread blobs over the disk say nothing either, only the blobs do.
        let is_shard = is_folder && label.contains("/blobs/") && name.len() == 2;
        if !is_database(&name) && !is_shard {
            things.insert(label);
        }
    }
}

const SHIM_COPY: &str = "the shim's program";

/// Open files of the daemon: their number by kind, since the numbers themselves change.
fn open_files(pid: u32, things: &mut BTreeSet<String>) {
    let mut names = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        let target = target.to_string_lossy().into_owned();
        // The shim's program, copied once and kept for all starts.
        if target.starts_with("/memfd:gantry") && !names.contains(&SHIM_COPY.to_owned()) {
            names.push(SHIM_COPY.to_owned());
            continue;
        }
        names.push(target.split(":[").next().unwrap_or_default().to_owned());
    }
    names.retain(|name| name != SHIM_COPY);
    names.sort();
    let mut index = 0;
    while let Some(name) = names.get(index) {
        let count = names.iter().filter(|other| *other == name).count();
        things.insert(format!("open by the daemon: {count} x {name}"));
        index += count;
    }
}
