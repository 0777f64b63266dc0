//! What of a container belongs to the host, and the names by which a checkpoint and its restore mean the same thing.

use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};

use gantry_sys::clone::Namespaces;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, StatxAttributes, StatxFlags, fstat, major, minor, open, stat,
    statx,
};

use super::rpc::ExtMount;
use crate::error::Error;
use crate::options::NOTIFY_TARGET;
use crate::plan::{MountKind, Plan};
use crate::root::Root;
use gantry_sys::mountinfo::{self, MountLine};

/// What lies over every masked file.
pub(super) const NULL: &str = "/dev/null";
/// By these names a network and a pid namespace that were given by path are known.
pub(super) const NETWORK_KEY: &str = "extRootNetNS";
pub(super) const PID_KEY: &str = "extRootPidNS";

/// The container's name for a place: absolute and without detours.
pub(super) fn name_of(destination: &Path) -> PathBuf {
    let mut name = PathBuf::from("/");
    for part in destination.components() {
        match part {
            Component::Normal(part) => name.push(part),
            Component::ParentDir => drop(name.pop()),
            _ => {}
        }
    }
    name
}

/// Where a hierarchy is mounted in the container. On a machine with v2 alone it has no name of its own.
pub(super) fn cgroup_name(destination: &Path, hierarchy: &str) -> PathBuf {
    let name = name_of(destination);
    if hierarchy.is_empty() { name } else { name.join(hierarchy) }
}

/// Nodes that are the host's: in a user namespace none can be made.
pub(super) fn host_devices(plan: &Plan) -> Vec<String> {
    if !plan.namespaces.has_user() {
        return Vec::new();
    }
    let usual =
        ["null", "zero", "full", "random", "urandom", "tty"].map(|name| format!("/dev/{name}"));
    let more = plan.linux.devices.iter().map(|device| device.path.clone());
    let mut all: Vec<String> = usual.into_iter().chain(more).collect();
    all.sort();
    all.dedup();
    all
}

/// Whether the cgroups in the container are binds of the host's, and not mounts of its own cgroup namespace.
pub(super) fn cgroups_are_binds(plan: &Plan) -> bool {
    !plan.namespaces.new_cgroup
}

/// A running container's mounts, found by what its own root shows.
pub(super) struct Seen {
    root: Root,
    lines: Vec<MountLine>,
}

impl Seen {
    pub(super) fn of(pid: i32) -> Result<Self, Error> {
        let path = PathBuf::from(format!("/proc/{pid}/root"));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(&path, flags, Mode::empty())
            .map_err(|error| Error::Read { path: path.clone(), source: error.into() })?;
        let lines = mountinfo::read(pid).map_err(|source| Error::Read { path, source })?;
        Ok(Self { root: Root::new(root), lines })
    }

    /// All mounts.
    pub(super) fn lines(&self) -> &[MountLine] {
        &self.lines
    }

    /// The mount that one sees at a path, if there is one whose root is there.
    pub(super) fn mount_at(&self, path: &Path) -> Option<&MountLine> {
        let (line, is_root) = self.mount_of(path)?;
        is_root.then_some(line)
    }

    /// The mount that a path lies on, and whether the path is the mount's root.
    pub(super) fn mount_of(&self, path: &Path) -> Option<(&MountLine, bool)> {
        let found = self.root.find(path).ok()?;
        let found = statx(found.as_fd(), "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?;
        let is_root = found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
        let line = self.lines.iter().find(|line| line.id == found.stx_mnt_id)?;
        Some((line, is_root))
    }

    /// Whether the null device is what one sees at a path.
    pub(super) fn is_null(&self, path: &Path) -> bool {
        let found = self.root.find(path).ok().and_then(|file| fstat(&file).ok());
        found.is_some_and(|found| {
            FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
                && (major(found.st_rdev), minor(found.st_rdev)) == (1, 3)
        })
    }

    /// The mounts that CRIU is not to write: each with its place and its name.
    pub(super) fn external(&self, plan: &Plan, cgroups: &[String]) -> Vec<ExtMount> {
        let mut names: Vec<PathBuf> = vec![NOTIFY_TARGET.into()];
        for mount in &plan.mounts {
            match mount.kind {
                MountKind::Bind(_) => names.push(name_of(&mount.destination)),
                MountKind::Cgroup if cgroups_are_binds(plan) => {
                    let all = cgroups.iter().map(|it| cgroup_name(&mount.destination, it));
                    names.extend(all);
                }
                _ => {}
            }
        }
        names.extend(host_devices(plan).iter().map(|path| name_of(Path::new(path))));
        let masked = plan.linux.masked_paths.iter().map(Path::new);
        let masked =
            masked.filter(|path| self.mount_at(path).is_some_and(|line| line.root == "/null"));
        let names = names.iter().map(|name| (name.as_path(), name.as_path()));
        let all = names.chain(masked.map(|path| (path, Path::new(NULL))));
        let mut mounts: Vec<ExtMount> = all
            .filter_map(|(place, name)| {
                let key = self.mount_at(place)?.place.clone();
                Some(ExtMount { key, value: name.to_string_lossy().into_owned() })
            })
            .collect();
        mounts.extend(self.below_binds(plan));
        let mut seen = std::collections::BTreeSet::new();
        mounts.retain(|mount| seen.insert(mount.key.clone()));
        mounts
    }

    /// What came along with recursive binds: mounts of the host below a source. They are named after their bind.
    fn below_binds(&self, plan: &Plan) -> Vec<ExtMount> {
        let at = |path: &Path| self.mount_at(path).map(|line| line.id);
        let linux = &plan.linux;
        let protected = linux.masked_paths.iter().chain(&linux.readonly_paths);
        let others = plan.mounts.iter().filter(|mount| !matches!(mount.kind, MountKind::Bind(_)));
        let own: Vec<u64> = others
            .filter_map(|mount| at(&mount.destination))
            .chain(protected.filter_map(|path| at(Path::new(path))))
            .collect();
        let mut found = Vec::new();
        for mount in plan.mounts.iter().filter(|it| matches!(it.kind, MountKind::Bind(_))) {
            let Some(top) = self.mount_at(&mount.destination) else { continue };
            for line in &self.lines {
                let Ok(rest) = Path::new(&line.place).strip_prefix(&top.place) else { continue };
                if line.id != top.id && self.came_with(line, top.id, &own) {
                    let name = name_of(&mount.destination).join(rest);
                    let value = name.to_string_lossy().into_owned();
                    found.push(ExtMount { key: line.place.clone(), value });
                }
            }
        }
        found
    }

    /// Whether a mount lies on another one, and on none of the container's own before that.
    fn came_with(&self, line: &MountLine, top: u64, own: &[u64]) -> bool {
        let mut at = line;
        while !own.contains(&at.id) {
            if at.parent == top {
                return true;
            }
            match self.lines.iter().find(|other| other.id == at.parent && other.id != at.id) {
                Some(parent) => at = parent,
                None => return false,
            }
        }
        false
    }
}

/// Namespaces that the container was given, as CRIU is told of them: `net[4026531840]:key`.
pub(super) fn namespaces(plan: &Plan, pid: i32) -> Result<Vec<String>, Error> {
    let joins_network = plan.namespaces.join.iter().any(|(kind, _)| *kind == Namespaces::NETWORK);
    let mut all = Vec::new();
    for (given, kind, key) in
        [(joins_network, "net", NETWORK_KEY), (plan.namespaces.join_pid.is_some(), "pid", PID_KEY)]
    {
        if given {
            let path = PathBuf::from(format!("/proc/{pid}/ns/{kind}"));
            let found = stat(&path).map_err(|error| Error::Read { path, source: error.into() })?;
            all.push(format!("{kind}[{}]:{key}", found.st_ino));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_absolute_and_straight() {
        for (destination, name) in
            [("/a/b", "/a/b"), ("a//b/", "/a/b"), ("/a/../../b/.", "/b"), ("/", "/")]
        {
            assert_eq!(name_of(Path::new(destination)), Path::new(name));
        }
        assert_eq!(
            cgroup_name(Path::new("/sys/fs/cgroup"), "cpu"),
            Path::new("/sys/fs/cgroup/cpu")
        );
        assert_eq!(cgroup_name(Path::new("/sys/fs/cgroup"), ""), Path::new("/sys/fs/cgroup"));
    }

    #[test]
    fn mounts_are_found_by_what_one_sees() {
        let seen = Seen::of(gantry_sys::process::pid()).unwrap();
        assert_eq!(seen.mount_at(Path::new("/proc")).unwrap().kind, "proc");
        assert!(seen.mount_at(Path::new("/proc/self")).is_none());
        assert_eq!(seen.mount_of(Path::new("/proc/uptime")).unwrap().0.kind, "proc");
        assert!(seen.mount_at(Path::new("/no/such/path")).is_none());
    }
}
