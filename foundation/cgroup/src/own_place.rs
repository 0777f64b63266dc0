//! Where a process is in each hierarchy; this process's place is the start of relative paths.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::hierarchy::{Hierarchies, Hierarchy, Layout, Version};
use crate::mountinfo;

const OWN_CGROUPS: &str = "/proc/self/cgroup";
const MOUNTINFO: &str = "/proc/self/mountinfo";

/// For each hierarchy the directory that a relative path starts from, in the hierarchies' order.
pub(crate) fn starts(hierarchies: &Hierarchies) -> Result<Vec<PathBuf>, Error> {
    let read = |file: &str| {
        std::fs::read_to_string(file).map_err(|source| Error::Read { file: file.into(), source })
    };
    let own = read(OWN_CGROUPS)?;
    let mounts = mountinfo::cgroup_mounts(&read(MOUNTINFO)?);
    Ok(hierarchies
        .iter()
        .map(|hierarchy| {
            let mount = mounts.iter().find(|mount| mount.mount_point == hierarchy.root());
            let mount_root = mount.map_or("/", |mount| mount.root.as_str());
            start(hierarchy, hierarchies.layout(), &own, mount_root)
        })
        .collect())
}

/// The directories of the cgroups that a process is in; those that are a hierarchy's root are left out.
pub(crate) fn places(hierarchies: &Hierarchies, pid: u32) -> Result<Vec<PathBuf>, Error> {
    let file = PathBuf::from(format!("/proc/{pid}/cgroup"));
    let table = std::fs::read_to_string(&file).map_err(|source| Error::Read { file, source })?;
    let directory = |hierarchy: &Hierarchy| {
        let path = table.lines().find_map(|line| place(line, hierarchy))?.strip_prefix('/')?;
        (!path.is_empty()).then(|| hierarchy.root().join(path))
    };
    Ok(hierarchies.iter().filter_map(directory).collect())
}

/// The start in one hierarchy, of which the directory `mount_root` is what is mounted.
fn start(hierarchy: &Hierarchy, layout: Layout, own: &str, mount_root: &str) -> PathBuf {
    let Some(place) = own.lines().find_map(|line| place(line, hierarchy)) else {
        return hierarchy.root().to_owned();
    };
    // Outside of what is mounted, the mount's own root is the nearest there is.
    let below_mount = Path::new(place).strip_prefix(mount_root).unwrap_or(Path::new(""));
    let relative = below_mount.strip_prefix("/").unwrap_or(below_mount);
    let directory = hierarchy.root().join(relative);
    if layout == Layout::Unified && directory != hierarchy.root() {
        // A v2 cgroup that holds processes cannot give controllers to cgroups below it, so the new one goes beside it.
        return directory.parent().unwrap_or(hierarchy.root()).to_owned();
    }
    directory
}

/// The path in a line such as `4:memory:/path` or `0::/path`, when it is about `hierarchy`.
fn place<'a>(line: &'a str, hierarchy: &Hierarchy) -> Option<&'a str> {
    let (_number, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let fits = match hierarchy.version() {
        Version::V2 => controllers.is_empty(),
        Version::V1 => controllers.split(',').any(|name| hierarchy.holds(name)),
    };
    fits.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "4:memory:/system/a\n2:cpuacct,cpu:/b\n1:name=systemd:/s\n0::/user/c\n";

    fn check(hierarchy: &Hierarchy, layout: Layout, mount_root: &str, expected: &str) {
        assert_eq!(start(hierarchy, layout, OWN, mount_root), PathBuf::from(expected));
    }

    #[test]
    fn starts_in_each_kind() {
        let memory = Hierarchy::v1("/c/memory".into(), &["memory"]);
        let cpu = Hierarchy::v1("/c/cpu,cpuacct".into(), &["cpu", "cpuacct"]);
        let named = Hierarchy::v1("/c/systemd".into(), &["name=systemd"]);
        let unified = Hierarchy::v2("/c".into(), &["memory"]);
        check(&memory, Layout::Hybrid, "/", "/c/memory/system/a");
        check(&cpu, Layout::Hybrid, "/", "/c/cpu,cpuacct/b");
        check(&named, Layout::Hybrid, "/", "/c/systemd/s");
        check(&unified, Layout::Hybrid, "/", "/c/user/c");
        check(&unified, Layout::Unified, "/", "/c/user");
        // A container that sees only its own part of the hierarchy.
        check(&memory, Layout::Legacy, "/system", "/c/memory/a");
        check(&memory, Layout::Legacy, "/other", "/c/memory");
        check(&Hierarchy::v1("/c/pids".into(), &["pids"]), Layout::Legacy, "/", "/c/pids");
    }
}
