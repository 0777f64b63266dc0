//! `/proc/self/mountinfo`, for machines whose cgroup mounts are not where they usually are.

use std::path::PathBuf;

/// A cgroup mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CgroupMount {
    /// Which directory of the hierarchy is visible there.
    pub(crate) root: String,
    pub(crate) mount_point: PathBuf,
    pub(crate) is_v2: bool,
    /// Options of the hierarchy: for v1 its controllers, or `name=…`.
    pub(crate) options: Vec<String>,
}

/// The cgroup mounts in the text of a mountinfo file (proc(5)). Lines that do not fit are passed over.
pub(crate) fn cgroup_mounts(text: &str) -> Vec<CgroupMount> {
    text.lines().filter_map(cgroup_mount).collect()
}

fn cgroup_mount(line: &str) -> Option<CgroupMount> {
    // 36 35 0:33 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut filesystem = filesystem.split(' ');
    let is_v2 = match filesystem.next()? {
        "cgroup" => false,
        "cgroup2" => true,
        _ => return None,
    };
    let options = filesystem.nth(1).unwrap_or_default().split(',').map(str::to_owned).collect();
    let mut mount = mount.split(' ').skip(3);
    let root = unescape(mount.next()?);
    let mount_point = PathBuf::from(unescape(mount.next()?));
    Some(CgroupMount { root, mount_point, is_v2, options })
}

/// Blanks, tabs, line breaks and backslashes stand as three octal digits.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cgroups_are_taken() {
        let text = "\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 22 0:27 /docker/x /sys/fs/cgroup/a\\040b rw shared:9 master:2 - cgroup cgroup rw,cpu,cpuacct
32 22 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
broken line
";
        let mounts = cgroup_mounts(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0].root, "/docker/x");
        assert_eq!(mounts[0].mount_point, PathBuf::from("/sys/fs/cgroup/a b"));
        assert_eq!(mounts[0].options, ["rw", "cpu", "cpuacct"]);
        assert!(!mounts[0].is_v2 && mounts[1].is_v2);
    }
}
