//! Which cgroup hierarchies the machine mounts, and where.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, fstatfs, openat};

use crate::directory::Directory;
use crate::error::Error;
use crate::path::CgroupPath;
use crate::{mountinfo, own_place};

/// Where everybody mounts them.
const USUAL_PLACE: &str = "/sys/fs/cgroup";
/// `CGROUP_SUPER_MAGIC` and `CGROUP2_SUPER_MAGIC` of `linux/magic.h`.
const V1_MAGIC: i64 = 0x0027_e0eb;
const V2_MAGIC: i64 = 0x6367_7270;
/// The controllers a v1 directory's name may consist of.
const V1_CONTROLLERS: &[&str] = &[
    "blkio",
    "cpu",
    "cpuacct",
    "cpuset",
    "devices",
    "freezer",
    "hugetlb",
    "memory",
    "misc",
    "net_cls",
    "net_prio",
    "perf_event",
    "pids",
    "rdma",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

/// How the machine combines the two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// v1 alone.
    Legacy,
    /// v1 with its controllers, and v2 besides.
    Hybrid,
    /// v2 alone.
    Unified,
}

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    version: Version,
    root: PathBuf,
    /// What it controls; for a v1 hierarchy without controllers `name=<its name>`.
    controllers: Vec<String>,
    /// Other names for its directory, such as `cpu` for `cpu,cpuacct`.
    aliases: Vec<String>,
    anchor: Anchor,
}

/// The open root of a hierarchy. It says nothing about which hierarchy that is.
#[derive(Debug, Clone, Default)]
struct Anchor(Option<Arc<OwnedFd>>);

impl PartialEq for Anchor {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Anchor {}

/// The mounted hierarchies. Detected once for each process; mounts do not change under a running system.
#[derive(Debug, Clone)]
pub struct Hierarchies(Vec<Hierarchy>);

impl Hierarchies {
    /// Finds the hierarchies: by the usual places, or by the table of mounts where those look unusual.
    ///
    /// # Errors
    /// [`Error::NoHierarchies`] when none is mounted.
    pub fn detect() -> Result<Self, Error> {
        let place = Path::new(USUAL_PLACE);
        let found = match magic(place) {
            Some(V2_MAGIC) => Some(vec![Self::unified(place)?]),
            Some(_) => beside_each_other(place)?,
            None => None,
        };
        let mut hierarchies = match found {
            Some(found) => found,
            None => by_table()?,
        };
        if hierarchies.is_empty() {
            return Err(Error::NoHierarchies);
        }
        // A fixed order; v2 last, since joining it is what clone3 does before the child can join the others.
        hierarchies.sort_by(|a, b| {
            (a.version == Version::V2, &a.root).cmp(&(b.version == Version::V2, &b.root))
        });
        Ok(Self(hierarchies))
    }

    #[must_use]
    pub fn layout(&self) -> Layout {
        let has = |version| self.0.iter().any(|hierarchy| hierarchy.version == version);
        match (has(Version::V1), has(Version::V2)) {
            (true, true) => Layout::Hybrid,
            (false, true) => Layout::Unified,
            (_, false) => Layout::Legacy,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Hierarchy> {
        self.0.iter()
    }

    /// On a machine with v2 alone: the path of a cgroup `names` beside the one that this process is in, where delegation gives users
    /// a part of the tree. `None` on other machines, and where this process is at the root.
    ///
    /// # Errors
    /// `/proc/self/cgroup` or the table of mounts cannot be read, or `names` are no path.
    pub fn beside_own(&self, names: &str) -> Result<Option<CgroupPath>, Error> {
        let (Layout::Unified, [hierarchy]) = (self.layout(), self.0.as_slice()) else {
            return Ok(None);
        };
        let starts = own_place::starts(self)?;
        starts.first().map_or(Ok(None), |start| below(&hierarchy.root, start, names))
    }

    pub(crate) fn of(hierarchies: Vec<Hierarchy>) -> Self {
        Self(hierarchies)
    }

    fn unified(root: &Path) -> Result<Hierarchy, Error> {
        let detect = |source| Error::Detect { path: root.to_owned(), source };
        let directory = Directory::open(root).map_err(detect)?;
        let controllers = directory.try_read("cgroup.controllers").map_err(detect)?;
        Ok(Hierarchy::v2(root.to_owned(), &controllers.split_whitespace().collect::<Vec<_>>()))
    }
}

impl Hierarchy {
    pub(crate) fn v1(root: PathBuf, controllers: &[&str]) -> Self {
        let controllers = controllers.iter().map(|&name| name.to_owned()).collect();
        Self {
            version: Version::V1,
            root,
            controllers,
            aliases: Vec::new(),
            anchor: Anchor::default(),
        }
    }

    pub(crate) fn v2(root: PathBuf, controllers: &[&str]) -> Self {
        Self { version: Version::V2, ..Self::v1(root, controllers) }
    }

    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// A directory to begin at, and the rest of the way to a path in this hierarchy.
    ///
    /// The usual way from `/` leads through sysfs, whose every step has to wait while somebody makes a device, as everybody does who
    /// makes a network namespace.
    pub(crate) fn reach<'a>(&'a self, path: &'a Path) -> (BorrowedFd<'a>, &'a Path) {
        match (&self.anchor.0, path.strip_prefix(&self.root)) {
            (Some(root), Ok(rest)) if !rest.as_os_str().is_empty() => (root.as_fd(), rest),
            _ => (CWD, path),
        }
    }

    /// Where it is mounted.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Names such as `memory`; a named v1 hierarchy has one, such as `name=systemd`.
    pub fn controllers(&self) -> impl Iterator<Item = &str> {
        self.controllers.iter().map(String::as_str)
    }

    /// Links to it in the directory that it is mounted in.
    pub(crate) fn aliases(&self) -> &[String] {
        &self.aliases
    }

    #[must_use]
    pub fn holds(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }
}

/// The path of `names` in a directory of a hierarchy; `None` in its root.
fn below(root: &Path, start: &Path, names: &str) -> Result<Option<CgroupPath>, Error> {
    let start = start.strip_prefix(root).ok().and_then(Path::to_str);
    match start.filter(|start| !start.is_empty()) {
        Some(start) => format!("/{start}/{names}").parse().map(Some),
        None => Ok(None),
    }
}

/// The hierarchies in a directory that has one entry for each, named after its controllers. `None` when a name says
/// nothing, so that the table of mounts must be asked.
fn beside_each_other(place: &Path) -> Result<Option<Vec<Hierarchy>>, Error> {
    let detect = |source| Error::Detect { path: place.to_owned(), source };
    let directory = Directory::open(place).map_err(detect)?;
    let mut hierarchies = Vec::new();
    for name in directory.children().map_err(detect)? {
        let root = place.join(&name);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(open) = openat(&directory, name.as_str(), flags, Mode::empty()) else { continue };
        let mut hierarchy = match fstatfs(&open).ok().map(|found| found.f_type) {
            Some(V2_MAGIC) => Hierarchies::unified(&root)?,
            Some(V1_MAGIC) => {
                let controllers: Vec<&str> = name.split(',').collect();
                if controllers.iter().all(|it| V1_CONTROLLERS.contains(it)) {
                    Hierarchy::v1(root, &controllers)
                } else if name == "systemd" {
                    Hierarchy::v1(root, &["name=systemd"])
                } else {
                    return Ok(None);
                }
            }
            _ => continue,
        };
        hierarchy.anchor = Anchor(Some(Arc::new(open)));
        hierarchies.push(hierarchy);
    }
    for (name, target) in directory.links().map_err(detect)? {
        let named = |it: &&mut Hierarchy| it.root.file_name() == Path::new(&target).file_name();
        if let Some(hierarchy) = hierarchies.iter_mut().find(named) {
            hierarchy.aliases.push(name);
        }
    }
    Ok((!hierarchies.is_empty()).then_some(hierarchies))
}

fn by_table() -> Result<Vec<Hierarchy>, Error> {
    let path = "/proc/self/mountinfo";
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::Detect { path: path.into(), source })?;
    let mut hierarchies: Vec<Hierarchy> = Vec::new();
    for mount in mountinfo::cgroup_mounts(&text) {
        let hierarchy = if mount.is_v2 {
            // A mount that a later one covers cannot be read; it is of no use.
            match Hierarchies::unified(&mount.mount_point) {
                Ok(hierarchy) => hierarchy,
                Err(_) => continue,
            }
        } else {
            let known =
                |option: &&str| V1_CONTROLLERS.contains(option) || option.starts_with("name=");
            let controllers: Vec<&str> =
                mount.options.iter().map(String::as_str).filter(known).collect();
            Hierarchy::v1(mount.mount_point, &controllers)
        };
        // Each hierarchy may be mounted many times; the first place is as good as any.
        let seen = |known: &Hierarchy| {
            known.version == hierarchy.version
                && (known.version == Version::V2 || known.controllers == hierarchy.controllers)
        };
        if !hierarchies.iter().any(seen) {
            hierarchies.push(hierarchy);
        }
    }
    Ok(hierarchies)
}

/// The kind of file system that is mounted at `path`. `None` when there is none.
fn magic(path: &Path) -> Option<i64> {
    Some(rustix::fs::statfs(path).ok()?.f_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_beside_the_own_one_is_named_from_the_root() {
        for (start, expected) in [
            ("/c/user.slice/user-7.slice", Some("/user.slice/user-7.slice/a/b")),
            ("/c", None),
            ("/elsewhere", None),
        ] {
            let place = below(Path::new("/c"), Path::new(start), "a/b").unwrap();
            assert_eq!(place.map(|place| place.to_string()).as_deref(), expected);
        }
        assert!(below(Path::new("/c"), Path::new("/c/x"), "..").is_err());
    }
}
