//! Cgroups. The rules: no `..` in their paths; a container that has no cgroup namespace sees its own cgroups and nothing above them.

use serde_json::json;

use crate::bed::{Bed, text};

/// Paths that would lead a container's limits, or the runtime's `rmdir`, elsewhere. Stopped by: `.` and `..` are refused.
#[test]
fn paths_do_not_climb() {
    for path in ["/a/../../b", "..", "../..", "/../x", "a/./b", "/gantry-test/..", "a\n/b"] {
        let mut bed = Bed::new();
        bed.set("/linux/cgroupsPath", json!(path));
        let message = bed.run_err();
        assert!(message.contains("cgroup path"), "{message}");
        bed.check_nothing_left();
    }
}

/// A writable cgroup file system without a cgroup namespace (CVE-2023-25809, and CVE-2022-0492's `release_agent`). Stopped by: only the
/// container's own directories are bound there; the roots, which have the `release_agent`, are out of reach.
#[test]
fn without_a_namespace_only_the_own_cgroups_are_there() {
    let mut bed = Bed::new();
    let namespaces = bed.config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|namespace| namespace["type"] != "cgroup");
    bed.push(
        "/mounts",
        json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev"]}),
    );
    bed.script(
        "find /sys/fs/cgroup/ -name release_agent; find /sys/fs/cgroup/ -name 't*-*'; cat /sys/fs/cgroup/pids/cgroup.procs; \
         ls /sys/fs/cgroup/pids/.. | grep -c gantry; \
         mount -t cgroup -o pids none /tmp 2>/dev/null && echo mounted; (echo x > /sys/fs/cgroup/pids/release_agent) 2>/dev/null && echo written",
    );
    let said = {
        bed.write_config();
        text(&bed.call(&["run", &bed.id]).stdout)
    };
    // Its own two processes, and above its directory nothing of ours.
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.ends_with(&["0"]), "{said}");
    assert!(lines[..lines.len() - 1].iter().all(|line| line.parse::<i32>().is_ok()), "{said}");
}
