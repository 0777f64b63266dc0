//! Redirected writes to `/proc`. The rules: nothing is mounted inside `/proc`; what the runtime itself writes there goes through a procfs of
//! its own that no mount and no link of the container can reach.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::bed::Bed;

/// A mount over a part of `/proc` redirects what the runtime writes there (CVE-2019-16884, CVE-2025-52881). Stopped by: a target on a procfs
/// is refused, by the file system's magic.
#[test]
fn nothing_can_be_mounted_inside_proc() {
    for at in ["/proc/self/attr", "/proc/sys", "/proc/../proc/version", "/tmp/link/sys"] {
        let mut bed = Bed::new();
        symlink("/proc", bed.rootfs().join("tmp/link")).unwrap();
        let source = bed.dir.path().join(if at.ends_with("version") { "file" } else { "dir" });
        if at.ends_with("version") {
            fs::write(&source, "").unwrap();
        } else {
            fs::create_dir(&source).unwrap();
        }
        bed.push(
            "/mounts",
            json!({"destination": at, "type": "bind", "source": source,
            "options": ["bind"]}),
        );
        let message = bed.run_err();
        assert!(message.contains("cannot be mounted because it is inside /proc"), "{message}");
        bed.check_nothing_left();
    }
    let mut bed = Bed::new();
    bed.config["mounts"][0] = json!({"destination": "/proc", "type": "tmpfs", "source": "x"});
    assert!(bed.run_err().contains("only a procfs"));
}

/// A file that tools are known to cover there is fine.
#[test]
fn known_files_of_proc_can_be_covered() {
    let mut bed = Bed::new();
    fs::write(bed.dir.path().join("uptime"), "42\n").unwrap();
    bed.push(
        "/mounts",
        json!({"destination": "/proc/uptime", "type": "bind",
        "source": bed.dir.path().join("uptime"), "options": ["bind"]}),
    );
    bed.script("cat /proc/uptime");
    assert_eq!(bed.run(), "42\n");
}

/// The image brings files where the kernel's parameters would be, and the document mounts no procfs: values would be written to wherever
/// those links lead (CVE-2025-52881). Stopped by: a private `fsopen("proc")`, resolved with `NO_XDEV` and without links.
#[test]
fn kernel_parameters_are_not_written_into_the_image() {
    let mut bed = Bed::new();
    let victim = bed.dir.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    let folder = bed.rootfs().join("proc/sys/net/ipv4");
    fs::create_dir_all(&folder).unwrap();
    symlink(&victim, folder.join("ip_unprivileged_port_start")).unwrap();
    fs::write(bed.rootfs().join("proc/sys/net/ipv4/ip_forward"), "untouched").unwrap();
    bed.config["mounts"] = json!([]);
    bed.set("/linux/maskedPaths", json!([])).set("/linux/readonlyPaths", json!([]));
    bed.set(
        "/linux/sysctl",
        json!({"net.ipv4.ip_forward": "1", "net.ipv4.ip_unprivileged_port_start": "7"}),
    );
    bed.script("cat /proc/sys/net/ipv4/ip_forward");
    assert_eq!(bed.run(), "untouched");
    assert_eq!(fs::read(&victim).unwrap(), b"untouched");
}

/// A parameter's name that climbs out of `/proc/sys`. Stopped by: only names of known namespaces are taken, and `..` is none.
#[test]
fn parameters_names_do_not_climb() {
    for name in ["net/../kernel/core_pattern", "net.ipv4./../../kernel.core_pattern", "net..x"] {
        let mut bed = Bed::new();
        bed.set("/linux/sysctl", json!({ name: "x" }));
        let message = bed.run_err();
        assert!(message.contains("sysctl"), "{message}");
        bed.check_nothing_left();
    }
}
