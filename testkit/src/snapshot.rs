//! What one daemon has on the machine: mounts, cgroups, processes, open files, directories. Two of them compared
//! prove that nothing was left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::Daemon;
use crate::deadline::poll_for;

/// Everything of one daemon's on the machine, at one moment, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    things: BTreeSet<String>,
    /// The daemon's open files by what they are: their numbers change, and fewer is no fault.
    open: BTreeMap<String, usize>,
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
        mounts(&folder, daemon.pid(), &mut things);
        if daemon.has_own_cgroups() {
            cgroups(daemon.cgroup_parent(), &mut things);
        }
        processes(&folder, daemon, &mut things);
        files(&daemon.data_root(), "data", &mut things);
        files(&daemon.exec_root(), "exec", &mut things);
        // A few, made for whoever comes next.
        things.retain(|thing| !thing.starts_with("data/layers/spare/"));
        Self { things, open: open_files(daemon.pid()) }
    }

    /// Asserts that the daemon has nothing more and nothing less than at this snapshot, after a moment to settle.
    #[track_caller]
    pub fn assert_restored(&self, daemon: &Daemon) {
        self.compare(daemon, |now| {
            let kept = now.open.iter().filter(|(name, count)| **count > self.opened(name));
            let kept =
                kept.map(|(name, count)| format!("{count} x {name}, was {}", self.opened(name)));
            (now.things.clone(), kept.collect())
        });
    }

    /// As [`Snapshot::assert_restored`] for a daemon that was started anew since: its own process and its open
    /// files are other ones.
    #[track_caller]
    pub fn assert_same_things_as(&self, daemon: &Daemon) {
        let before = Self { things: self.lasting(), open: BTreeMap::new() };
        before.compare(daemon, |now| (now.lasting(), Vec::new()));
    }

    fn lasting(&self) -> BTreeSet<String> {
        self.things.iter().filter(|thing| !thing.contains("gantryd --")).cloned().collect()
    }

    fn opened(&self, name: &str) -> usize {
        // The shim's program is copied into memory once and kept for all starts.
        let allowed = usize::from(name.starts_with("/memfd:gantry"));
        self.open.get(name).copied().unwrap_or(0).max(allowed)
    }

    /// Waits until what `view` sees is what stands here and no file is kept open.
    #[track_caller]
    fn compare(&self, daemon: &Daemon, view: impl Fn(&Self) -> (BTreeSet<String>, Vec<String>)) {
        let mut seen = (BTreeSet::new(), Vec::new());
        let settled = poll_for(SETTLE, || {
            seen = view(&Self::look(daemon));
            (seen.0 == self.things && seen.1.is_empty()).then_some(())
        });
        if settled.is_none() {
            let (now, open) = seen;
            let left: Vec<_> = now.difference(&self.things).collect();
            let lost: Vec<_> = self.things.difference(&now).collect();
            panic!("left behind: {left:#?}\nkept open: {open:#?}\nlost: {lost:#?}");
        }
    }
}

fn mounts(folder: &str, daemon: u32, things: &mut BTreeSet<String>) {
    // In our namespace, and in the daemon's, should it have one of its own.
    for path in ["/proc/self/mountinfo".to_owned(), format!("/proc/{daemon}/mountinfo")] {
        let text = fs::read_to_string(path).unwrap_or_default();
        things.extend(
            text.lines().filter(|line| line.contains(folder)).map(|line| format!("mount {line}")),
        );
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
            || has_open(&entry.path(), folder)
            || (daemon.has_own_cgroups() && read("cgroup").contains(&below));
        if owned {
            things.insert(format!("process {pid} {command}"));
        }
    }
}

/// Whether a process is one of our programs and has a file below `folder` open: a child that the runtime has not
/// let go yet names the folder nowhere else.
fn has_open(process: &Path, folder: &str) -> bool {
    let program = fs::read_link(process.join("exe")).unwrap_or_default();
    let files = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    program.to_string_lossy().contains("gantry")
        && files
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .any(|path| path.starts_with(folder))
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

/// Open files of the daemon, counted by what they are.
/// Whether a descriptor is a layer's mount: of erofs there is nothing else here.
fn is_layer(path: &Path) -> bool {
    const EROFS: u64 = 0xe0f5_e1e2;
    rustix::fs::statfs(path).is_ok_and(|found| found.f_type.cast_unsigned() == EROFS)
}

fn open_files(pid: u32) -> BTreeMap<String, usize> {
    let mut open = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        let target = target.to_string_lossy().into_owned();
        // A layer's mount is kept for the layer's next container.
        if target == "/" && is_layer(&entry.path()) {
            continue;
        }
        let name = target.split(":[").next().unwrap_or_default();
        *open.entry(name.to_owned()).or_default() += 1;
    }
    open
}
