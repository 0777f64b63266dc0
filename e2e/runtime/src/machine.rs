//! What the machine under the runtime offers: cgroup hierarchies and their controllers, the kernel's abilities.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Something that a case needs of the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Need {
    /// Controllers in hierarchies of their own.
    CgroupV1,
    /// Nothing but the unified hierarchy.
    CgroupV2,
    /// This controller, in whatever hierarchy.
    Controller(&'static str),
    /// This file in the cgroup directories of v1, of the controller of its name.
    CgroupFile(&'static str),
    /// A path on the machine.
    Path(&'static str),
    /// No such path on the machine.
    NoPath(&'static str),
    /// At least this kernel.
    Kernel(u32, u32),
    /// Two processors.
    TwoProcessors,
    /// Virtual network interfaces can be made.
    VirtualInterfaces,
    /// The work folder's file system takes id mappings.
    IdMappedFolder,
    /// The machine has block devices.
    Disk,
}

/// The machine, looked at once.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Where each v1 controller is mounted.
    v1: BTreeMap<String, PathBuf>,
    /// Where the unified hierarchy is mounted, and its controllers.
    v2: Option<(PathBuf, Vec<String>)>,
    kernel: (u32, u32),
    processors: usize,
    interfaces: bool,
    on_tmpfs: bool,
    disk: Option<(u32, u32)>,
}

impl Machine {
    /// Looks; `folder` is where bundles will lie.
    pub(crate) fn look(folder: &Path) -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mut v1 = BTreeMap::new();
        let mut v2 = None;
        for line in mounts.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [_, place, kind, options, ..] = words[..] else { continue };
            match kind {
                "cgroup" => {
                    for option in options.split(',') {
                        v1.insert(option.to_owned(), PathBuf::from(place));
                    }
                }
                "cgroup2" => {
                    let path = Path::new(place).join("cgroup.controllers");
                    let text = fs::read_to_string(path).unwrap_or_default();
                    let controllers = text.split_whitespace().map(str::to_owned).collect();
                    v2 = Some((PathBuf::from(place), controllers));
                }
                _ => {}
            }
        }
        Self {
            v1,
            v2,
            kernel: kernel(),
            processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            interfaces: interfaces(),
            on_tmpfs: on_tmpfs(folder),
            disk: disk(),
        }
    }

    /// Whether the only hierarchy is the unified one.
    pub(crate) fn is_pure_v2(&self) -> bool {
        !self.v1.contains_key("pids") && !self.v1.contains_key("memory") && self.v2.is_some()
    }

    /// One line for reports.
    pub(crate) fn describe(&self) -> String {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let layout = if self.is_pure_v2() { "cgroup v2" } else { "cgroup v1, hybrid" };
        format!("Linux {}, {layout}", release.trim())
    }

    /// The mount point of a controller's hierarchy.
    pub(crate) fn hierarchy(&self, controller: &str) -> &Path {
        let unified = self.v2.as_ref().map(|(place, _)| place);
        let found = self.v1.get(controller).or(unified);
        found.unwrap_or_else(|| panic!("no hierarchy has the controller {controller}"))
    }

    /// The mount points of all hierarchies.
    pub(crate) fn hierarchies(&self) -> BTreeSet<&Path> {
        let unified = self.v2.as_ref().map(|(place, _)| place);
        self.v1.values().chain(unified).map(PathBuf::as_path).collect()
    }

    /// A disk's numbers, for limits.
    pub(crate) fn disk(&self) -> (u32, u32) {
        self.disk.expect("the case says that it needs a disk")
    }

    /// Why the machine cannot give this; none when it can.
    pub(crate) fn lacks(&self, need: Need) -> Option<String> {
        let (given, what) = match need {
            Need::CgroupV1 => (!self.is_pure_v2(), "cgroup v1".to_owned()),
            Need::CgroupV2 => (self.is_pure_v2(), "cgroup v2 alone".to_owned()),
            Need::Controller(name) => (self.has(name), format!("the controller {name}")),
            Need::CgroupFile(name) => {
                (self.has_file(name), format!("{name} in this kernel's cgroups"))
            }
            Need::Path(path) => (Path::new(path).exists(), path.to_owned()),
            Need::NoPath(path) => (!Path::new(path).exists(), format!("a machine without {path}")),
            Need::Kernel(major, minor) => {
                (self.kernel >= (major, minor), format!("Linux {major}.{minor}"))
            }
            Need::TwoProcessors => (self.processors >= 2, "two processors".to_owned()),
            Need::VirtualInterfaces => (self.interfaces, "virtual network interfaces".to_owned()),
            Need::IdMappedFolder => (
                !self.on_tmpfs || self.kernel >= (6, 3),
                "a file system that takes id mappings".to_owned(),
            ),
            Need::Disk => (self.disk.is_some(), "a disk".to_owned()),
        };
        (!given).then(|| format!("needs {what}"))
    }

    fn has(&self, controller: &str) -> bool {
        if self.is_pure_v2() {
            // What v1 has as three controllers is one in v2.
            let name = if controller == "cpuacct" { "cpu" } else { controller };
            return name == "devices"
                || name == "freezer"
                || self.v2.as_ref().is_some_and(|v2| unified_has(v2, name));
        }
        self.v1.contains_key(controller)
    }

    fn has_file(&self, name: &str) -> bool {
        let controller = name.split('.').next().unwrap_or_default();
        let Some(place) = self.v1.get(controller) else { return false };
        if place.join(name).exists() {
            return true;
        }
        // Some files stand in children of the root only.
        let children = fs::read_dir(place).into_iter().flatten().flatten();
        children.into_iter().any(|child| child.path().join(name).exists())
    }
}

fn unified_has((_, names): &(PathBuf, Vec<String>), name: &str) -> bool {
    names.iter().any(|known| known == name)
}

fn kernel() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map(|word| word.trim().parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn interfaces() -> bool {
    let name = format!("gcd{}", std::process::id());
    let link = |words: &[&str]| {
        let output = Command::new("busybox").args(["ip", "link"]).args(words).output();
        output.is_ok_and(|output| output.status.success())
    };
    let made = link(&["add", &name, "type", "veth"]);
    made && link(&["del", &name])
}

fn on_tmpfs(folder: &Path) -> bool {
    const TMPFS_MAGIC: i64 = 0x0102_1994;
    const RAMFS_MAGIC: i64 = 0x8584_58f6;
    let found = rustix::fs::statfs(folder).map(|status| status.f_type);
    found.is_ok_and(|kind| kind == TMPFS_MAGIC || kind == RAMFS_MAGIC)
}

fn disk() -> Option<(u32, u32)> {
    let disks = fs::read_dir("/sys/block").ok()?.flatten();
    disks.into_iter().find_map(|disk| {
        let numbers = fs::read_to_string(disk.path().join("dev")).ok()?;
        let (major, minor) = numbers.trim().split_once(':')?;
        // Loop and ram disks have no queue that limits apply to in every kernel.
        let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
        (major != 7 && major != 1).then_some((major, minor))
    })
}
